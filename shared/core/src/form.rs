//! The forms in which content can land.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A landed form, by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LandedForm {
    /// As it is.
    #[default]
    Raw,
    /// A gzip file (RFC 1952).
    Gzip,
    /// A Zstandard frame (RFC 8878).
    Zstd,
    /// A Parquet file, of what has rows and columns. All else lands as it is.
    Parquet,
}

impl LandedForm {
    /// What stands behind the name of everything that lands in this form, whatever the name is, so that two members
    /// never meet. What is compressed already does not land in it.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Raw => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Parquet => ".parquet",
        }
    }

    /// Whether content lands as it is.
    pub fn is_raw(&self) -> bool {
        *self == Self::Raw
    }
}

/// A landed form with all that its bytes depend on: what a job is frozen to. So a field that is not known is refused
/// here, though it stands in a kept document: without it, the bytes would be others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum JobForm {
    /// As it is.
    #[default]
    Raw,
    /// A gzip file.
    Gzip,
    /// A Zstandard frame.
    Zstd {
        /// How hard it is compressed.
        level: ZstdLevel,
    },
    /// A Parquet file.
    Parquet {
        /// How hard its pages are compressed.
        level: ZstdLevel,
    },
}

impl JobForm {
    /// The form of this name. `level`, where it is given, is that of Zstandard, which only some forms compress by.
    pub fn of(form: LandedForm, level: Option<ZstdLevel>) -> Self {
        match form {
            LandedForm::Raw => Self::Raw,
            LandedForm::Gzip => Self::Gzip,
            LandedForm::Zstd => Self::Zstd { level: level.unwrap_or_default() },
            LandedForm::Parquet => Self::Parquet { level: level.unwrap_or(ZstdLevel::FASTEST) },
        }
    }

    /// Its name.
    pub fn name(self) -> LandedForm {
        match self {
            Self::Raw => LandedForm::Raw,
            Self::Gzip => LandedForm::Gzip,
            Self::Zstd { .. } => LandedForm::Zstd,
            Self::Parquet { .. } => LandedForm::Parquet,
        }
    }

    /// Whether content lands as it is.
    pub fn is_raw(&self) -> bool {
        *self == Self::Raw
    }

    /// Whether only what is a table lands in it.
    pub fn is_for_tables(self) -> bool {
        matches!(self, Self::Parquet { .. })
    }
}

/// A compression level of zstd.
///
/// Levels above 9 are not offered: each of the members that are under way at once would take 50 MB and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct ZstdLevel(i32);

/// A level that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("zstd_level {0} is not one of 1 to 9")]
pub struct InvalidZstdLevel(i32);

impl ZstdLevel {
    /// The level that takes the least time.
    const FASTEST: Self = Self(1);
}

impl Default for ZstdLevel {
    fn default() -> Self {
        Self(3)
    }
}

impl TryFrom<i32> for ZstdLevel {
    type Error = InvalidZstdLevel;

    fn try_from(level: i32) -> Result<Self, InvalidZstdLevel> {
        if (1..=9).contains(&level) { Ok(Self(level)) } else { Err(InvalidZstdLevel(level)) }
    }
}

impl From<ZstdLevel> for i32 {
    fn from(level: ZstdLevel) -> i32 {
        level.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 2: a job's record says in which form it goes on, with all that its bytes depend on.
    #[test]
    fn a_jobs_form_is_recorded_with_its_level() {
        let level = ZstdLevel::try_from(9).unwrap();
        for (form, json) in [
            (JobForm::Raw, r#""raw""#),
            (JobForm::Gzip, r#""gzip""#),
            (JobForm::Zstd { level }, r#"{"zstd":{"level":9}}"#),
            (JobForm::Parquet { level }, r#"{"parquet":{"level":9}}"#),
        ] {
            assert_eq!(serde_json::to_string(&form).unwrap(), json);
            assert_eq!(serde_json::from_str::<JobForm>(json).unwrap(), form);
        }
        for refused in [r#"{"zstd":{"level":0}}"#, r#"{"zstd":{"level":10}}"#, r#"{"zstd":{}}"#, r#""lzma""#]
        {
            assert!(serde_json::from_str::<JobForm>(refused).is_err(), "{refused}");
        }
    }
}
