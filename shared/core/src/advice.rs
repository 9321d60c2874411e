//! What a person may do about a failure: the same when a command ends with it, when it is looked at later, and when somebody
//! is told of it.

use jiff::Timestamp;

use crate::error::ErrorType;
use crate::job::Failure;

/// The columns of a job have changed, and that is right.
pub const IF_RIGHT: &str = " --on-schema-change widen";

/// What continuing what has failed so comes to; nothing where that does not help.
pub fn continuing(error: ErrorType, awaits_person: bool) -> Option<&'static str> {
    match error {
        ErrorType::Throttled | ErrorType::SourceUnavailable | ErrorType::StoreUnavailable => {
            Some("continue later")
        }
        ErrorType::AuthRejected => Some("continue once the credentials work"),
        ErrorType::InvalidConfig => Some("continue once the configuration is right"),
        ErrorType::Rejected => Some("continue once the cause is fixed"),
        ErrorType::JobTimedOut | ErrorType::UnknownStatus => Some("continue once the job has ended"),
        ErrorType::JobFailed if awaits_person => Some("continue once the job goes on at the source"),
        ErrorType::JobFailed => Some("continue if the job is restarted at the source"),
        ErrorType::ContractBroken | ErrorType::IntegrityError | ErrorType::Damaged => Some("try again"),
        ErrorType::SchemaChanged => Some("continue if the change is right"),
        ErrorType::LimitExceeded => Some("continue after raising the limit"),
        ErrorType::InvalidEvent
        | ErrorType::NotFound
        | ErrorType::UnsafeArchive
        | ErrorType::Unsupported
        | ErrorType::Conflict => None,
    }
}

/// What helps where continuing does not: a run of its own, or another event.
pub fn starting_anew(error: ErrorType) -> Option<&'static str> {
    match error {
        ErrorType::InvalidEvent => Some("correct the event, and start it again"),
        ErrorType::Conflict => {
            Some("decide which of the two that the message names is right, then start the run")
        }
        ErrorType::JobFailed => Some("once the cause is fixed, run the export again under another run_key"),
        ErrorType::NotFound => Some(
            "run the export again under another run_key, an incremental data extraction with \"mode\": \"full\": the \
             source has it no more",
        ),
        ErrorType::UnsafeArchive | ErrorType::Unsupported => Some(
            "once whoever makes the archive has corrected it, run the export again under another run_key, an \
             incremental data extraction with \"mode\": \"full\"",
        ),
        _ => None,
    }
}

/// The error of this name; none of one that only a later release has.
pub fn named(name: &str) -> Option<ErrorType> {
    ErrorType::ALL.iter().copied().find(|error| error.name() == name)
}

/// How what has failed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Whoever called calls again by itself.
    TriedAgain,
    /// Somebody has to decide.
    NeedsPerson,
    /// What was asked for, or has come of it, is not accepted.
    Refused,
    /// Nobody calls again by itself.
    Failed,
}

/// How what has failed so stands.
pub fn standing(failure: &Failure, now: Timestamp) -> Standing {
    if failure.tried_again_until.is_some_and(|until| until > now) {
        return Standing::TriedAgain;
    }
    match named(&failure.error) {
        _ if failure.awaits_person => Standing::NeedsPerson,
        Some(ErrorType::Conflict) => Standing::NeedsPerson,
        Some(
            ErrorType::InvalidEvent
            | ErrorType::Rejected
            | ErrorType::UnsafeArchive
            | ErrorType::Unsupported
            | ErrorType::LimitExceeded
            | ErrorType::IntegrityError
            | ErrorType::SchemaChanged,
        ) => Standing::Refused,
        _ => Standing::Failed,
    }
}

/// What helps, in words, and the command for it: the one that continues what has failed, or the one that starts another run.
pub fn next(failure: &Failure, now: Timestamp, continuing_by: &str, anew: &str) -> (String, String) {
    let Some(error) = named(&failure.error) else {
        return ("see what the message says, then continue".to_owned(), continuing_by.to_owned());
    };
    if let Some(until) = failure.tried_again_until.filter(|until| *until > now) {
        let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
        let what =
            format!("wait, as it is tried again by itself, until {until} at the latest; then continue");
        return (what, continuing_by.to_owned());
    }
    let continued = continuing(error, failure.awaits_person);
    match (starting_anew(error), continued) {
        (Some(what), Some(continued)) if !failure.awaits_person => {
            (format!("{what}; or {continued}: {continuing_by}"), anew.to_owned())
        }
        (Some(what), None) => (what.to_owned(), anew.to_owned()),
        (_, continued) => {
            let option = if error == ErrorType::SchemaChanged { IF_RIGHT } else { "" };
            (continued.unwrap_or("continue").to_owned(), format!("{continuing_by}{option}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever fails, there is something to do; continuing is said to help where the error table says so, and of a job
    /// that has failed where somebody restarts it.
    #[test]
    fn there_is_advice_on_every_error() {
        for &error in ErrorType::ALL {
            let continues = continuing(error, false).is_some();
            assert_eq!(continues, error.continues() || error == ErrorType::JobFailed, "{}", error.name());
            assert!(continues || starting_anew(error).is_some(), "{}", error.name());
            assert_eq!(named(error.name()), Some(error));
        }
        assert_eq!(named("FromALaterRelease"), None);
    }
}
