//! What is asked of a source about a job besides its files: to forget it once all has landed, and to cancel it.

use landfall::contract::Cancellation;
use landfall::error::{Error, Result};

use super::api::{Api, Expected, Mode};
use super::description::AfterCall;
use super::table::Meaning;
use super::take::Answered;
use super::template::Values;

/// Makes such a call; what its answer means, and what it says. A refusal is the error.
async fn ask(api: &Api, asked: &AfterCall, values: &Values) -> Result<(Meaning, String)> {
    let expected = Expected { refusals: true, json: false };
    let meant = |answered: &Answered| asked.answers.of_answer(asked.answer.as_ref(), answered);
    match api.call(&asked.call, values, None, Mode::Usual, expected).await? {
        Ok(answered) => match meant(&answered) {
            Some(meaning @ (Meaning::Ok | Meaning::Already | Meaning::Absent)) => {
                let said = api.told(&answered, asked.message.as_ref());
                Ok((meaning, said.unwrap_or_else(|| answered.status.to_string())))
            }
            None if answered.status.is_success() => {
                Err(answered.malformed("the answer", "no table of the description names it"))
            }
            other => Err(api.refusal(&answered, other.unwrap_or(Meaning::Refused), asked.message.as_ref())),
        },
        Err(error) => match error.status().and_then(|status| asked.answers.of_status(status)) {
            Some(meaning @ (Meaning::Already | Meaning::Absent)) => Ok((meaning, Error::from(error).line())),
            _ => Err(error.into()),
        },
    }
}

/// Tells the source that all of a job has landed, if it wants to know. That it does not have the job any more is as good.
pub(super) async fn landed(api: &Api, values: &Values) -> Result<()> {
    match &api.description.after.landed {
        Some(call) => ask(api, call, values).await.map(drop),
        None => Ok(()),
    }
}

/// Asks the source to cancel a job.
pub(super) async fn cancel(api: &Api, call: &AfterCall, values: &Values) -> Result<Cancellation> {
    let (meaning, said) = ask(api, call, values).await?;
    Ok(match meaning {
        Meaning::Already => Cancellation::TooLate(said),
        Meaning::Absent => Cancellation::Unknown,
        _ => Cancellation::Accepted,
    })
}
