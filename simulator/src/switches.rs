//! What every system's switches are made of: how often something goes wrong, and what can happen to any request.

use serde::{Deserialize, Serialize};

/// How often something goes wrong: the first so many times (a passing fault, which a retry survives), or
/// always. In JSON a number, or `"always"`. The default is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TimesForm", into = "TimesForm")]
pub enum Times {
    /// The first so many occasions; what counts as one occasion is said at each switch.
    First(u32),
    /// Every occasion.
    Always,
}

impl Times {
    /// Whether an occasion after `earlier` others is still affected.
    pub(crate) fn includes(self, earlier: u32) -> bool {
        match self {
            Self::First(count) => earlier < count,
            Self::Always => true,
        }
    }

    /// Whether no occasion is ever affected.
    pub(crate) fn is_never(self) -> bool {
        self == Self::First(0)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::First(0)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of times, or \"always\"")]
enum TimesForm {
    Count(u32),
    Word(TimesWord),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TimesWord {
    Always,
}

impl From<TimesForm> for Times {
    fn from(form: TimesForm) -> Self {
        match form {
            TimesForm::Count(count) => Self::First(count),
            TimesForm::Word(TimesWord::Always) => Self::Always,
        }
    }
}

impl From<Times> for TimesForm {
    fn from(times: Times) -> Self {
        match times {
            Times::First(count) => Self::Count(count),
            Times::Always => Self::Word(TimesWord::Always),
        }
    }
}

/// What can happen to any request before its endpoint looks at it. Counted by endpoint, and where the
/// endpoint serves a job or a file, by that job or file. Tried in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outage {
    /// The connection is closed without an answer, and nothing was done.
    pub drop_connection: Times,
    /// 503 with an HTML body, as a load balancer sends it; nothing was done.
    pub unavailable: Times,
    /// 429; nothing was done.
    pub throttle: Throttle,
    /// 401 for a token that is good, as after a revocation.
    pub unauthorized: Times,
    /// 403 for a token that is good, as for a missing role.
    pub forbidden: Times,
    /// 200 with the HTML of a login page where JSON or a file was asked for.
    pub login_page: Times,
}

/// Answers of 429 Too Many Requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttle {
    /// How often.
    pub times: Times,
    /// The `Retry-After` header in seconds; without it the header is missing, as Oracle documents none.
    pub retry_after_seconds: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_neither_number_nor_always_is_explained() {
        let error = serde_json::from_str::<Times>("\"never\"").unwrap_err();
        assert!(error.to_string().contains("\"always\""), "{error}");
    }
}
