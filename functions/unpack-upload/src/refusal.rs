//! Archives that must not land: the errors that say so.

use landfall::{Error, ErrorType};
use landfall_zip::{ArchiveError, RefusalKind};

/// What is wrong with an archive, under its stable name.
pub(crate) fn refused(reason: ArchiveError) -> Error {
    let message = reason.to_string();
    let error = match reason.kind() {
        RefusalKind::Unsafe => Error::unsafe_archive(message),
        RefusalKind::Unsupported => Error::unsupported(message),
        RefusalKind::LimitExceeded => Error::limit_exceeded(message),
        RefusalKind::Integrity => Error::integrity(message),
    };
    error.because(reason)
}

/// Whether an error says that nothing of the archive may land, or stay.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(
        error.error_type(),
        ErrorType::UnsafeArchive
            | ErrorType::Unsupported
            | ErrorType::LimitExceeded
            | ErrorType::IntegrityError
    )
}
