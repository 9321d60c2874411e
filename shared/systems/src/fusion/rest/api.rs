//! One pod's REST API, as it is called: a few requests at once, within the hour's budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use http::HeaderName;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::budget::Budget;
use crate::entries::entries;
use landfall::error::{Error, Result};
use landfall_http::auth::Authorizer;
use landfall_http::{Answer, BoxError, Client, HttpError, RateLimiter, Request};

/// How large a page may be. Several wait in memory at once; larger ones are asked for in smaller pages.
const MAX_PAGE: u64 = 8 << 20;
/// How large a description may be, with all of the resource's children.
const MAX_DESCRIPTION: u64 = 32 << 20;
const FRAMEWORK: HeaderName = HeaderName::from_static("rest-framework-version");
/// The values of the header, by version.
const FRAMEWORKS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Calls a pod's REST resources.
#[derive(Debug)]
pub(super) struct Api {
    shared: Arc<Shared>,
    rate_limiter: Arc<Counted>,
}

/// What all that is read at a pod has in common.
#[derive(Debug)]
struct Shared {
    client: Client,
    authorizer: Arc<dyn Authorizer>,
    budget: Arc<Budget>,
    at_once: Semaphore,
    turns: Arc<Semaphore>,
    parallel_pages: usize,
}

/// The way to the budget of something that is read from its beginning whenever the budget is spent before its end: if it
/// needs most of an hour's requests for itself, it would be begun again and again.
#[derive(Debug)]
struct Counted {
    budget: Arc<Budget>,
    passed: AtomicU32,
    /// What to do about it, for what has a beginning and an end.
    advice: Option<&'static str>,
}

#[async_trait]
impl RateLimiter for Counted {
    async fn acquire(&self) -> std::result::Result<(), BoxError> {
        let passed = self.budget.take().await;
        match (&passed, self.advice, self.budget.per_hour()) {
            (Ok(()), _, _) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
            }
            (Err(error), Some(advice), Some(per_hour)) if error.wait_seconds().is_some() => {
                let passed = self.passed.load(Ordering::Relaxed);
                if passed.saturating_mul(4) >= per_hour.saturating_mul(3) {
                    return Err(Box::new(Error::limit_exceeded(format!(
                        "{passed} requests were not enough, and rest.requests_per_hour allows {per_hour}: {advice}"
                    ))));
                }
            }
            (Err(_), _, _) => {}
        }
        Ok(passed?)
    }
}

/// A page of a collection. What it counts is not believed: past a limit it counts itself.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(default, deserialize_with = "entries")]
    pub(super) items: Vec<Box<RawValue>>,
    /// Whether there are rows after these, where that is said.
    #[serde(rename = "hasMore", default, deserialize_with = "flag")]
    pub(super) has_more: Option<bool>,
    /// The most rows that the server puts on it, where that is not what was asked for.
    #[serde(default, deserialize_with = "count")]
    limit: Option<usize>,
}

impl Page {
    /// How many rows make this page a full one, where so many were asked for.
    pub(super) fn rows_given(&self, asked: usize) -> usize {
        rows_given(self.limit, asked)
    }
}

/// How many rows make a page a full one, where so many were asked for, or come unasked: the server's own limit where that
/// is lower.
pub(super) fn rows_given(limit: Option<usize>, asked: usize) -> usize {
    limit.filter(|limit| *limit > 0).map_or(asked, |limit| limit.min(asked))
}

/// A count as a number or as its text; what is neither is as good as missing.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Number(number) => number.as_u64().and_then(|count| count.try_into().ok()),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// A flag as JSON has them or as their text; what is neither is as good as missing.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Bool(flag) => Some(flag),
        serde_json::Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    })
}

impl Api {
    pub(super) fn new(
        client: Client,
        authorizer: Arc<dyn Authorizer>,
        budget: Budget,
        parallel_pages: usize,
    ) -> Self {
        let parallel_pages = parallel_pages.clamp(1, 64);
        let shared = Shared {
            client,
            authorizer,
            budget: Arc::new(budget),
            at_once: Semaphore::new(parallel_pages),
            turns: Arc::new(Semaphore::new(1)),
            parallel_pages,
        };
        Self::of(Arc::new(shared), None)
    }

    fn of(shared: Arc<Shared>, advice: Option<&'static str>) -> Self {
        let rate_limiter = Counted { budget: Arc::clone(&shared.budget), passed: AtomicU32::new(0), advice };
        Self { shared, rate_limiter: Arc::new(rate_limiter) }
    }

    /// The same API, for one thing that is read from its beginning to its end; what to do where no hour's requests are
    /// enough for it.
    pub(super) fn counting(&self, advice: &'static str) -> Self {
        Self::of(Arc::clone(&self.shared), Some(advice))
    }

    /// Waits until no other file is being read that may take many requests: files that are read together could each
    /// use up a part of the hour, and none come to its end.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.turns).acquire_owned().await.map_err(closing)
    }

    /// How many requests there are in an hour; none where there is no limit.
    pub(super) fn requests_per_hour(&self) -> Option<u32> {
        self.shared.budget.per_hour()
    }

    /// How many requests are made at once.
    pub(super) fn parallel_pages(&self) -> usize {
        self.shared.parallel_pages
    }

    /// Whether a URL may be called; an answer may name any.
    pub(super) fn may_call(&self, url: &Url) -> bool {
        self.shared.client.policy().check(url).is_ok()
    }

    /// A page.
    pub(super) async fn page(&self, url: Url, framework: u8) -> Result<Page> {
        Ok(self.asked(url, framework, MAX_PAGE).await??.json_to_keep()?)
    }

    /// A description, or another answer that is no page; the pod's refusal as it came.
    pub(super) async fn description<T: DeserializeOwned>(
        &self,
        url: Url,
        framework: u8,
    ) -> Result<Result<T, HttpError>> {
        match self.asked(url, framework, MAX_DESCRIPTION).await? {
            Ok(answer) => Ok(answer.json()),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn asked(&self, url: Url, framework: u8, limit: u64) -> Result<Result<Answer, HttpError>> {
        let _turn = self.shared.at_once.acquire().await.map_err(closing)?;
        let mut request = Request::get_json(url)
            .authorized_by(Arc::clone(&self.shared.authorizer))
            .through(Arc::clone(&self.rate_limiter) as Arc<dyn RateLimiter>)
            .at_most(limit);
        if let Some(version) = FRAMEWORKS.get(usize::from(framework)) {
            request = request.header(FRAMEWORK, version);
        }
        Ok(self.shared.client.call(&request).await)
    }
}

/// Nobody waits any more for a turn.
pub(super) fn closing(closed: AcquireError) -> Error {
    Error::source_unavailable("the source is being closed").because(closed)
}
