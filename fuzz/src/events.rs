//! Events, settings and documents: what is taken is printed and taken alike, and its keys stay where they belong.

use std::collections::BTreeSet;
use std::fmt::Debug;

use landfall::config::Destination;
use landfall::event::{FileEvent, JobEvent, RunEvent, parse};
use landfall::form::LandedForm;
use landfall::job::{FileList, JobRecord, JobRef, LandedObject, Outcome, OutputFile, StagedFile};
use landfall::state::{RunRecord, Watermark, keys};
use landfall_systems::SYSTEMS;
use landfall_systems::local::LocalFile;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sweep::SweepEvent;
use unpack_upload::UnpackEvent;
use verify::VerifyEvent;

use crate::memory::{self, MIB};
use crate::text::is_told;

/// Reads JSON as everything that is read from a caller or from the work bucket.
pub fn events(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    memory::within(4 * MIB + 256 * bytes.len(), || {
        if let Some(run) = event::<RunEvent>(&value) {
            run_keys_stay_below(&run);
        }
        if let Some(job) = event::<JobEvent>(&value) {
            job_keys_stay_below(&job.job(), 0);
        }
        if let Some(file) = event::<FileEvent>(&value) {
            job_keys_stay_below(&file.job_event().job(), file.ordinal);
        }
        event::<UnpackEvent>(&value);
        event::<SweepEvent>(&value);
        event::<VerifyEvent>(&value);
        event::<RunRecord>(&value);
        event::<Watermark>(&value);
        event::<Outcome>(&value);
        event::<StagedFile>(&value);
        event::<LandedObject>(&value);
        if let Some(job) = event::<JobRecord>(&value) {
            job_keys_stay_below(&job.job(), 0);
            lands_below(&job);
        }
        if let Some(list) = event::<FileList>(&value) {
            places_are_apart(list.files);
        }
        if let Ok(destination) = serde_json::from_value::<Destination>(value.clone()) {
            prefix_is_safe(&destination);
        }
    });
}

/// Takes it, or refuses it in one line. What is taken is the same again once it has been printed.
fn event<E: DeserializeOwned + Serialize + PartialEq + Debug>(value: &Value) -> Option<E> {
    let taken = parse::<E>(value.clone()).inspect_err(is_told).ok()?;
    let printed = serde_json::to_value(&taken).expect("what was read can be printed");
    let again = parse::<E>(printed).expect("what was printed can be read");
    assert_eq!(again, taken);
    Some(taken)
}

fn run_keys_stay_below(run: &RunEvent) {
    let (of, key) = (&run.connection, &run.run_key);
    is_below(&keys::run(of, key), &keys::runs(of));
    is_below(&keys::submission(of, key), "submissions/");
    is_below(&keys::submission_call(of, key), "submissions/");
    if let Ok(export) = SYSTEMS.spec(&run.export).inspect_err(is_told) {
        is_below(&keys::watermark(of, export.as_ref(), &run.destination), "watermarks/");
        let written = export.to_export();
        assert_eq!(SYSTEMS.spec(&written).expect("what was printed can be read").to_export(), written);
    }
    assert_ne!(keys::submission(of, key), keys::submission_call(of, key));
}

fn job_keys_stay_below(job: &JobRef, ordinal: u32) {
    let prefix = keys::job(job);
    is_below(prefix.trim_end_matches('/'), keys::JOBS);
    let of_job = [
        keys::job_record(job),
        keys::outcome(job),
        keys::files(job),
        keys::staged(job, ordinal),
        keys::staged_record(job, ordinal),
        keys::receipt(job, ordinal),
        keys::fetch_checkpoint(job, ordinal),
        keys::listing_checkpoint(job),
    ];
    let distinct: BTreeSet<_> = of_job.iter().collect();
    assert_eq!(distinct.len(), of_job.len());
    of_job.iter().for_each(|key| is_below(key, &prefix));
    is_below(&keys::swept(job), "swept/");
}

fn is_below(key: &str, prefix: &str) {
    assert!(key.starts_with(prefix) && key.len() > prefix.len(), "{key:?} is not below {prefix:?}");
    assert!(key.len() <= keys::MAX_KEY, "{key:?}");
    assert!(key.split('/').all(|part| !matches!(part, "" | "." | "..")), "{key:?}");
    assert!(!key.contains(char::is_control), "{key:?}");
}

fn lands_below(job: &JobRecord) {
    let settings = serde_json::json!({
        "bucket": "landing",
        "layout": "{connection}/{export}/{kind}/{year}/{month}/{day}/{hour}/{job_request_id}",
    });
    let destination: Destination = serde_json::from_value(settings).expect("the settings hold");
    let Ok(export) = SYSTEMS.spec(&job.export).inspect_err(is_told) else { return };
    if let Ok(prefix) =
        destination.landing_prefix(&job.connection, &job.job_request_id, export.as_ref(), job.since)
    {
        is_below(prefix.trim_end_matches('/'), job.connection.as_str());
        assert_eq!(prefix.matches('/').count(), 8 + export.folders().len(), "{prefix:?}");
    }
}

fn prefix_is_safe(destination: &Destination) {
    let export = LocalFile::named("../{connection}");
    let (connection, job) = ("a".parse().expect("a name"), "1".parse().expect("an id"));
    let prefix = destination.landing_prefix(&connection, &job, &export, jiff::Timestamp::UNIX_EPOCH);
    match prefix {
        Ok(prefix) => {
            assert!(prefix.ends_with('/'), "{prefix:?}");
            let path = prefix.trim_end_matches('/');
            assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{prefix:?}");
            assert!(!path.contains(|c: char| c.is_control() || matches!(c, '{' | '}' | '\\')), "{prefix:?}");
        }
        Err(refused) => is_told(&refused),
    }
}

/// No two files of a job meet, nor does one meet the manifest, in any form.
pub(crate) fn places_are_apart(mut files: Vec<OutputFile>) {
    for (file, ordinal) in files.iter_mut().zip(0..) {
        file.ordinal = ordinal;
    }
    for form in [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd, LandedForm::Parquet] {
        let mut taken = BTreeSet::from([keys::MANIFEST.to_owned()]);
        let places = keys::LandingPlaces::of(&files, form);
        for place in files.iter().map(|file| places.place(file)) {
            let folder = place.folder.trim_end_matches('/').to_owned();
            let landed = format!("{}{}", place.file, form.suffix());
            for name in BTreeSet::from([folder, place.file, landed]) {
                is_below(&format!("jobs/{name}"), "jobs/");
                assert!(!name.contains('/'), "{name:?} is more than one segment");
                assert!(taken.insert(name.clone()), "two files meet in {name:?}");
            }
        }
    }
}
