//! The call that asks for a job.

use http::StatusCode;
use landfall::error::Result;
use landfall_http::HttpError;

use super::api::{Api, Expected, Mode};
use super::take::{Answered, Take};
use super::template::Values;

/// What came of a poll: an answer, or only its status, where no answer of that status is read.
pub(super) enum Polled {
    Answer(Box<Answered>),
    Status(StatusCode, HttpError),
}

/// Asks for a job.
pub(super) async fn poll(api: &Api, values: &Values) -> Result<Polled> {
    let poll = &api.description.poll;
    let reads = poll.state.as_ref().is_some_and(Take::reads_json);
    let expected = Expected { refusals: poll.means.names_refusals(), json: reads };
    match api.call(&poll.call, values, None, Mode::Usual, expected).await? {
        Ok(answered) => Ok(Polled::Answer(Box::new(answered))),
        Err(error) => match error.status() {
            Some(status) if poll.means.of_value(status.as_str()).is_some() => {
                Ok(Polled::Status(status, error))
            }
            _ => Err(error.into()),
        },
    }
}
