//! Tables of what an answer means, by a word of its own or by its HTTP status.

use http::StatusCode;
use landfall::job::JobState;

use super::take::{Answered, Take};
use crate::tables::{Form, Node, Read, Words};

/// What the answer to a call means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It was done.
    Ok,
    /// Not now: the same call later.
    Wait,
    /// It was done before.
    Already,
    /// What it is about is not there.
    Absent,
    /// It was not done, and will not be.
    Refused,
    /// No more until the source's quota is renewed.
    Quota,
    /// The token is not good any more, or was not given.
    Login,
}

impl Words for Meaning {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ok", Self::Ok),
        ("wait", Self::Wait),
        ("already", Self::Already),
        ("absent", Self::Absent),
        ("refused", Self::Refused),
        ("quota", Self::Quota),
    ];
}

/// What any call may mean, whatever it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit(pub(super) Meaning);

impl Words for Limit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("wait", Self(Meaning::Wait)), ("quota", Self(Meaning::Quota)), ("login", Self(Meaning::Login))];
}

/// What a job's status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// This.
    Is(JobState),
    /// The job put nothing out, or was cancelled: the source has one word for both. Which it is, the export says.
    EmptyIfAllowed,
}

impl Words for State {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("running", Self::Is(JobState::Running)),
        ("succeeded", Self::Is(JobState::Succeeded)),
        ("partial", Self::Is(JobState::Partial)),
        ("empty", Self::Is(JobState::Empty)),
        ("failed", Self::Is(JobState::Failed)),
        ("cancelled", Self::Is(JobState::Cancelled)),
        ("needs_attention", Self::Is(JobState::NeedsAttention)),
        ("empty_if_allowed", Self::EmptyIfAllowed),
    ];
}

/// Meanings by what an answer says: a value, an HTTP status, or a class of these (`4xx`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Words> Read for Table<T> {
    const FORM: Form = Form::Entries(&T::FORM);

    fn read(node: &Node<'_>) -> Option<Self> {
        Vec::read(node).map(Self)
    }
}

impl Table<Meaning> {
    /// What answers mean whose description does not say.
    pub(super) fn usual() -> Self {
        Self(vec![("2xx".to_owned(), Meaning::Ok), ("4xx".to_owned(), Meaning::Refused)])
    }

    /// What answers about a job mean whose description does not say.
    pub(super) fn usual_of_jobs() -> Self {
        let usual = [("2xx", Meaning::Ok), ("404", Meaning::Absent), ("410", Meaning::Absent)];
        Self(usual.map(|(status, meaning)| (status.to_owned(), meaning)).to_vec())
    }
}

impl<T: Copy> Table<T> {
    /// What a value means; writings that differ in nothing but case are one, unless the table has both.
    pub(super) fn of_value(&self, value: &str) -> Option<T> {
        let exact = self.0.iter().find(|(key, _)| key == value);
        let found = exact.or_else(|| self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(value)));
        found.map(|(_, meaning)| *meaning)
    }

    /// What a status means. A class is of what says something about the call itself: who may not call, calls too often, or
    /// asks for what is not there, is told so by a status of its own.
    pub(super) fn of_status(&self, status: StatusCode) -> Option<T> {
        let stands_alone = matches!(status.as_u16(), 401 | 403 | 404 | 407 | 408 | 410 | 425 | 429);
        let class = format!("{}xx", status.as_u16() / 100);
        self.of_value(status.as_str()).or_else(|| (!stands_alone).then(|| self.of_value(&class)).flatten())
    }

    /// What an answer means: by the first word that is taken of it and named here, by its status otherwise.
    pub(super) fn of_answer(&self, word: Option<&Take>, answered: &Answered) -> Option<T> {
        let mut said = word.into_iter().flat_map(|word| word.texts(answered));
        let by_word = said.find_map(|said| self.of_value(&said));
        by_word.or_else(|| self.of_status(answered.status))
    }

    /// Whether a status that is no success may be an answer like any other.
    pub(super) fn names_refusals(&self) -> bool {
        self.0.iter().any(|(key, _)| is_status(key) && !key.starts_with('2'))
    }
}

/// Whether a key is a status, or a class of them.
pub(super) fn is_status(key: &str) -> bool {
    let mut digits = key.chars();
    let first = digits.next().is_some_and(|first| ('1'..='5').contains(&first));
    let rest: String = digits.collect();
    first
        && (rest.eq_ignore_ascii_case("xx") || (rest.len() == 2 && rest.chars().all(|c| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> Option<u8> {
        let keys = [("200", 1), ("4xx", 2), ("404", 3), ("DONE", 4), ("done", 5)];
        let table = Table(keys.map(|(key, meaning)| (key.to_owned(), meaning)).to_vec());
        assert_eq!(
            (table.of_value("DONE"), table.of_value("done"), table.of_value("Done")),
            (Some(4), Some(5), Some(4))
        );
        assert!(table.names_refusals());
        table.of_status(StatusCode::from_u16(status).unwrap())
    }

    /// Promise 5: what a table does not name has no meaning, and what is about the caller is none of the job's.
    #[test]
    fn a_status_means_what_the_table_says() {
        for (status, meaning) in [
            (200, Some(1)),
            (404, Some(3)),
            (422, Some(2)),
            (202, None),
            (500, None),
            (401, None),
            (403, None),
            (429, None),
        ] {
            assert_eq!(of(status), meaning, "{status}");
        }
        for (key, is) in [
            ("200", true),
            ("4xx", true),
            ("4XX", true),
            ("1029", false),
            ("600", false),
            ("x", false),
            ("", false),
        ] {
            assert_eq!(is_status(key), is, "{key}");
        }
    }
}
