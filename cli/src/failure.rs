//! Why a command did not do what it was asked for, and what its exit code is.

use std::fmt;
use std::io;

use landfall::ErrorType;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A step, or what it stands on, failed.
    #[error(transparent)]
    Landfall(#[from] landfall::Error),
    /// A signal ended it before its time.
    #[error("stopped by {0} before it finished")]
    Stopped(Signal),
    /// The result is there, and stdout does not take it.
    #[error("cannot write the result to stdout")]
    Output(#[source] io::Error),
}

/// A signal that asks a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
        })
    }
}

impl Failure {
    /// Its name: an error's stable one where it is landfall's.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Landfall(error) => error.error_type().name(),
            Self::Stopped(_) => "Stopped",
            Self::Output(_) => "OutputUnavailable",
        }
    }

    /// What happened and what caused it, in one line.
    pub(crate) fn line(&self) -> String {
        landfall::error::chain(self)
    }

    /// The exit code of a process that fails so.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Landfall(error) => exit_code(error.error_type()),
            Self::Stopped(Signal::Interrupt) => 130,
            Self::Stopped(Signal::Terminate) => 143,
            Self::Output(_) => 1,
        }
    }
}

pub(crate) fn exit_code(error: ErrorType) -> u8 {
    match error {
        ErrorType::InvalidEvent | ErrorType::InvalidConfig => 2,
        ErrorType::UnsafeArchive
        | ErrorType::Unsupported
        | ErrorType::LimitExceeded
        | ErrorType::SchemaChanged
        | ErrorType::IntegrityError => 3,
        ErrorType::Throttled
        | ErrorType::SourceUnavailable
        | ErrorType::StoreUnavailable
        | ErrorType::AuthRejected
        | ErrorType::NotFound
        | ErrorType::Rejected
        | ErrorType::JobFailed
        | ErrorType::JobTimedOut
        | ErrorType::UnknownStatus
        | ErrorType::ContractBroken
        | ErrorType::Damaged
        | ErrorType::Conflict => 1,
    }
}

/// The exit code of a command that did several things: wrong usage outweighs a refusal, a refusal a failure.
/// A signal outweighs them all.
pub(crate) fn worst(one: u8, other: u8) -> u8 {
    let weight = |code: u8| match code {
        0 => 0,
        1 => 1,
        3 => 2,
        2 => 3,
        _ => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented exit codes, for every name in the contract's closed list.
    #[test]
    fn every_error_has_its_exit_code() {
        let code = |wanted: u8| {
            let with = ErrorType::ALL.iter().filter(|&&error| exit_code(error) == wanted);
            with.map(|error| error.name()).collect::<Vec<_>>()
        };
        assert_eq!(code(2), ["InvalidEvent", "InvalidConfig"]);
        assert_eq!(
            code(3),
            ["IntegrityError", "UnsafeArchive", "Unsupported", "LimitExceeded", "SchemaChanged"]
        );
        assert_eq!(code(1).len(), ErrorType::ALL.len() - 7);
        assert_eq!(Failure::Stopped(Signal::Interrupt).exit_code(), 130);
        assert_eq!(Failure::Stopped(Signal::Terminate).exit_code(), 143);
    }

    /// Of several archives the worst outcome counts: 2 over 3 over 1 over 0, and a signal over all.
    #[test]
    fn the_worst_outcome_counts() {
        let all = |codes: &[u8]| codes.iter().copied().fold(0, worst);
        assert_eq!(all(&[]), 0);
        assert_eq!(all(&[0, 1, 0]), 1);
        assert_eq!(all(&[1, 3, 1, 0]), 3);
        assert_eq!(all(&[3, 2, 3]), 2);
        assert_eq!(all(&[2, 130]), 130);
    }

    /// A message is one line, with its causes.
    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let broken = Failure::Output(io::Error::other("broken\npipe"));
        assert_eq!(broken.line(), "cannot write the result to stdout: broken pipe");
        let refused = Failure::from(landfall::Error::unsafe_archive("leaves its prefix"));
        assert_eq!((refused.name(), refused.line().as_str()), ("UnsafeArchive", "leaves its prefix"));
    }
}
