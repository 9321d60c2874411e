//! One pod's REST API, as it is called: a few requests at once, within the hour's budget.

use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use url::Url;

use super::budget::Budget;
use crate::error::{Error, Result};
use crate::http::auth::Authorizer;
use crate::http::{Answer, Client, HttpError, Request};

/// How large a page may be. Several wait in memory at once; larger ones are asked for in smaller pages.
const LARGEST_PAGE: u64 = 8 << 20;
/// How large a description may be, with all of the resource's children.
const LARGEST_DESCRIPTION: u64 = 32 << 20;
const FRAMEWORK: HeaderName = HeaderName::from_static("rest-framework-version");
/// The values of the header, by version.
const FRAMEWORKS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Calls a pod's REST resources.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    authorizer: Arc<dyn Authorizer>,
    budget: Budget,
    at_once: Semaphore,
    parallel_pages: usize,
}

/// A page of a collection. What it counts is not believed: past a limit it counts itself.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Box<RawValue>>,
    /// Whether there are rows after these.
    #[serde(rename = "hasMore")]
    pub(super) has_more: bool,
}

impl Api {
    pub(super) fn new(
        client: Client,
        authorizer: Arc<dyn Authorizer>,
        budget: Budget,
        parallel_pages: usize,
    ) -> Self {
        let parallel_pages = parallel_pages.clamp(1, 64);
        Self { client, authorizer, budget, at_once: Semaphore::new(parallel_pages), parallel_pages }
    }

    /// How many requests are made at once.
    pub(super) fn parallel_pages(&self) -> usize {
        self.parallel_pages
    }

    /// Whether a URL may be called; an answer may name any.
    pub(super) fn may_call(&self, url: &Url) -> bool {
        self.client.policy().check(url).is_ok()
    }

    /// A page.
    pub(super) async fn page(&self, url: Url, framework: u8) -> Result<Page> {
        Ok(self.asked(url, framework, LARGEST_PAGE).await??.json()?)
    }

    /// A description, or another answer that is no page; the pod's refusal as it came.
    pub(super) async fn description<T: DeserializeOwned>(
        &self,
        url: Url,
        framework: u8,
    ) -> Result<Result<T, HttpError>> {
        match self.asked(url, framework, LARGEST_DESCRIPTION).await? {
            Ok(answer) => Ok(answer.json()),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn asked(&self, url: Url, framework: u8, limit: u64) -> Result<Result<Answer, HttpError>> {
        let _turn = self
            .at_once
            .acquire()
            .await
            .map_err(|closed| Error::source_unavailable("the source is being closed").because(closed))?;
        self.budget.take().await?;
        let mut request = Request::get(url).authorized_by(Arc::clone(&self.authorizer)).at_most(limit);
        if let Some(version) = FRAMEWORKS.get(usize::from(framework)) {
            request = request.header(FRAMEWORK, version);
        }
        Ok(self.client.call(&request).await)
    }
}
