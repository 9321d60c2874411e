//! What a poll's answer says of a job.

use landfall::contract::JobStatus;
use landfall::error::{Error, ErrorType, Result};
use landfall::job::{ExpectedRows, JobState};

use super::api::Api;
use super::description::{Description, Poll, Rows};
use super::files;
use super::pages::goes_on;
use super::poll::{Polled, poll};
use super::table::{Meaning, State};
use super::take::Answered;
use super::template::Values;

/// The longest word that is told of a status.
const MAX_WORD: usize = 200;

/// A word of the job's, and what it means; an error where the answer has none.
fn word(api: &Api, poll: &Poll, answered: &Answered) -> Result<(String, Option<State>)> {
    if let Some(word) = poll.state.as_ref().and_then(|take| take.text(answered)) {
        let meaning = poll.means.of_value(&word);
        return Ok((word, meaning));
    }
    let status = answered.status;
    let of_status = poll.means.of_status(status);
    if of_status.is_none() && !status.is_success() {
        return Err(api.refusal(answered, Meaning::Refused, poll.message.as_ref()));
    }
    if of_status.is_none() && poll.state.is_some() {
        answered.must_be_json()?;
        return Err(answered.malformed("the job's state", "no state is there"));
    }
    Ok((status.as_u16().to_string(), of_status))
}

/// The state of a job. One odd answer is asked for again: another may be as it should.
pub(super) async fn of(
    api: &Api,
    description: &Description,
    values: &Values,
    allows_empty: bool,
) -> Result<JobStatus> {
    match look(api, description, values, allows_empty).await {
        Err(error) if error.error_type() == ErrorType::ContractBroken => {
            tracing::warn!(error = error.line(), "the job's status is odd: asking again");
            look(api, description, values, allows_empty).await
        }
        looked => looked,
    }
}

async fn look(
    api: &Api,
    description: &Description,
    values: &Values,
    allows_empty: bool,
) -> Result<JobStatus> {
    let asked = &description.poll;
    let answered = match poll(api, asked, values).await? {
        Polled::Answer(answered) => answered,
        Polled::Status(status, error) => {
            let state = asked.means.of_value(status.as_str());
            return Ok(JobStatus {
                state: state.map_or(JobState::Running, |state| plain(state, allows_empty)),
                native_status: status.as_u16().to_string(),
                is_known: state.is_some(),
                progress_percent: None,
                message: Some(Error::from(error).line()),
                expected_rows: None,
                observed_at: None,
            });
        }
    };
    let (word, meaning) = word(api, asked, &answered)?;
    let state = meaning.map_or(JobState::Running, |state| plain(state, allows_empty));
    let state = if state == JobState::Succeeded { ended_well(description, &answered)? } else { state };
    let word = api.client.redactor().text(&word).chars().take(MAX_WORD).collect();
    Ok(JobStatus {
        state,
        native_status: word,
        is_known: meaning.is_some(),
        progress_percent: asked.progress.as_ref().and_then(|take| percent(&take.text(&answered)?)),
        message: api.told(&answered, asked.message.as_ref()),
        expected_rows: if state.lands() { expected_rows(description, &answered) } else { None },
        observed_at: None,
    })
}

fn plain(state: State, allows_empty: bool) -> JobState {
    match (state, allows_empty) {
        (State::Is(state), _) => state,
        (State::EmptyIfAllowed, true) => JobState::Empty,
        (State::EmptyIfAllowed, false) => JobState::Cancelled,
    }
}

/// How a job that succeeded has ended, by what its answer has besides. An answer that lacks the list of files which it
/// should have is not one of success.
fn ended_well(description: &Description, answered: &Answered) -> Result<JobState> {
    files::must_be_listed(description, answered)?;
    let Poll { partial_with, empty_without, pages, .. } = &description.poll;
    if partial_with.iter().any(|take| take.value(answered).is_some()) {
        return Ok(JobState::Partial);
    }
    let is_empty = !empty_without.is_empty()
        && !goes_on(answered, pages.as_ref())
        && empty_without.iter().all(|take| take.value(answered).is_none());
    Ok(if is_empty { JobState::Empty } else { JobState::Succeeded })
}

/// How many rows the job says that it has put out.
fn expected_rows(description: &Description, answered: &Answered) -> Option<ExpectedRows> {
    match description.poll.rows.as_ref()? {
        Rows::Of(take) => take.text(answered)?.parse().ok().map(ExpectedRows::Exactly),
        Rows::Files => files::rows(description, answered).map(ExpectedRows::Exactly),
    }
}

/// A number of percent at the beginning of a text: `50% complete`.
fn percent(text: &str) -> Option<f64> {
    let digits: String = text.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Progress is told in words, and often in none.
    #[test]
    fn progress_is_the_number_that_leads() {
        for (text, read) in [
            ("50% complete, x", Some(50.0)),
            ("7.5", Some(7.5)),
            ("in progress", None),
            ("", None),
            ("700", None),
        ] {
            assert_eq!(percent(text), read, "{text}");
        }
    }
}
