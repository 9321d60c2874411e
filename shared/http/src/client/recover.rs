//! What follows a failed try: other credentials, a pause and another one, or the error.

use std::sync::PoisonError;
use std::time::Duration;

use super::Client;
use super::login::Login;
use super::request::{Request, RetryMode};
use super::transport::read_whole;
use crate::error::{Exchange, Failure, HttpError};
use crate::retry::{self, Budget};

/// How much of an error's body is read.
const MAX_PROBLEM_BYTES: u64 = 64 * 1024;

impl Client {
    /// What an answer that is no success says.
    pub(crate) async fn status_failure(&self, response: reqwest::Response) -> Failure {
        let status = response.status();
        let retry_after = retry::retry_after(response.headers(), self.clock.now());
        let problem = match read_whole(response, MAX_PROBLEM_BYTES).await {
            Ok(body) => self.redactor.problem(&body),
            // The status says enough.
            Err(_) => None,
        };
        Failure::Status { status, problem, retry_after }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.retry, self.clock.now())
    }

    pub(crate) fn exchange(&self, request: &Request, budget: &Budget) -> Exchange {
        let mut exchange = Exchange::new(&request.method, &request.url);
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
            RetryMode::Freely => failure.is_transient(),
            RetryMode::WhenTurnedAway => failure.was_turned_away(),
            RetryMode::Never => false,
        };
        if may_repeat && self.pause(budget, failure.retry_after()).await {
            tracing::debug!(call = ?request, %failure, tries = budget.tries(), "trying again");
            return Ok(());
        }
        Err(HttpError::new(self.exchange(request, budget), failure))
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
