//! The layout of keys, in the work bucket and in the landing bucket.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::export::ExportSpec;
use crate::form::LandedForm;
use crate::job::{ConnectionName, DestinationName, JobRef, LandingPlace, OutputFile, RunKey};

/// The name of the manifest below a job's landing prefix. No file lands under it.
pub const MANIFEST: &str = "_manifest.json";

/// The manifest of the job that lands below a prefix.
pub fn manifest(landing_prefix: &str) -> String {
    format!("{landing_prefix}{MANIFEST}")
}

/// The longest key that S3 takes, in bytes.
pub const MAX_KEY: usize = 1024;

/// The prefix of all runs, by connection.
pub const RUNS: &str = "runs/";

/// Where the id of the installation is kept. A connection is a folder: this is no run's.
pub const INSTALLATION: &str = "runs/installation.json";

/// The prefix of all jobs, by connection.
pub const JOBS: &str = "jobs/";

/// The prefix of a connection's runs.
pub fn runs(of: &ConnectionName) -> String {
    format!("{RUNS}{of}/")
}

/// Where a run's claim and job request id are kept.
pub fn run(connection: &ConnectionName, run_key: &RunKey) -> String {
    format!("{}{run_key}.json", runs(connection))
}

/// The prefix of what is kept of the failures of a connection's runs.
pub fn failed_runs(of: &ConnectionName) -> String {
    // A run key has no slash: this is no run's.
    format!("{}failures/", runs(of))
}

/// What is kept of the failure of a run that has no job.
pub fn failed_run(connection: &ConnectionName, run_key: &RunKey) -> String {
    format!("{}{run_key}.json", failed_runs(connection))
}

/// What a source that takes a job in several steps has to remember of a submission, should it be interrupted.
pub fn submission(connection: &ConnectionName, run_key: &RunKey) -> String {
    format!("submissions/{connection}/{run_key}.json")
}

/// When a run was about to be submitted, for a source that lists no jobs.
pub fn submission_call(connection: &ConnectionName, run_key: &RunKey) -> String {
    // A run key has no slash: this is no other run's submission.
    format!("submissions/{connection}/calls/{run_key}.json")
}

/// The prefix of descriptions of systems.
pub const SYSTEMS: &str = "systems/";

/// The prefix of what exports read from the work bucket: lists of ids, say.
pub const INPUTS: &str = "inputs/";

/// Where it is kept up to when the increments of an export have landed. Another export, be it of the same resource
/// with another filter, or another destination has increments of its own; the same rows in larger files, or with
/// another overlap, have not.
pub fn watermark(
    connection: &ConnectionName,
    export: &dyn ExportSpec,
    destination: &DestinationName,
) -> String {
    format!("watermarks/{}", of_rows(connection, export, destination))
}

/// Where the last jobs of an export are remembered; of the same rows, as with [`watermark`].
pub fn history(
    connection: &ConnectionName,
    export: &dyn ExportSpec,
    destination: &DestinationName,
) -> String {
    format!("history/{}", of_rows(connection, export, destination))
}

fn of_rows(connection: &ConnectionName, export: &dyn ExportSpec, destination: &DestinationName) -> String {
    // It is made of strings, numbers and flags: it serialises.
    let identity = serde_json::to_vec(&(export.rows(), destination)).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(identity));
    let digest = digest.get(..16).unwrap_or_default();
    format!("{connection}/{}-{digest}.json", safe_segment(export.name()))
}

/// What a sweep has found of a job: kept for good, as the source's list goes further back than what is kept of jobs.
pub fn swept(of: &JobRef) -> String {
    format!("swept/{}/{}.json", of.connection, of.job_request_id)
}

/// The prefix of the versions of the schema of an export, which is named by its path.
pub fn schemas(connection: &ConnectionName, export: &str) -> String {
    format!("schemas/{connection}/{export}/")
}

/// A version of it.
pub fn schema(connection: &ConnectionName, export: &str, number: u32) -> String {
    format!("{}{number}.json", schemas(connection, export))
}

/// The path of an export: its folders and its name, each as one segment of a key.
pub fn export_path(export: &dyn ExportSpec) -> String {
    let segments = export.folders().into_iter().chain([export.name()]).map(safe_segment);
    segments.collect::<Vec<_>>().join("/")
}

/// Where it is kept how many requests a connection has made lately.
pub fn request_budget(connection: &ConnectionName) -> String {
    format!("budgets/{connection}.json")
}

/// Where the refresh token of a connection is kept, encrypted.
pub fn refresh_token(connection: &ConnectionName) -> String {
    format!("tokens/{connection}.json")
}

/// The name of the report of a job.
pub(super) const REPORT: &str = "report.html";

/// The prefix of a connection's jobs.
pub fn jobs(of: &ConnectionName) -> String {
    format!("{JOBS}{of}/")
}

/// The prefix of all that is kept of a job.
pub fn job(job: &JobRef) -> String {
    format!("{}{}/", jobs(&job.connection), job.job_request_id)
}

/// What was asked for, where it lands, when.
pub fn job_record(of: &JobRef) -> String {
    format!("{}job.json", job(of))
}

/// What is told of it to people.
pub fn report(of: &JobRef) -> String {
    format!("{}{REPORT}", job(of))
}

/// Where the file of a job is that no system runs.
pub fn origin(of: &JobRef) -> String {
    format!("{}origin.json", job(of))
}

/// How the job ended.
pub fn outcome(of: &JobRef) -> String {
    format!("{}outcome.json", job(of))
}

/// The output files.
pub fn files(of: &JobRef) -> String {
    format!("{}files.json", job(of))
}

/// The prefix of a job's files as the source gave them.
pub fn staged_prefix(of: &JobRef) -> String {
    format!("{}staged/", job(of))
}

/// A file as the source gave it.
pub fn staged(of: &JobRef, ordinal: u32) -> String {
    format!("{}{ordinal}", staged_prefix(of))
}

/// A staged file's size and checksums: now it counts.
pub fn staged_record(of: &JobRef, ordinal: u32) -> String {
    format!("{}{ordinal}.json", staged_prefix(of))
}

/// What unpacking a file landed.
pub fn receipt(of: &JobRef, ordinal: u32) -> String {
    format!("{}receipts/{ordinal}.json", job(of))
}

/// The tables that a file's objects are of, where columns are looked at.
pub fn tables(of: &JobRef, ordinal: u32) -> String {
    format!("{}tables/{ordinal}.json", job(of))
}

/// By which version of the schema a job is told.
pub fn job_schema(of: &JobRef) -> String {
    format!("{}schema.json", job(of))
}

/// The prefix of what is noted of transfers under way.
pub fn checkpoints_prefix(of: &JobRef) -> String {
    format!("{}checkpoints/", job(of))
}

/// How far the download of a file is.
pub fn fetch_checkpoint(of: &JobRef, ordinal: u32) -> String {
    format!("{}fetch/{ordinal}.json", checkpoints_prefix(of))
}

/// The bytes of a file's download that are no full part yet.
pub fn fetch_tail(of: &JobRef, ordinal: u32) -> String {
    format!("{}fetch/{ordinal}.tail", checkpoints_prefix(of))
}

/// What those bytes are.
pub fn fetch_tail_record(of: &JobRef, ordinal: u32) -> String {
    format!("{}.json", fetch_tail(of, ordinal))
}

/// How far the hashing of a staged file is.
pub fn fetch_hashing(of: &JobRef, ordinal: u32) -> String {
    format!("{}fetch/{ordinal}.hashing.json", checkpoints_prefix(of))
}

/// The list of output files as it was seen last, before it counts.
pub fn listing_checkpoint(of: &JobRef) -> String {
    format!("{}listing.json", checkpoints_prefix(of))
}

/// The prefix of what is noted of files that were damaged on their way.
pub fn damaged_files(of: &JobRef) -> String {
    format!("{}damaged/", checkpoints_prefix(of))
}

/// What is noted of a file that was damaged on its way.
pub fn damaged_file(of: &JobRef, ordinal: u32) -> String {
    format!("{}{ordinal}.json", damaged_files(of))
}

/// The prefix of what is noted of the unpacking of a file.
pub fn unpack_checkpoints(of: &JobRef, ordinal: u32) -> String {
    format!("{}unpack/{ordinal}/", checkpoints_prefix(of))
}

/// The landing places of a job's files: the same for the same list, whatever the files hold, and no two alike.
///
/// A source's file names are labels from another company's server: what is not a letter, digit or one of
/// `. _ - = @ + ,` and space becomes `_`. Files whose names then meet each get `~` and their ordinal behind.
///
/// What `form` puts behind a file's name is not part of its place, as a file that is compressed already lands as it
/// is. Either way it meets no other: `a.csv` that lands as `a.csv.gz` is told apart from an `a.csv.gz` of the source.
#[derive(Debug)]
pub struct LandingPlaces {
    /// The ordinals of the files whose names meet others'.
    met: HashSet<u32>,
}

impl LandingPlaces {
    /// Those of all files of a job.
    pub fn of(files: &[OutputFile], form: LandedForm) -> Self {
        let names_of = |file: &OutputFile| {
            let name = safe_segment(&file.name);
            BTreeSet::from([stem(&name).to_owned(), format!("{name}{}", form.suffix()), name])
        };
        let mut uses = HashMap::from([(MANIFEST.to_owned(), 2)]);
        for name in files.iter().flat_map(names_of) {
            *uses.entry(name).or_insert(0) += 1;
        }
        let is_alone = |name: &String| uses.get(name).is_none_or(|&uses| uses == 1);
        let met = files.iter().filter(|file| !names_of(file).iter().all(is_alone));
        Self { met: met.map(|file| file.ordinal).collect() }
    }

    /// That of one of them.
    pub fn place(&self, file: &OutputFile) -> LandingPlace {
        let name = safe_segment(&file.name);
        let ordinal = file.ordinal;
        match self.met.contains(&ordinal) {
            false => LandingPlace { folder: format!("{}/", stem(&name)), file: name },
            true => LandingPlace {
                folder: format!("{}~{ordinal}/", stem(&name)),
                file: format!("{name}~{ordinal}"),
            },
        }
    }
}

/// A name as one segment of a key: nothing in it can leave its place or surprise a reader.
pub fn safe_segment(name: &str) -> String {
    const LONGEST: usize = 200;
    let mut safe = String::new();
    for character in name.chars() {
        let kept = character.is_alphanumeric() || "._-=@+, ".contains(character);
        let character = if kept { character } else { '_' };
        if safe.len() + character.len_utf8() > LONGEST {
            break;
        }
        safe.push(character);
    }
    let trimmed = safe.trim_matches(|c: char| c == '.' || c == ' ');
    if trimmed.is_empty() { "_".to_owned() } else { trimmed.to_owned() }
}

fn stem(name: &str) -> &str {
    match name.len().checked_sub(4).and_then(|at| name.split_at_checked(at)) {
        Some((stem, suffix)) if suffix.eq_ignore_ascii_case(".zip") && !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str]) -> Vec<(String, String)> {
        places_in(LandedForm::Raw, names)
    }

    fn places_in(form: LandedForm, names: &[&str]) -> Vec<(String, String)> {
        let files = names.iter().zip(0..).map(|(name, ordinal)| OutputFile {
            ordinal,
            name: (*name).to_owned(),
            size: None,
            sha256: None,
            locator: None,
            is_log: false,
        });
        let files: Vec<_> = files.collect();
        let places = LandingPlaces::of(&files, form);
        files.iter().map(|file| places.place(file)).map(|place| (place.folder, place.file)).collect()
    }

    /// Promise 7: a file's name cannot leave the job's prefix.
    #[test]
    fn names_from_a_server_stay_one_segment() {
        assert_eq!(safe_segment("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(safe_segment("..\\x%2f\u{202e}\n.zip"), "_x_2f__.zip");
        assert_eq!(safe_segment(".."), "_");
        assert_eq!(safe_segment("Größe 1.csv"), "Größe 1.csv");
        assert!(safe_segment(&"é".repeat(500)).len() <= 200);
    }

    /// Promise 4: two files of one job never share a key, however they are named.
    #[test]
    fn files_that_would_meet_are_told_apart_by_their_ordinals() {
        assert_eq!(
            places(&["a.zip", "b.csv"]),
            [("a/".into(), "a.zip".into()), ("b.csv/".into(), "b.csv".into())]
        );
        let met = places(&["a.zip", "a", "a.ZIP", "_manifest.json", "_manifest.json.zip", "x/y", "x_y"]);
        assert_eq!(met[0], ("a~0/".into(), "a.zip~0".into()));
        assert_eq!(met[1], ("a~1/".into(), "a~1".into()));
        assert_eq!(met[3].1, "_manifest.json~3");
        for (at, (folder, file)) in met.iter().enumerate() {
            let own = [folder.trim_end_matches('/'), file];
            assert!(!own.contains(&MANIFEST), "{own:?}");
            let others = met.iter().enumerate().filter(|(other, _)| *other != at);
            let meets = |name: &str| own.contains(&name.trim_end_matches('/'));
            assert!(others.into_iter().all(|(_, (folder, file))| !meets(folder) && !meets(file)), "{met:?}");
        }
    }

    /// Promise 4: nor do they in a form that puts something behind their names, which one that is compressed already
    /// does not get.
    #[test]
    fn a_file_that_gets_a_suffix_does_not_meet_one_that_has_it() {
        assert_eq!(places(&["a.csv", "a.csv.gz"])[1].1, "a.csv.gz");
        let gzip = places_in(LandedForm::Gzip, &["a.csv", "a.csv.gz", "b.csv", "c", "c.gz.zip"]);
        let files: Vec<_> = gzip.iter().map(|(_, file)| file.as_str()).collect();
        assert_eq!(files, ["a.csv~0", "a.csv.gz~1", "b.csv", "c~3", "c.gz.zip~4"]);
        let zstd = places_in(LandedForm::Zstd, &["a.csv", "a.csv.gz"]);
        assert_eq!(zstd[0].1, "a.csv");
    }
}
