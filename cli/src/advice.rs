//! What a person may do about a failure: the same when a command ends with it, and when it is looked at later.

use landfall::ErrorType;

/// The columns of a job have changed, and that is right.
pub(crate) const IF_RIGHT: &str = " --on-schema-change widen";

/// What continuing what has failed so comes to; nothing where that does not help.
pub(crate) fn continuing(error: ErrorType, awaits_person: bool) -> Option<&'static str> {
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
pub(crate) fn starting_anew(error: ErrorType) -> Option<&'static str> {
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
pub(crate) fn named(name: &str) -> Option<ErrorType> {
    ErrorType::ALL.iter().copied().find(|error| error.name() == name)
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
