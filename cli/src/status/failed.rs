//! What a kept failure says of its run or job: how it is, and what helps.

use jiff::Timestamp;
use landfall::ErrorType;
use landfall::advice::{self, Standing};
use landfall::job::Failure;
use landfall::state::JobObjects;
use landfall::step::Step;

use super::view::{Next, State};

/// Whether a job has come past what it had failed over, as far as its objects tell.
pub(super) fn is_past(failure: &Failure, objects: &JobObjects) -> bool {
    match Step::named(&failure.step) {
        Some(Step::PollStatus) => objects.has_outcome,
        Some(Step::UnpackUpload) => {
            failure.ordinal.is_some_and(|ordinal| objects.unpacked.contains(&ordinal))
        }
        _ => false,
    }
}

/// How what has failed so is, and has come so far.
pub(super) fn state(failure: &Failure, reached: State, now: Timestamp) -> State {
    match advice::standing(failure, now) {
        Standing::TriedAgain => match advice::named(&failure.error) {
            Some(ErrorType::Throttled | ErrorType::SourceUnavailable) => State::WaitingForSource,
            _ => reached,
        },
        Standing::NeedsPerson => State::NeedsPerson,
        Standing::Refused => State::Refused,
        Standing::Failed => State::Failed,
    }
}

/// What helps: by the command that continues it, or by the one that starts another run.
pub(super) fn next(failure: &Failure, now: Timestamp, continuing: &str, anew: &str) -> Next {
    let step = Step::named(&failure.step).map_or("unknown", Step::name);
    let (what, command) = advice::next(failure, now, continuing, anew);
    Next { step, what, command }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RESUME: &str = "landfall resume pod 7";
    const RUN: &str = "landfall run EVENT";

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn failure(error: ErrorType) -> Failure {
        Failure {
            step: "fetch-files".to_owned(),
            ordinal: None,
            error: error.name().to_owned(),
            message: "what happened".to_owned(),
            since: now(),
            last: now(),
            times: 1,
            tried_again_until: None,
            awaits_person: false,
        }
    }

    /// What passes by itself is waited for as long as somebody may be at it, and has failed after that.
    #[test]
    fn what_is_tried_again_has_not_failed_yet() {
        let until = now() + Duration::from_secs(600);
        for (error, waiting) in [
            (ErrorType::Throttled, State::WaitingForSource),
            (ErrorType::SourceUnavailable, State::WaitingForSource),
            (ErrorType::StoreUnavailable, State::Fetching),
            (ErrorType::Damaged, State::Fetching),
        ] {
            let failure = Failure { tried_again_until: Some(until), ..failure(error) };
            assert_eq!(state(&failure, State::Fetching, now()), waiting, "{}", error.name());
            assert_eq!(state(&failure, State::Fetching, until), State::Failed, "{}", error.name());
            let told = next(&failure, now(), RESUME, RUN);
            assert!(
                told.what.contains("until 2026-11-21 08:10:00 UTC") && told.command == RESUME,
                "{told:?}"
            );
            assert_eq!(next(&failure, until, RESUME, RUN).command, RESUME);
        }
    }

    /// A person is sent to where the decision is, and the command is one that helps for the error.
    #[test]
    fn what_helps_follows_from_the_error() {
        let waits = Failure { awaits_person: true, ..failure(ErrorType::JobFailed) };
        assert_eq!(state(&waits, State::Submitted, now()), State::NeedsPerson);
        assert_eq!(next(&waits, now(), RESUME, RUN).command, RESUME);
        for (error, is, command) in [
            (ErrorType::JobFailed, State::Failed, RUN),
            (ErrorType::NotFound, State::Failed, RUN),
            (ErrorType::AuthRejected, State::Failed, RESUME),
            (ErrorType::UnsafeArchive, State::Refused, RUN),
            (ErrorType::LimitExceeded, State::Refused, RESUME),
            (ErrorType::SchemaChanged, State::Refused, "landfall resume pod 7 --on-schema-change widen"),
            (ErrorType::Conflict, State::NeedsPerson, RUN),
        ] {
            let failure = failure(error);
            assert_eq!(state(&failure, State::Fetching, now()), is, "{}", error.name());
            assert_eq!(next(&failure, now(), RESUME, RUN).command, command, "{}", error.name());
        }
        let later = Failure { error: "FromALaterRelease".to_owned(), ..failure(ErrorType::Conflict) };
        assert_eq!(state(&later, State::Fetching, now()), State::Failed);
        assert_eq!(next(&later, now(), RESUME, RUN).command, RESUME);
    }
}
