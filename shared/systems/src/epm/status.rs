//! What a job's statuses mean.

use serde::Deserialize;

use super::answer::{Link, links, own_job_number, said, text, without_fraction};
use landfall::contract::JobStatus;
use landfall::job::{JobRequestId, JobState};

/// What each number means (Retrieve Job Status). 2147483647, Java's largest `int`, is documented as unknown, which is
/// why it is not here.
const CODES: [(i64, JobState); 6] = [
    (-1, JobState::Running),
    (0, JobState::Succeeded),
    (1, JobState::Failed),
    // Cancel pending: it may still end otherwise.
    (2, JobState::Running),
    (3, JobState::Cancelled),
    (4, JobState::Failed),
];
const INVALID_PARAMETER: i64 = 4;

/// What each word means, in upper case. Since 26.04 there are finer ones, which nobody has published.
const WORDS: [(&str, JobState); 3] =
    [("RUNNING", JobState::Running), ("SUCCESS", JobState::Succeeded), ("FAILED", JobState::Failed)];

/// A job as an answer describes it. Fields that others have seen and this does not name are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobAnswer {
    #[serde(deserialize_with = "text")]
    job_id: Option<String>,
    #[serde(deserialize_with = "text")]
    status: Option<String>,
    #[serde(deserialize_with = "text")]
    job_status: Option<String>,
    #[serde(deserialize_with = "said")]
    descriptive_status: Option<String>,
    #[serde(deserialize_with = "said")]
    details: Option<String>,
    #[serde(deserialize_with = "links")]
    links: Vec<Link>,
    #[serde(deserialize_with = "text")]
    pub(super) job_name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) process_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) log_file_name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) output_file_name: Option<String>,
}

/// What a status means, and whether the tables name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) state: JobState,
    pub(super) is_known: bool,
}

impl JobAnswer {
    /// The job's id: a number above zero, whatever it is written as.
    pub(super) fn id(&self) -> Option<JobRequestId> {
        id(self.job_id.as_deref()?)
    }

    /// The id of a job that has just been submitted: where the answer does not name it, its link to itself holds it.
    pub(super) fn submitted_id(&self) -> Option<JobRequestId> {
        self.id().or_else(|| id(own_job_number(&self.links)?))
    }

    /// Whether the answer is about another job than the one of this number.
    pub(super) fn is_about_another(&self, number: &str) -> bool {
        self.id().is_some_and(|id| id.as_str() != number)
    }

    /// Whether there is a status at all.
    pub(super) fn has_status(&self) -> bool {
        self.status.is_some() || self.job_status.is_some()
    }

    /// What number and word mean together.
    ///
    /// The number decides, a word that no table names only details it. Where the two contradict each other the answer
    /// may have been written while the job ended: it counts as unknown, is polled on, and is never taken for success.
    pub(super) fn meaning(&self) -> Meaning {
        let (code, word) = (self.code(), self.word());
        let unknown = Meaning { state: JobState::Running, is_known: false };
        let known = |state| Meaning { state, is_known: true };
        match (code, word) {
            (Some(code), word) => match (state_of_code(code), word.and_then(state_of_word)) {
                (Some(state), Some(other)) if !agree(state, other) => unknown,
                (Some(state), _) => known(state),
                (None, _) => unknown,
            },
            (None, Some(word)) => state_of_word(word).map_or(unknown, known),
            (None, None) => unknown,
        }
    }

    /// The status in EPM's own words: `0 (SUCCESS)`.
    pub(super) fn native(&self) -> String {
        match (&self.status, &self.job_status) {
            (Some(status), Some(word)) if status != word => format!("{status} ({word})"),
            (Some(status), _) => status.clone(),
            (None, word) => word.clone().unwrap_or_default(),
        }
    }

    /// What EPM says about the job besides its status.
    pub(super) fn message(&self) -> Option<String> {
        let said = self.details.as_ref().or(self.descriptive_status.as_ref());
        match (self.is_invalid_parameter(), said) {
            (true, Some(said)) => Some(format!("invalid parameter: {said}")),
            (true, None) => Some("invalid parameter".to_owned()),
            (false, said) => said.cloned(),
        }
    }

    /// The status of the job; one that has ended well with nothing to put out is `Empty` where that is normal.
    pub(super) fn status(&self, has_output: bool, allows_empty: bool) -> JobStatus {
        let Meaning { state, is_known } = self.meaning();
        let is_empty = state == JobState::Succeeded && !has_output && allows_empty;
        JobStatus {
            state: if is_empty { JobState::Empty } else { state },
            native_status: self.native(),
            is_known,
            progress_percent: None,
            message: self.message(),
            expected_rows: None,
            observed_at: None,
        }
    }

    pub(super) fn is_invalid_parameter(&self) -> bool {
        self.code() == Some(INVALID_PARAMETER)
    }

    fn code(&self) -> Option<i64> {
        without_fraction(self.status.as_deref()?).parse().ok()
    }

    fn word(&self) -> Option<&str> {
        let wordy_status = self.status.as_deref().filter(|_| self.code().is_none());
        self.job_status.as_deref().or(wordy_status)
    }
}

fn id(number: &str) -> Option<JobRequestId> {
    let number: u64 = without_fraction(number).parse().ok().filter(|number| *number > 0)?;
    number.to_string().parse().ok()
}

fn state_of_code(code: i64) -> Option<JobState> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, state)| *state)
}

fn state_of_word(word: &str) -> Option<JobState> {
    WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, state)| *state)
}

/// Whether two states can be of one moment: there is no word for a job that was cancelled.
fn agree(state: JobState, other: JobState) -> bool {
    state == other || (state == JobState::Cancelled && other == JobState::Failed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> JobAnswer {
        serde_json::from_value(value).unwrap()
    }

    fn meaning(value: Value) -> (JobState, bool) {
        let Meaning { state, is_known } = read(value).meaning();
        (state, is_known)
    }

    /// Every documented number, as a number and as a text, with a fraction of nothing and without.
    #[test]
    fn the_documented_numbers_mean_what_the_document_says() {
        for (code, state) in [
            (-1_i32, JobState::Running),
            (0, JobState::Succeeded),
            (1, JobState::Failed),
            (2, JobState::Running),
            (3, JobState::Cancelled),
            (4, JobState::Failed),
        ] {
            assert_eq!(meaning(json!({ "status": code })), (state, true), "{code}");
            assert_eq!(meaning(json!({ "status": code.to_string() })), (state, true), "{code}");
            assert_eq!(meaning(json!({ "status": f64::from(code) })), (state, true), "{code}.0");
            assert_eq!(meaning(json!({ "status": format!("{code}.0") })), (state, true), "{code}.0");
        }
    }

    /// Trap: `Integer.MAX_VALUE` is "unknown"; with whatever word, it is polled on and never success.
    #[test]
    fn max_value_is_unknown_and_never_success() {
        for word in ["SUCCESS", "RUNNING", "FAILED"] {
            let status = json!({ "status": 2_147_483_647, "jobStatus": word });
            assert_eq!(meaning(status), (JobState::Running, false), "{word}");
        }
        assert_eq!(meaning(json!({ "status": "2147483647" })), (JobState::Running, false));
        assert_eq!(meaning(json!({ "status": 5 })), (JobState::Running, false));
        assert_eq!(meaning(json!({})), (JobState::Running, false));
    }

    /// The word counts where the number is missing, in any case; a finer one only details a number.
    #[test]
    fn words_count_without_a_number() {
        assert_eq!(meaning(json!({ "jobStatus": "success" })), (JobState::Succeeded, true));
        assert_eq!(meaning(json!({ "status": "Failed" })), (JobState::Failed, true));
        assert_eq!(meaning(json!({ "jobStatus": "IMPORTED" })), (JobState::Running, false));
        assert_eq!(meaning(json!({ "status": -1, "jobStatus": "EXPORTING" })), (JobState::Running, true));
        assert_eq!(
            meaning(json!({ "status": 0, "jobStatus": "COMPLETED_EXPORT" })),
            (JobState::Succeeded, true)
        );
    }

    /// Promise 5: number and word that contradict each other are unknown, not one of the two.
    #[test]
    fn a_contradiction_is_unknown() {
        for (code, word) in [(0, "FAILED"), (0, "RUNNING"), (1, "SUCCESS"), (-1, "SUCCESS"), (3, "SUCCESS")] {
            let answer = json!({ "status": code, "jobStatus": word });
            assert_eq!(meaning(answer), (JobState::Running, false), "{code} {word}");
        }
        assert_eq!(meaning(json!({ "status": 3, "jobStatus": "FAILED" })), (JobState::Cancelled, true));
        assert_eq!(read(json!({ "status": "0", "jobStatus": "FAILED" })).native(), "0 (FAILED)");
    }

    /// Oracle's example to the letter: texts for numbers, the text `null`, a link that is 0.
    #[test]
    fn the_documents_example_is_read() {
        let answer = read(json!({
            "links": [0], "status": "0", "details": "null", "jobId": "1881", "jobStatus": "SUCCESS",
            "logFileName": "outbox/logs/BESSAPP-DB_1881.log", "outputFileName": "outbox/BESSAPPJan-06.csv",
            "processType": "EXPORT_MAPPING", "executedBy": "admin"
        }));
        assert_eq!(answer.id().unwrap().as_str(), "1881");
        assert_eq!(answer.output_file_name.as_deref(), Some("outbox/BESSAPPJan-06.csv"));
        let status = answer.status(true, false);
        assert_eq!((status.state, status.native_status.as_str()), (JobState::Succeeded, "0 (SUCCESS)"));
        assert_eq!(status.message, None, "the text null is nothing");
    }

    /// What is no id is not taken for one.
    #[test]
    fn an_id_is_a_number_above_zero() {
        for value in [
            json!("null"),
            json!(null),
            json!(0),
            json!(0.0),
            json!(-1),
            json!(1881.5),
            json!(""),
            json!(".0"),
            json!("a1"),
            json!({}),
        ] {
            assert_eq!(read(json!({ "jobId": value.clone() })).id(), None, "{value}");
        }
        for value in [json!(1881), json!(1881.0), json!("1881"), json!(" 1881.0 ")] {
            assert_eq!(read(json!({ "jobId": value.clone() })).id().unwrap().as_str(), "1881", "{value}");
        }
    }

    /// A refused parameter is said to be one.
    #[test]
    fn an_invalid_parameter_is_named() {
        let said = read(json!({ "status": 4, "details": "periodName" })).message();
        assert_eq!(said.as_deref(), Some("invalid parameter: periodName"));
    }

    /// What EPM says in its details comes before what it says of every job that ended so.
    #[test]
    fn the_descriptive_status_is_told_where_there_are_no_details() {
        let message = |details: Value| {
            read(json!({ "status": 1, "details": details, "descriptiveStatus": "Error" })).message()
        };
        for nothing in [json!(null), json!("null"), json!(""), json!({}), json!([])] {
            assert_eq!(message(nothing.clone()).as_deref(), Some("Error"), "{nothing}");
        }
        assert_eq!(message(json!("no rows")).as_deref(), Some("no rows"));
        assert_eq!(read(json!({ "status": 1 })).message(), None);
    }

    /// Trap: more granular details (26.04), whose form nobody has published, are told whatever they are.
    #[test]
    fn details_in_several_fields_are_told() {
        let message = |details: Value| read(json!({ "status": 1, "details": details })).message();
        let several = json!({ "phase": "EXPORT", "errors": [{ "code": 17 }] });
        assert_eq!(
            message(several.clone()).map(|said| serde_json::from_str::<Value>(&said).unwrap()),
            Some(several)
        );
        assert_eq!(message(json!(["one", 2])).as_deref(), Some(r#"["one",2]"#));
    }

    /// A job that puts nothing out is empty only where its export says that this is normal.
    #[test]
    fn nothing_put_out_is_empty_where_that_is_allowed() {
        let answer = read(json!({ "status": 0 }));
        assert_eq!(answer.status(false, true).state, JobState::Empty);
        assert_eq!(answer.status(false, false).state, JobState::Succeeded);
        assert_eq!(answer.status(true, true).state, JobState::Succeeded);
        assert_eq!(read(json!({ "status": -1 })).status(false, true).state, JobState::Running);
    }
}
