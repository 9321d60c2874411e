//! Who has been told what of a run: a mark for each, kept once it was told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Change, Document, WorkState};
use crate::clock::Clock;
use crate::error::Error;
use landfall_store::StoreError;

/// So many marks are kept of a run.
const MAX_MARKS: usize = 200;

/// Who was told what of a run, or of a job that is of none: `told/<connection>/runs/<run key>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The newest last.
    pub marks: Vec<Mark>,
}

impl Document for Told {}

/// That somebody was told something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Who, by a digest of where that is.
    pub to: String,
    /// What.
    pub fact: String,
    /// When.
    pub at: Timestamp,
}

impl Told {
    /// Whether somebody was told this.
    pub fn has(&self, to: &str, fact: &str) -> bool {
        self.marks.iter().any(|mark| mark.to == to && mark.fact == fact)
    }

    /// The last that somebody was told, of these facts.
    pub fn last(&self, to: &str, is_one: impl Fn(&str) -> bool) -> Option<&Mark> {
        self.marks.iter().rev().find(|mark| mark.to == to && is_one(&mark.fact))
    }

    fn with(mut self, marks: &[Mark]) -> Self {
        let new = marks.iter().filter(|mark| !self.has(&mark.to, &mark.fact)).cloned().collect::<Vec<_>>();
        self.marks.extend(new);
        let old = self.marks.len().saturating_sub(MAX_MARKS);
        self.marks.drain(..old);
        self
    }
}

impl WorkState {
    /// Who was told what, kept at this key.
    pub async fn told(&self, key: &str) -> Result<Told, StoreError> {
        Ok(self.read(key).await?.map(|(told, _)| told).unwrap_or_default())
    }

    /// Keeps that somebody was told something.
    pub async fn mark_told(&self, key: &str, marks: &[Mark], clock: &dyn Clock) -> Result<(), Error> {
        let change = |told: Option<Told>| {
            let before = told.unwrap_or_default();
            let after = before.clone().with(marks);
            let change = if after == before { Change::Keep(()) } else { Change::Write(after, ()) };
            std::future::ready(Ok(change))
        };
        self.update(key, clock, change).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(fact: String) -> Mark {
        Mark { to: "a".to_owned(), fact, at: Timestamp::UNIX_EPOCH }
    }

    /// What is told again is no second mark, and however much is told of a run, what is kept of that is bounded.
    #[test]
    fn marks_are_kept_once_and_bounded() {
        let told = Told::default().with(&[mark("x".to_owned())]).with(&[mark("x".to_owned())]);
        assert!(told.has("a", "x") && !told.has("b", "x") && told.marks.len() == 1);
        let many: Vec<Mark> = (0..1000).map(|number| mark(number.to_string())).collect();
        let told = told.with(&many);
        assert_eq!((told.marks.len(), told.has("a", "999")), (MAX_MARKS, true));
    }
}
