//! Watches a landing bucket while others write to it: nothing in it may ever be half there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_store::{After, Before, Call, Intercept};
use http::StatusCode;

use crate::cut::Line;

/// An object of more bytes than this is looked at by its size alone while a run is on; at the end by all its bytes.
const READ_WHOLE: u64 = 1 << 20;

/// What a landing bucket holds, by key.
pub type Landed = BTreeMap<String, Vec<u8>>;

/// A landing bucket's folder, and what must come to be in it.
pub struct Watcher {
    folder: PathBuf,
    expected: Option<Arc<Landed>>,
    seen: Mutex<BTreeSet<String>>,
}

impl Watcher {
    /// Watches a folder in which nothing but these objects may appear (any, if it is not known yet which).
    pub fn new(folder: PathBuf, expected: Option<Arc<Landed>>) -> Self {
        Self { folder, expected, seen: Mutex::default() }
    }

    /// What was seen that must never be.
    pub fn seen(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at everything that a reader of the bucket could see now.
    pub fn look(&self) {
        let mut found = Vec::new();
        // Manifests first: what a manifest names was there before it.
        let mut sizes = sizes(&self.folder);
        let manifests: Vec<String> =
            sizes.keys().filter(|key| key.ends_with("/_manifest.json")).cloned().collect();
        for key in manifests {
            sizes.remove(&key);
            self.look_at_manifest(&key, &mut found);
        }
        if let Some(expected) = &self.expected {
            for (key, size) in sizes {
                self.look_at_object(&key, size, expected.get(&key), &mut found);
            }
        }
        if !found.is_empty() {
            self.lock().extend(found);
        }
    }

    fn look_at_manifest(&self, key: &str, found: &mut Vec<String>) {
        let Ok(bytes) = fs::read(self.folder.join(key)) else { return };
        let manifest: publish::Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => return found.push(format!("{key} is visible and no manifest: {error}")),
        };
        for object in manifest.objects {
            let there = fs::metadata(self.folder.join(&object.key)).ok().map(|there| there.len());
            if there != Some(object.size) {
                found.push(format!(
                    "the manifest is visible, and {} is there with {there:?} bytes of {}",
                    object.key, object.size
                ));
            }
        }
    }

    fn look_at_object(&self, key: &str, size: u64, expected: Option<&Vec<u8>>, found: &mut Vec<String>) {
        let Some(expected) = expected else {
            return found.push(format!("{key} is visible, and nobody should have written it"));
        };
        if size != expected.len() as u64 {
            return found.push(format!("{key} is visible with {size} of {} bytes", expected.len()));
        }
        if size <= READ_WHOLE {
            match fs::read(self.folder.join(key)) {
                Ok(bytes) if bytes == *expected => {}
                Ok(_) => found.push(format!("{key} is visible with other bytes")),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => found.push(format!("{key} cannot be read: {error}")),
            }
        }
    }
}

/// The objects of a bucket that are plain files below a folder, with their bytes.
pub fn landed(folder: &Path) -> Landed {
    let keys = sizes(folder).into_keys();
    keys.map(|key| (key.clone(), fs::read(folder.join(&key)).expect("an object that reads"))).collect()
}

fn sizes(folder: &Path) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        // A folder that has just gone had nothing in it.
        let Ok(entries) = fs::read_dir(&inner) else { continue };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => {
                    let path = entry.path();
                    let key = path.strip_prefix(folder).expect("a path below the folder");
                    sizes.insert(key.to_string_lossy().into_owned(), found.len());
                }
                Err(_) => {}
            }
        }
    }
    sizes
}

/// A line with a watcher beside it, who looks at every call to the store and after every write to the landing bucket.
pub struct Watched {
    /// The line.
    pub line: Arc<Line>,
    watcher: Mutex<Option<Arc<Watcher>>>,
}

impl Watched {
    /// A line that nobody watches yet: the folder comes with the store.
    pub fn new(line: Arc<Line>) -> Self {
        Self { line, watcher: Mutex::default() }
    }

    /// From now on, this watcher looks.
    pub fn by(&self, watcher: Arc<Watcher>) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
    }

    fn look(&self) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(watcher) = watcher {
            watcher.look();
        }
    }
}

impl Intercept for Watched {
    fn before(&self, call: &Call) -> Before {
        self.look();
        self.line.before(call)
    }

    fn after(&self, call: &Call, status: StatusCode) -> After {
        if call.bucket.as_deref() == Some("landing") && call.method != http::Method::GET {
            self.look();
        }
        self.line.after(call, status)
    }
}
