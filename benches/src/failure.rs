//! Why a bench could not be run.

use std::error::Error;
use std::fmt::Display;

/// What was being done, and what came in the way.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub(crate) struct Failure {
    doing: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure that has no cause but itself.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { doing: message.into(), source: None }
    }

    /// The failure with its causes, in one line.
    pub(crate) fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}

/// Says what was being done when something failed.
pub(crate) trait While<T> {
    /// Names it.
    fn while_doing(self, doing: impl Display) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> While<T> for std::result::Result<T, E> {
    fn while_doing(self, doing: impl Display) -> Result<T> {
        self.map_err(|error| Failure { doing: doing.to_string(), source: Some(error.into()) })
    }
}
