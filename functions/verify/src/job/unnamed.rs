//! What is among a job's objects and not in its manifest.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::job::JobRecord;
use landfall::manifest::ManifestReader;
use landfall::state::keys;
use landfall_store::Store;

use crate::finding::Finding;

/// The objects that a job's manifest does not name, where it names so many that are there. They are counted first, which
/// takes no memory; only where there are too many, the manifest is read again to tell which they are.
pub(super) async fn look_for(landing: &Store, record: &JobRecord, named: u64) -> Result<Vec<Finding>> {
    let prefix = &record.landing_prefix;
    let mut there = 0_u64;
    let mut listed = landing.list(prefix);
    while listed.try_next().await?.is_some() {
        there += 1;
    }
    let with_manifest = named.saturating_add(1);
    match there > with_manifest {
        true => named_by_nobody(landing, prefix).await,
        false => Ok(Vec::new()),
    }
}

async fn named_by_nobody(landing: &Store, prefix: &str) -> Result<Vec<Finding>> {
    let Some(mut reader) = ManifestReader::open(landing, &keys::manifest(prefix)).await? else {
        return Ok(Vec::new());
    };
    let mut named = HashSet::new();
    while let Some(object) = reader.next().await? {
        named.insert(digest(&object.key));
    }
    let mut unnamed = Vec::new();
    let mut listed = landing.list(prefix);
    while let Some(object) = listed.try_next().await? {
        if is_read(prefix, &object.key) && !named.contains(&digest(&object.key)) {
            unnamed.push(Finding::ObjectUnknown { object: landing.object(&object.key), key: object.key });
        }
    }
    Ok(unnamed)
}

/// Whether readers of all that is below a prefix read an object: by the custom of Hive and Spark not what has a name that
/// begins so, as the manifest and the marks of other tools have.
fn is_read(prefix: &str, key: &str) -> bool {
    let names = key.strip_prefix(prefix).unwrap_or(key).split('/');
    !key.ends_with('/') && !names.into_iter().any(|name| name.starts_with(['_', '.']))
}

fn digest(key: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What readers pass over is nobody's loss: marks of other tools, folders of consoles, the manifest itself.
    #[test]
    fn what_readers_pass_over_is_not_told() {
        for hidden in ["_manifest.json", "_SUCCESS", "a.zip/_temporary/x.csv", ".crc", "a.zip/"] {
            assert!(!is_read("_p/1/", &format!("_p/1/{hidden}")), "{hidden}");
        }
        for read in ["a.csv", "a.zip/b_.csv", "copy of a.csv"] {
            assert!(is_read("_p/1/", &format!("_p/1/{read}")), "{read}");
        }
    }
}
