//! The lists that extraction tools write beside their files, a line each, with semicolons between the fields.
//!
//! Oracle's data extraction tool writes `<file>;<document id>;<SHA-256>` (Oracle: "Extract Output File and Manifest
//! Details"); BICC first a line `PLV_KEY=…` with its version, then `<file>;<document id>;<MD5>`. What is written into a
//! bucket has no document there, so that field may be missing or empty, and so may the checksum.

use std::collections::BTreeMap;

use landfall::checksum::{Md5, Sha256};
use landfall::{Error, Result};
use serde::{Deserialize, Serialize};

/// A key has so many bytes at most, in S3 as in OCI.
const MAX_KEY: usize = 1024;
/// A line of a manifest may have so many bytes: a key, an id and a checksum fit many times.
const MAX_LINE: usize = 8 * 1024;
/// What marks the byte order of a text, which some tools write first.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its name, as it is written there.
    pub(super) name: String,
    /// Its SHA-256, where the manifest says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<Sha256>,
    /// Its MD5, where the manifest says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) md5: Option<Md5>,
}

/// What a manifest lists, in its order; `manifest` names it in messages.
pub(super) fn entries(manifest: &str, bytes: &[u8]) -> Result<Vec<Entry>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| unreadable(manifest, "is no text in UTF-8, so it lists no files").because(error))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut places = BTreeMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in std::iter::zip(1_usize.., text.lines()) {
        let line = line.trim();
        if line.is_empty() || (entries.is_empty() && is_version(line)) {
            continue;
        }
        let entry =
            entry(line).map_err(|wrong| unreadable(manifest, &format!("at line {number}: {wrong}")))?;
        match places.get(&entry.name).and_then(|place: &usize| entries.get(*place)) {
            Some(same) if *same == entry => {}
            Some(_) => {
                let said =
                    format!("at line {number}: {:?} is there twice, with different checksums", entry.name);
                return Err(unreadable(manifest, &said));
            }
            None => {
                places.insert(entry.name.clone(), entries.len());
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

/// The line that says by which version the manifest was written: `PLV_KEY=FUSION_10_0`.
fn is_version(line: &str) -> bool {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    !line.contains(';') && line.split_once('=').is_some_and(|(name, _)| !name.is_empty() && is_name(name))
}

fn entry(line: &str) -> std::result::Result<Entry, &'static str> {
    if line.len() > MAX_LINE {
        return Err("the line is longer than any that lists a file");
    }
    let mut fields = line.split(';').map(str::trim);
    let name = fields.next().unwrap_or_default();
    let is_path = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if name.len() > MAX_KEY || !is_path || name.chars().any(char::is_control) {
        return Err("what stands first cannot be the name of a file beside the manifest");
    }
    // Which of the others it is, its form says: an id has none of it.
    let others: Vec<&str> = fields.collect();
    Ok(Entry {
        name: name.to_owned(),
        sha256: others.iter().find_map(|field| field.parse().ok()),
        md5: others.iter().find_map(|field| field.parse().ok()),
    })
}

fn unreadable(manifest: &str, said: &str) -> Error {
    Error::contract_broken(format!(
        "{manifest} {said}: name a manifest that lists a file a line (`<file>;<id>;<checksum>`), or the file itself as \
         `object`"
    ))
}

impl Entry {
    /// Whether anything but its size shows that it is whole.
    pub(super) fn has_checksum(&self) -> bool {
        self.sha256.is_some() || self.md5.is_some()
    }

    /// The keys that it may have in the bucket, the likeliest first, beside a manifest of this key. BICC lists what it
    /// has extracted without the ending that its archives have, and a name may be the whole key.
    pub(super) fn keys(&self, manifest: &str) -> Vec<String> {
        let folder = manifest.rsplit_once('/').map_or("", |(folder, _)| folder);
        let within =
            |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let mut keys = vec![within(&self.name), within(&format!("{}.zip", self.name))];
        let is_whole = self.name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if is_whole && !folder.is_empty() {
            keys.push(self.name.clone());
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA256: &str = "ba2c42a7a57f0946ffb75b27eda0fb04fe432cc2289bfcce22e866312a26ba97";
    const MD5: &str = "b2af2bf486366e2c2cb7598849f0df2e";

    fn read(text: &str) -> Vec<Entry> {
        entries("s3://b/M.MF", text.as_bytes()).unwrap()
    }

    fn entry(name: &str, sha256: Option<&str>, md5: Option<&str>) -> Entry {
        let name = name.to_owned();
        Entry {
            name,
            sha256: sha256.map(|text| text.parse().unwrap()),
            md5: md5.map(|text| text.parse().unwrap()),
        }
    }

    /// Promise 5: what Oracle documents of either tool's manifest is read, and whatever is left out of it or written
    /// otherwise without meaning anything.
    #[test]
    fn the_documented_manifests_are_read() {
        let extract = "119594_S_SimpleCarriers_carriersExtract_7911745_20260429_055129.515101_1.zip";
        assert_eq!(read(&format!("{extract};548174;{SHA256}")), [entry(extract, Some(SHA256), None)]);
        let bicc = format!(
            "\u{feff}PLV_KEY=FUSION_10_0\r\ncrmanalyticsam_partiesanalyticsam_customer;9526;{MD5}\r\n\r\n\
             file_a-batch1-20260429_055129.zip;{}\r\n",
            MD5.to_uppercase()
        );
        let customer = entry("crmanalyticsam_partiesanalyticsam_customer", None, Some(MD5));
        assert_eq!(read(&bicc), [customer, entry("file_a-batch1-20260429_055129.zip", None, Some(MD5))]);
        let bare = "a.zip\nb.zip;\nc.zip;17;\n d.zip ; ; \ndt=2026-04-29/e.zip;18";
        let names = ["a.zip", "b.zip", "c.zip", "d.zip", "dt=2026-04-29/e.zip"];
        assert_eq!(read(bare), names.map(|name| entry(name, None, None)));
        assert_eq!(read("PLV_KEY=FUSION_10_0\n"), []);
        assert_eq!(read(&format!("a.zip;1;{MD5}\na.zip;1;{MD5}")).len(), 1, "a line that is there twice");
    }

    /// Promises 5 and 7: what is no list, or leads elsewhere, is named with its line, and nothing of it is taken.
    #[test]
    fn what_is_no_list_of_files_is_named() {
        let twice = format!("a.zip;1;{SHA256}\na.zip;1;{}", SHA256.replace('b', "c"));
        for (text, said) in [
            ("a.zip\n../secret.zip", "at line 2: what stands first"),
            ("/etc/passwd", "at line 1: what stands first"),
            ("a//b.zip", "at line 1"),
            (";1;2", "at line 1"),
            ("a\u{1}.zip", "at line 1"),
            (&"n".repeat(MAX_KEY + 1), "at line 1"),
            (&format!("a;{}", "1".repeat(MAX_LINE)), "longer than any"),
            (&twice, "twice, with different checksums"),
        ] {
            let error = entries("s3://b/M.MF", text.as_bytes()).unwrap_err();
            assert_eq!(error.error_type().name(), "ContractBroken");
            assert!(error.line().contains("s3://b/M.MF") && error.line().contains(said), "{}", error.line());
        }
        assert!(entries("m", &[0x50, 0x4b, 0xff]).is_err());
    }

    proptest! {
        /// Promise 7: whatever a manifest says, it is read or refused, and no file of it lies elsewhere.
        #[test]
        fn no_line_leads_elsewhere(text in "([a-c./;= \\t]{0,12}[\\r]?\\n){0,6}", bytes: Vec<u8>) {
            let _ = entries("m", &bytes);
            for entry in entries("m", text.as_bytes()).unwrap_or_default() {
                for key in entry.keys("daily/M.MF") {
                    prop_assert!(key.starts_with("daily/") && key.split('/').all(|part| !["", ".", ".."].contains(&part)));
                }
            }
        }
    }

    /// Promise 7: a file is looked for beside its manifest or below, and nowhere else.
    #[test]
    fn a_file_is_beside_its_manifest() {
        let keys = |name: &str, manifest: &str| entry(name, None, None).keys(manifest);
        assert_eq!(keys("a.zip", "M.MF"), ["a.zip", "a.zip.zip"]);
        assert_eq!(keys("a", "daily/M.MF"), ["daily/a", "daily/a.zip"]);
        assert_eq!(
            keys("daily/a.zip", "daily/M.MF"),
            ["daily/daily/a.zip", "daily/daily/a.zip.zip", "daily/a.zip"]
        );
        assert_eq!(keys("dailya.zip", "daily/M.MF").len(), 2);
    }
}
