//! What the configuration says of such a connection, besides where its bucket is.

use landfall::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::export::file_name;

/// A connection to a bucket that others put files into.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryConnection {
    /// Where the bucket is, which the configuration itself reads.
    #[serde(rename = "from_bucket")]
    _from_bucket: Option<IgnoredAny>,
    /// What of the bucket `sweep` takes for a job.
    #[serde(default)]
    pub(super) sweep: Swept,
    /// What the names of manifests look like.
    #[serde(default)]
    pub(super) manifest_names: Pattern,
    #[serde(rename = "job")]
    _job: Option<IgnoredAny>,
    #[serde(rename = "http")]
    _http: Option<IgnoredAny>,
}

/// What of a bucket `sweep` takes for a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Swept {
    /// Each manifest, with the files that it lists.
    #[default]
    Manifests,
    /// Each object by itself.
    Objects,
}

/// What the names of some objects look like: text in which `*` stands for anything, in capitals or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern(String);

impl Default for Pattern {
    /// Oracle's tools call theirs `MANIFEST_EXTRACT_….mf` and `MANIFEST….MF`.
    fn default() -> Self {
        Self("*.mf".to_owned())
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match text.is_empty() || text.contains('/') {
            true => Err(Error::invalid_config(
                "a pattern of names has no slash, and is not empty; the folder belongs into from_bucket.prefix",
            )),
            false => Ok(Self(text.to_ascii_lowercase())),
        }
    }
}

impl Pattern {
    /// Whether the last part of a key is such a name.
    pub(super) fn fits(&self, key: &str) -> bool {
        is_like(&self.0, &file_name(key).to_ascii_lowercase())
    }
}

/// Whether a text is of a pattern: the earliest place for each part leaves the most for those behind it.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (parts, last) = rest.rsplit_once('*').map_or((None, rest), |(parts, last)| (Some(parts), last));
    for part in parts.into_iter().flat_map(|parts| parts.split('*')) {
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a tool calls its manifests is found, in capitals or not, in whatever folder; nothing else is.
    #[test]
    fn manifests_are_known_by_their_names() {
        let usual = Pattern::default();
        for key in
            ["MANIFEST.MF", "daily/MANIFEST_EXTRACT_20260429_055302-SCHEDULE_1_REQUEST_1_2.mf", "x.mf/y.Mf"]
        {
            assert!(usual.fits(key), "{key}");
        }
        for key in ["daily/a.zip", "x.mf/y.zip", "MANIFEST.MF.zip", "mf"] {
            assert!(!usual.fits(key), "{key}");
        }
        let own = |text: &str, key: &str| Pattern::try_from(text.to_owned()).unwrap().fits(key);
        for (pattern, key, fits) in [
            ("done_*.txt", "Done_1.TXT", true),
            ("done_*.txt", "done_.csv", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
            ("_SUCCESS", "run/_success", true),
            ("a**", "ab", true),
        ] {
            assert_eq!(own(pattern, key), fits, "{pattern} {key}");
        }
        assert!(
            Pattern::try_from("daily/*.mf".to_owned()).is_err() && Pattern::try_from(String::new()).is_err()
        );
    }
}
