//! The closed list of errors that reach a caller: a state machine, the command line, a person.
//!
//! Modules below have enums of their own, one variant a cause; at the crate's edge each becomes one of
//! the names here. A name is stable: a state machine's `Retry` and `Catch` match it as `errorType`.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use landfall_http::{ErrorKind, HttpError, InvalidSetting};
use landfall_store::StoreError;

/// The result of everything that a function calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in one line that a person can act on, and what caused it.
#[derive(Debug)]
pub struct Cause {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The cause of an error that passes by itself, at a time that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("call again in {} s", seconds(*.after))]
pub struct AskAgain {
    /// How long from now.
    pub after: Duration,
}

/// The cause of a failure over a job that may still go on: another one beside it would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("decide there what becomes of it")]
pub struct AwaitsPerson;

/// A duration in whole seconds, which it has passed after.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

macro_rules! closed_list {
    ($($(#[doc = $doc:literal])+ $name:ident / $constructor:ident, retry: $retry:literal, continues: $continues:literal,
        do: $remedy:literal;)+) => {
        /// An error of landfall, under one of its stable names.
        #[derive(Debug, thiserror::Error)]
        pub enum Error {
            $($(#[doc = $doc])+ #[error(transparent)] $name(Cause),)+
        }

        /// The stable name of an error: `errorType` of a failed function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorType {
            /// Every name there is, in the order of the contract.
            pub const ALL: &[ErrorType] = &[$(ErrorType::$name),+];

            /// The name as a state machine sees it.
            pub fn name(self) -> &'static str {
                match self { $(ErrorType::$name => stringify!($name),)+ }
            }

            /// Whether calling the same function again, unchanged, can help.
            pub fn retryable(self) -> bool {
                match self { $(ErrorType::$name => $retry,)+ }
            }

            /// Whether what helps, once the cause is gone, is to go on with the same run: its job, by the id or by a
            /// redrive, or the same event. Otherwise that would only end in the same way.
            pub fn continues(self) -> bool {
                match self { $(ErrorType::$name => $continues,)+ }
            }

            /// An error of this name, with a message of one line.
            pub fn error(self, message: impl Into<String>) -> Error {
                match self { $(ErrorType::$name => Error::$constructor(message),)+ }
            }

            /// What a person does about it, in Markdown.
            pub fn remedy(self) -> &'static str {
                match self { $(ErrorType::$name => $remedy,)+ }
            }

            /// What the name means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorType::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl Error {
            $(
                #[doc = concat!("An error named `", stringify!($name), "`, with a message of one line.")]
                pub fn $constructor(message: impl Into<String>) -> Error {
                    Error::$name(Cause { message: message.into(), source: None })
                }
            )+

            /// The stable name of this error.
            pub fn error_type(&self) -> ErrorType {
                match self { $(Error::$name(_) => ErrorType::$name,)+ }
            }

            fn cause_mut(&mut self) -> &mut Cause {
                match self { $(Error::$name(cause) => cause,)+ }
            }
        }
    };
}

closed_list! {
    /// The source or the store asks to be called less often.
    Throttled / throttled, retry: true, continues: true,
        do: "Nothing at first: landfall retries after the time that it was asked to wait. If it persists, lower \
             `rest.requests_per_hour` or `http.parallel_downloads`, or find out who else calls with the same user.";
    /// The source could not be reached, or answered that it is unavailable.
    SourceUnavailable / source_unavailable, retry: true, continues: true,
        do: "Nothing at first: landfall retries. If it persists, `landfall check` shows whether the name, the network \
             or the system is at fault; then continue the job.";
    /// The object store could not be reached, or answered that it is unavailable.
    StoreUnavailable / store_unavailable, retry: true, continues: true,
        do: "Nothing at first: landfall retries. If it persists, test the bucket's endpoint and region with `landfall check \
             CONNECTION --destination NAME`; then continue the job.";
    /// The event is not one that this function accepts.
    InvalidEvent / invalid_event, retry: false, continues: false,
        do: "Correct the event as the message says, and start it again: nothing was submitted.";
    /// The configuration lacks a setting, or has one that is not valid.
    InvalidConfig / invalid_config, retry: false, continues: true,
        do: "Correct the setting that the message names; the functions read it again within five minutes. Then continue the \
             job.";
    /// The credentials were refused, or lack a permission.
    AuthRejected / auth_rejected, retry: false, continues: true,
        do: "Check whether the secret was rotated, the user is locked, or a permission or scope is missing: the message \
             says which call was refused. `landfall check` tests the connection. Then continue the job.";
    /// The source or the store does not know what was asked for.
    NotFound / not_found, retry: false, continues: false,
        do: "Check the id and the connection. Files that have expired at the source are gone: run the export again \
             under another run key, an incremental data extraction with `\"mode\": \"full\"`, as the source \
             has moved its window.";
    /// The source understood the request and refused it.
    Rejected / rejected, retry: false, continues: true,
        do: "Read what the source says in the message, and fix the cause. Then continue the job; if the submission was \
             refused, the run has no job, and is started again by the same event, unless the message says otherwise. A \
             corrected export is another run, and needs another run key.";
    /// The job failed or was cancelled at the source, or waits there for a person.
    JobFailed / job_failed, retry: false, continues: false,
        do: "Read the source's reason in the message, and the job's log in the source's own user interface. If the job \
             waits for a person, decide there, then continue it. If it is over, it has moved no window: once \
             the cause is fixed, run the export again under another run key; or restart the job there under \
             its id, and continue it.";
    /// The job did not end within its deadline.
    JobTimedOut / job_timed_out, retry: false, continues: true,
        do: "Look at the job in the source's own user interface. If it has ended, continue it. If it is still running, \
             raise `job.timeout_seconds` and continue it; if it hangs, cancel it there, and only then run the \
             export again under another run key.";
    /// The job's deadline passed while the source reported a status that landfall does not know.
    UnknownStatus / unknown_status, retry: false, continues: true,
        do: "Look at the job in the source's own user interface. If it is still at work, continue it once it has \
             ended. If it has ended well, landfall does not know this status yet: report it, with the native \
             status in the message.";
    /// The source's answer is not what its API promises.
    ContractBroken / contract_broken, retry: false, continues: true,
        do: "Continue the job: what was wrong may have passed. If it comes again, open the address in the message in a \
             browser. A login page means that the address is behind single sign-on: set `base_url` to the \
             address of the API. Anything else is an answer that landfall does not know yet: report it.";
    /// Data is incomplete or damaged: a size, a count or a checksum does not match.
    IntegrityError / integrity, retry: false, continues: true,
        do: "There is no manifest. Continue the job: a file that was damaged on its way is fetched again. If the error \
             comes again, the source's own file is damaged, or is not what its list says: keep it as evidence \
             for whoever made it, and run the export again under another run key, an incremental data \
             extraction with `\"mode\": \"full\"`, as the source has moved its window.";
    /// A file was damaged on its way, as unpacking it shows: it is fetched anew.
    Damaged / damaged, retry: false, continues: true,
        do: "Nothing at first: landfall fetches the file anew, twice at most, since its source lists no checksum that would \
             tell on which side the damage is. If an execution ended with it, continue the job in a new execution.";
    /// The archive is not safe to unpack.
    UnsafeArchive / unsafe_archive, retry: false, continues: false,
        do: "Nothing of the archive has landed. The message says what is wrong with it, and `docs/archives.md` which \
             archives land. Ask whoever makes it to correct it; the checks cannot be switched off. Then run \
             the export again under another run key, an incremental data extraction with `\"mode\": \"full\"`, \
             as the source has moved its window.";
    /// The archive is made in a way that landfall does not read.
    Unsupported / unsupported, retry: false, continues: false,
        do: "Nothing of the archive has landed. It may be sound, but is encrypted, split, or compressed by a method \
             that landfall does not read: the message says which, and `docs/archives.md` what is read. Ask \
             whoever makes it to make it another way, then run the export again under another run key, an \
             incremental data extraction with `\"mode\": \"full\"`, as the source has moved its window.";
    /// A size or a count exceeds its limit.
    LimitExceeded / limit_exceeded, retry: false, continues: true,
        do: "Decide whether the size or count is plausible. If it is, and the message names a setting, raise the setting \
             and continue the job: staged files are not fetched again. Otherwise the message says what to do instead.";
    /// The job's columns do not fit the export's schema, and its settings refuse that.
    SchemaChanged / schema_changed, retry: false, continues: true,
        do: "There is no manifest; or, where the message is about a table of a catalog, nothing is appended, and the message says \
             what helps. It names the columns, and `landfall schema` shows what they were. If the change \
             is right, continue the job by `landfall resume` with `--on-schema-change widen` or `text`, or set \
             `on_schema_change` in the destination, where the export does not say it, and continue the job; correct columns \
             that are declared wrongly in the export of runs to come. If it is not, have it corrected at the source, and \
             run the export again under another run key, an incremental data extraction with `\"mode\": \"full\"`, as the \
             source has moved its window.";
    /// Two things claim the same name, and a person must decide which is right.
    Conflict / conflict, retry: false, continues: false,
        do: "Decide which of the two that the message names is right. If it is unknown whether a run has a job at the \
             source, look there; then start the run with `landfall run EVENT --job ID`, or with `--no-job` if there is \
             none.";
}

impl Error {
    /// The same error, with what caused it.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.cause_mut().source = Some(Box::new(source));
        self
    }

    /// The same error, its message led by what was being done.
    #[must_use]
    pub fn while_doing(mut self, doing: impl fmt::Display) -> Error {
        let cause = self.cause_mut();
        cause.message = format!("{doing}: {}", cause.message);
        self
    }

    /// Whether calling the same function again, unchanged, can help.
    pub fn retryable(&self) -> bool {
        self.error_type().retryable()
    }

    /// After how many seconds calling the same function again can help, where that is known.
    pub fn wait_seconds(&self) -> Option<u64> {
        let after = match self.cause::<AskAgain>() {
            Some(ask_again) => ask_again.after,
            None => self.cause::<HttpError>()?.retry_after().filter(|after| !after.is_zero())?,
        };
        Some(seconds(after))
    }

    /// The first cause of this type.
    pub fn cause<T: StdError + 'static>(&self) -> Option<&T> {
        let mut causes = std::iter::successors(StdError::source(self), |cause| (*cause).source());
        causes.find_map(|cause| cause.downcast_ref::<T>())
    }

    /// The message and its chain of causes in one line, as a caller gets it.
    pub fn line(&self) -> String {
        chain(self)
    }
}

pub use landfall_http::chain;

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Error {
        // What held a call back names what it does, and says how long.
        let error = match error.into_rate_limited() {
            Ok(held) => {
                return match held.downcast::<Error>() {
                    Ok(held) => *held,
                    Err(held) => Error::throttled(held.to_string()),
                };
            }
            Err(error) => error,
        };
        let named = match error.kind() {
            ErrorKind::Throttled | ErrorKind::RateLimited => Error::throttled,
            ErrorKind::Unavailable => Error::source_unavailable,
            ErrorKind::TokenStoreUnavailable => Error::store_unavailable,
            ErrorKind::InvalidSettings => Error::invalid_config,
            ErrorKind::AuthRejected => Error::auth_rejected,
            ErrorKind::NotFound => Error::not_found,
            ErrorKind::Rejected => Error::rejected,
            ErrorKind::ContractBroken => Error::contract_broken,
            ErrorKind::TooLarge => Error::limit_exceeded,
        };
        named(error.to_string()).because(error)
    }
}

impl From<InvalidSetting> for Error {
    fn from(error: InvalidSetting) -> Error {
        Error::invalid_config(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        let constructor = match &error {
            StoreError::Unavailable { .. } | StoreError::Contended { .. } => Error::store_unavailable,
            StoreError::Throttled { .. } => Error::throttled,
            StoreError::Denied { .. } => Error::auth_rejected,
            StoreError::NoSuchBucket { .. }
            | StoreError::HiddenBucket { .. }
            | StoreError::NoSuchObject { .. } => Error::not_found,
            StoreError::Unsigned { is_about_settings: true, .. } => Error::invalid_config,
            StoreError::Unsigned { .. } => Error::auth_rejected,
            // Somebody else ended this upload: the next call finds what they left.
            StoreError::NoSuchUpload { .. } => Error::store_unavailable,
            StoreError::Changed { .. } | StoreError::Occupied { .. } | StoreError::NewerVersion { .. } => {
                Error::conflict
            }
            // Bytes were damaged on their way, which the next attempt may not be.
            StoreError::BadDigest { .. } => Error::store_unavailable,
            StoreError::TooLarge { .. } => Error::limit_exceeded,
            StoreError::Malformed { .. } => Error::integrity,
            StoreError::NoConditionalChange { .. } => Error::invalid_config,
            StoreError::NotImplemented { .. }
            | StoreError::InvalidParts { .. }
            | StoreError::Refused { .. } => Error::rejected,
        };
        constructor(error.to_string()).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state machine's `Retry` matches these very names.
    #[test]
    fn the_names_that_help_to_retry_are_the_contracts_three() {
        let retried: Vec<_> =
            ErrorType::ALL.iter().filter(|name| name.retryable()).map(|name| name.name()).collect();
        assert_eq!(retried, ["Throttled", "SourceUnavailable", "StoreUnavailable"]);
        assert_eq!(ErrorType::ALL.len(), 19);
    }

    /// Promise 6: who is told how long to wait need not wait in an invocation that is paid for.
    #[test]
    fn an_error_carries_how_long_it_lasts() {
        let error = Error::throttled("spent").because(AskAgain { after: Duration::from_millis(59_001) });
        let error = error.while_doing("fetching part-00001.ndjson");
        assert_eq!(error.wait_seconds(), Some(60));
        assert_eq!(error.line(), "fetching part-00001.ndjson: spent: call again in 60 s");
        assert_eq!(Error::throttled("429").wait_seconds(), None);
    }

    /// Promise 7: what an error repeats is read by a person at a terminal.
    #[test]
    fn a_line_holds_nothing_that_a_terminal_obeys() {
        let error = Error::invalid_event("unknown field `\u{1b}[2Jx\u{7f}y\u{202e}z`\r\n");
        assert_eq!(error.line(), "unknown field ` [2Jx y z`");
    }
}
