//! What a poll's answer says of a job.

use landfall::contract::JobStatus;
use landfall::error::{Error, Result};
use landfall::job::{ExpectedRows, JobState};

use super::api::Api;
use super::description::{Poll, Rows};
use super::files;
use super::pages::walk;
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

/// The state of a job.
pub(super) async fn of(api: &Api, values: &Values, allows_empty: bool) -> Result<JobStatus> {
    let asked = &api.description.poll;
    let answered = match poll(api, values).await? {
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
    let progress_percent = asked.progress.as_ref().and_then(|take| percent(&take.text(&answered)?));
    let message = api.told(&answered, asked.message.as_ref());
    let (state, expected_rows) = match state {
        JobState::Succeeded => ended_well(api, values, *answered).await?,
        other => (other, None),
    };
    let word = api.client.redactor().text(&word).chars().take(MAX_WORD).collect();
    Ok(JobStatus {
        state,
        native_status: word,
        is_known: meaning.is_some(),
        progress_percent,
        message,
        expected_rows,
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

/// How a job that succeeded has ended, and how many rows it says that it has put out, by all pages of its answer. One that
/// lacks the list of files which it should have is not one of success.
async fn ended_well(
    api: &Api,
    values: &Values,
    answered: Answered,
) -> Result<(JobState, Option<ExpectedRows>)> {
    let description = &api.description;
    files::must_be_listed(description, &answered)?;
    let Poll { call, pages, rows, partial_with, empty_without, .. } = &description.poll;
    let (mut is_partial, mut is_empty) = (false, !empty_without.is_empty());
    let told = match rows {
        Some(Rows::Of(take)) => take.text(&answered).and_then(|rows| rows.parse().ok()),
        Some(Rows::Files) | None => None,
    };
    let mut sum = Some(0_u64);
    walk(api, call, values, pages.as_ref(), Some(answered), &mut |page| {
        is_partial |= partial_with.iter().any(|take| take.value(page).is_some());
        is_empty &= empty_without.iter().all(|take| take.value(page).is_none());
        sum = sum.zip(files::rows(description, page)).map(|(sum, rows)| sum.saturating_add(rows));
        Ok(1)
    })
    .await?;
    let state = match (is_partial, is_empty) {
        (true, _) => JobState::Partial,
        (false, true) => JobState::Empty,
        (false, false) => JobState::Succeeded,
    };
    let rows = if matches!(rows, Some(Rows::Files)) { sum } else { told };
    Ok((state, rows.map(ExpectedRows::Exactly)))
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
