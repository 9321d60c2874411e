//! Which file holds which key.
//!
//! A key has up to two places below its bucket's folder, and both follow from the key alone:
//!
//! * **plain**: the key itself as a relative path. Only a key that is one has this place: every component is
//!   1 to 255 bytes long, none is `.` or `..`, none holds a control character, and the first is not
//!   [`ESCAPED_FOLDER`].
//! * **escaped**: `%escaped/` and the percent-encoded key, everything but ASCII letters, digits, `-` and `_`
//!   written as `%XX`. Longer than 200 characters, it is cut there into nested folders, whose names end in `~`.
//!
//! An object lives in its plain place unless the key has none, or something is in the way: `a/b` cannot be a
//! file while `a/b/c` is one. Then it lives in the escaped place, and stays there until it is deleted. Looking a
//! key up means looking in both, plain first.
//!
//! Both mappings are injective, and neither can leave the bucket's folder. File systems that fold case or
//! Unicode forms (the default on macOS) break the plain one for keys that differ in nothing else: such file
//! systems are not supported.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The folder of a bucket that holds the objects whose keys are not plain paths.
pub(crate) const ESCAPED_FOLDER: &str = "%escaped";

/// Longest file name that every supported file system takes, in bytes.
const MAX_COMPONENT: usize = 255;

/// Length of one level of an escaped name. With the mark it stays below [`MAX_COMPONENT`].
const CHUNK: usize = 200;

/// Ends the name of a folder of an escaped name. Never part of an encoded key, so no file has such a name.
const CHUNK_MARK: char = '~';

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Whether `name` can be one component of a plain path.
pub(crate) fn is_plain_component(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_COMPONENT
        && name != "."
        && name != ".."
        && !name.contains('/')
        && !name.chars().any(char::is_control)
}

/// The plain place of `key` relative to its bucket's folder, if it has one.
pub(crate) fn plain_path(key: &str) -> Option<PathBuf> {
    let reserved = key.split('/').next() == Some(ESCAPED_FOLDER);
    (!reserved && key.split('/').all(is_plain_component)).then(|| PathBuf::from(key))
}

/// The escaped place of `key` relative to its bucket's folder.
pub(crate) fn escaped_path(key: &str) -> PathBuf {
    let encoded = utf8_percent_encode(key, ESCAPED).to_string();
    let mut path = PathBuf::from(ESCAPED_FOLDER);
    let mut rest = encoded.as_str();
    while rest.len() > CHUNK
        && let Some((chunk, tail)) = rest.split_at_checked(CHUNK)
    {
        path.push(format!("{chunk}{CHUNK_MARK}"));
        rest = tail;
    }
    path.push(rest);
    path
}

/// The key whose escaped place is `path` (relative to the bucket's folder); `None` for a file that is no key's.
pub(crate) fn key_of_escaped(path: &Path) -> Option<String> {
    let encoded: String = path
        .strip_prefix(ESCAPED_FOLDER)
        .ok()?
        .to_str()?
        .split('/')
        .map(|component| component.strip_suffix(CHUNK_MARK).unwrap_or(component))
        .collect();
    let key = percent_decode_str(&encoded).decode_utf8().ok()?.into_owned();
    (escaped_path(&key) == path).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Component;

    use super::*;

    const ODD_KEYS: &[&str] = &[
        "/",
        "//",
        "a/",
        "/a",
        "a//b",
        "a/./b",
        "a/../b",
        ".",
        "..",
        "...",
        "../x",
        "%escaped/a",
        "%escaped",
        "a%2Fb",
        "a/\u{0}",
        "line\nbreak",
        "tab\t",
        "ünïcode/✓ ",
        "a~",
        "~",
        "a b+c",
    ];

    fn long_keys() -> Vec<String> {
        [199, 200, 201, 255, 256, 400, 1024]
            .iter()
            .flat_map(|&length| ["a", "%", "~"].map(|letter| letter.repeat(length)))
            .collect()
    }

    /// Promise 7: no key reaches outside the bucket's folder.
    #[test]
    fn no_key_leaves_the_bucket() {
        let long = long_keys();
        for key in ODD_KEYS.iter().copied().chain(long.iter().map(String::as_str)) {
            for path in plain_path(key).into_iter().chain([escaped_path(key)]) {
                assert!(
                    path.components().all(|part| matches!(part, Component::Normal(_))),
                    "{key:?}: {path:?}"
                );
                assert!(path.iter().all(|part| part.len() <= MAX_COMPONENT), "{key:?}: {path:?}");
            }
        }
    }

    /// Promise 4: two keys never share a file, whatever places they have.
    #[test]
    fn places_are_injective_and_lead_back() {
        let long = long_keys();
        let mut seen = HashSet::new();
        for key in ODD_KEYS.iter().copied().chain(long.iter().map(String::as_str)) {
            let escaped = escaped_path(key);
            assert_eq!(key_of_escaped(&escaped).as_deref(), Some(key));
            assert!(seen.insert(escaped), "{key:?}");
            if let Some(plain) = plain_path(key) {
                assert_eq!(plain.to_str(), Some(key));
                assert!(seen.insert(plain), "{key:?}");
            }
        }
    }

    /// An escaped name must not be a folder of another one: both could not exist.
    #[test]
    fn no_escaped_file_is_a_folder_of_another() {
        let keys = long_keys();
        for one in &keys {
            for other in keys.iter().filter(|other| *other != one) {
                assert!(!escaped_path(other).starts_with(escaped_path(one)), "{one} {other}");
            }
        }
    }

    /// A file put by hand below the escaped folder under a name that no key has is not an object.
    #[test]
    fn foreign_files_in_the_escaped_folder_have_no_key() {
        for name in ["plain.txt", "%2f", "a~", "%FF"] {
            assert_eq!(key_of_escaped(&Path::new(ESCAPED_FOLDER).join(name)), None, "{name}");
        }
    }

    #[test]
    fn ordinary_keys_are_plain() {
        for key in ["a", "a/b/c.csv", "ünïcode/✓ .txt", "a b+c", "a%2Fb", ".hidden", "...", "x/%escaped"]
        {
            assert!(plain_path(key).is_some(), "{key}");
        }
    }
}
