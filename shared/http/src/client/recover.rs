//! What follows a failed try: other credentials, a pause and another one, or the error.

use std::sync::PoisonError;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::Client;
use super::answer::{Answer, Odd};
use super::body::{decoded, in_utf8};
use super::login::Login;
use super::request::{Request, RetryMode};
use super::transport::read_whole;
use crate::error::{Exchange, Failure, HttpError};
use crate::retry::{self, Budget};

/// How much of an error's body is read.
const MAX_PROBLEM_BYTES: u64 = 64 * 1024;

impl Client {
    /// What an answer that is no success says.
    pub(crate) async fn status_failure(
        &self,
        request: &Request,
        login: &Login,
        response: reqwest::Response,
    ) -> Failure {
        let status = response.status();
        let retry_after = retry::retry_after(response.headers(), self.clock.now());
        let headers = response.headers().clone();
        let body = read_whole(response, MAX_PROBLEM_BYTES).await;
        let problem = match body.and_then(|body| decoded(body, &headers, MAX_PROBLEM_BYTES)) {
            Ok(body) => self.redactor.problem(&in_utf8(body, &headers).bytes),
            // The status says enough.
            Err(_) => None,
        };
        let problem = match (problem, self.request_id(&headers)) {
            (Some(problem), Some(id)) => Some(format!("{problem} (request id {id})")),
            (None, Some(id)) => Some(format!("request id {id}")),
            (problem, None) => problem,
        };
        let is_anonymous = status == StatusCode::UNAUTHORIZED && request.is_reading() && !login.is_shown;
        match is_anonymous {
            true => Failure::NoCredentials { problem, advice: self.policy.advice().map(str::to_owned) },
            false => Failure::Status { status, problem, retry_after },
        }
    }

    /// What Oracle's cloud calls the request, which its support asks for.
    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        const MAX_CHARS: usize = 120;
        let id = headers.get("opc-request-id")?.to_str().ok()?;
        Some(self.redactor.text(id).chars().take(MAX_CHARS).collect())
    }

    /// Whether an answer refuses a call for now, by the request's own judgement, and it is made again after a moment.
    pub(super) async fn is_refused_for_now(
        &self,
        request: &Request,
        answer: &Answer,
        budget: &mut Budget,
    ) -> bool {
        let Some(is_passing) = &request.is_passing else { return false };
        !answer.status.is_success()
            && is_passing(answer)
            && self.pause(budget, retry::retry_after(&answer.headers, self.clock.now())).await
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.retry, self.clock.now())
    }

    pub(crate) fn exchange(&self, request: &Request, budget: &Budget) -> Exchange {
        let mut exchange = Exchange::new(&request.method, &request.shown_url());
        exchange.attempts = budget.tries();
        exchange.elapsed = budget.elapsed(self.clock.now());
        exchange
    }

    /// Does what makes another try sensible: renews credentials once, or waits. An error where none is.
    pub(crate) async fn recover(
        &self,
        request: &Request,
        failure: Failure,
        budget: &mut Budget,
        login: &mut Login,
    ) -> Result<(), HttpError> {
        if login.renewed(request, &failure).await {
            return Ok(());
        }
        let may_repeat = match request.retry_mode {
            // A body that cannot be decoded may have been cut on its way.
            RetryMode::Freely => failure.is_transient() || matches!(failure, Failure::Malformed { .. }),
            RetryMode::WhenTurnedAway => failure.was_turned_away(),
            RetryMode::Never => false,
        };
        if may_repeat && self.pause(budget, failure.retry_after()).await {
            tracing::debug!(call = ?request, %failure, tries = budget.tries(), "trying again");
            return Ok(());
        }
        Err(HttpError::new(self.exchange(request, budget), failure))
    }

    /// Whether an answer that is odd is asked for again, after a moment, and with other credentials where those may be why.
    pub(crate) async fn asks_again(
        &self,
        request: &Request,
        odd: Odd,
        budget: &mut Budget,
        login: &mut Login,
    ) -> bool {
        let asks = self.pause(budget, None).await;
        if asks && odd == Odd::Page {
            login.renew_behind_a_page(request).await;
        }
        tracing::debug!(call = ?request, ?odd, asks, "the answer is none of those that were asked for");
        asks
    }

    /// Waits before another try; `false` where there is none left.
    pub(crate) async fn pause(&self, budget: &mut Budget, retry_after: Option<Duration>) -> bool {
        let delay = {
            let mut jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner);
            budget.next_delay(self.clock.now(), retry_after, &mut jitter)
        };
        match delay {
            Some(delay) => {
                self.clock.sleep(delay).await;
                true
            }
            None => false,
        }
    }
}
