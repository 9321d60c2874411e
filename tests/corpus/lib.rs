//! Where archives from other projects' test suites are, for whoever tests with them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Beside the workspace, as the design has it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/zip");
const WRITTEN_BY_PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases/archives");

/// Where the corpus is. It does not belong to the project: a test without it says that it was skipped, also where the
/// test runner keeps what passing tests print.
pub fn folder() -> Option<PathBuf> {
    found(FOLDER)
}

/// Where archives are that real programs have written, with `EXPECTED.jsonl` beside them; likewise.
pub fn written_by_programs() -> Option<PathBuf> {
    found(WRITTEN_BY_PROGRAMS)
}

fn found(folder: &str) -> Option<PathBuf> {
    if Path::new(folder).is_dir() {
        return Some(PathBuf::from(folder));
    }
    let _ = writeln!(io::stdout().lock(), "skipped: no corpus at {folder}");
    None
}

/// The archives of a corpus, below a folder a project, in order. Beside those folders is what is known of them.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(corpus: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for project in entries(corpus)?.into_iter().filter(|path| path.is_dir()) {
        files.extend(entries(&project)?);
    }
    files.sort();
    Ok(files)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}
