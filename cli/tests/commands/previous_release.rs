//! What the release before this one has left: data folders that its own program made, each at another point of a run.
//! The present program goes on with a copy of each. `tests/fixtures/previous-release` says how they are made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use landfall_tests::systems::{self, System};
use serde_json::Value;
use simulator::Simulator;

use crate::machine::{Machine, text};

const LEFT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/previous-release");
const POINTS: [&str; 4] = ["submitted", "fetched", "unpacking", "landed"];
const SYSTEMS: [System; 4] =
    [systems::FUSION_EXTRACT, systems::FUSION_REST, systems::EPM_JOB, systems::FOLIO_EXPORT];

fn left(name: &str) -> PathBuf {
    Path::new(LEFT).join(name)
}

/// A machine with a copy of what was left of a run at a point.
fn machine_left_at(system: System, point: &str) -> Machine {
    let machine = Machine::new();
    let (from, data) = (left(system.kind).join(point), machine.path("data"));
    for file in files_below(&from) {
        let to = data.join(file.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    for bucket in ["work", "landing"] {
        for record in files_below(&data.join(".store/records").join(bucket)) {
            as_its_record_has_it(&data.join(bucket), &record);
        }
    }
    machine
}

/// Gives a copy the time at which its original was written: by that the store knows its record, and version control
/// does not keep it.
fn as_its_record_has_it(bucket: &Path, record: &Path) {
    let record: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    let Ok(object) = File::options().write(true).open(bucket.join(record["name"].as_str().unwrap())) else {
        return;
    };
    let size = object.metadata().unwrap().len();
    let mut generations = record["records"].as_array().unwrap().iter().map(|record| &record["generation"]);
    let generation = generations.find(|generation| generation["size"] == size).unwrap();
    let written = Duration::from_nanos(generation["modified_ns"].as_u64().unwrap());
    object.set_modified(UNIX_EPOCH + written).unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The one job that the work bucket knows.
fn job_of(machine: &Machine, system: System) -> String {
    let jobs = fs::read_dir(machine.path("data/work/jobs").join(system.connection)).unwrap();
    let jobs: Vec<String> = jobs.map(|job| job.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.concat()
}

/// Goes on with a run, by its event or by its job's id; the line that says what has landed.
async fn go_on(machine: &Machine, words: &[&str]) -> Value {
    let (scenario, faults) = (left("scenario.json"), left("faults.json"));
    let simulated = ["--simulate", "--scenario", text(&scenario), "--faults", text(&faults), "--json"];
    let done = machine.landfall(&[words, &simulated].concat()).await;
    assert_eq!(done.code, 0, "{words:?}: {}", done.out);
    done.line()
}

async fn jobs_at_the_source(machine: &Machine, system: System) -> usize {
    let simulator = Simulator::builder().data(Some(machine.path("data/simulator"))).start(0).await.unwrap();
    let jobs = (system.jobs)(&simulator);
    simulator.shutdown().await;
    jobs
}

/// What has landed: each object's member and bytes, in the manifest's order. A name may say when its job ran.
fn objects(machine: &Machine, line: &Value) -> Vec<(Value, Vec<u8>)> {
    let objects = line["manifest"]["objects"].as_array().unwrap();
    let landing = machine.path("data/landing");
    let read = |object: &Value| fs::read(landing.join(object["key"].as_str().unwrap())).unwrap();
    // A log says when what it tells of happened.
    let is_log = |object: &Value| object["file"] == "errors.ndjson";
    let content = |object: &Value| if is_log(object) { Vec::new() } else { read(object) };
    let objects: Vec<_> = objects.iter().map(|object| (object["member"].clone(), content(object))).collect();
    assert_eq!(files_below(&landing).len(), objects.len() + 1, "more than the objects and their manifest");
    objects
}

/// Promises 1 to 4, over a change of programs: from wherever the older one came to, the run lands as one that the
/// present program began, and the source has seen one job.
#[tokio::test]
async fn what_an_older_program_began_lands() {
    for system in SYSTEMS {
        let event = left("events").join(format!("{}.json", system.kind));
        let run = ["run", text(&event)];
        let fresh = Machine::new();
        let expected = objects(&fresh, &go_on(&fresh, &run).await);
        for point in POINTS {
            let job = job_of(&machine_left_at(system, point), system);
            let resume = ["resume", system.connection, &job];
            for words in [&run[..], &resume[..]] {
                let case = format!("{}, {point}: {words:?}", system.kind);
                let machine = machine_left_at(system, point);
                let line = go_on(&machine, words).await;
                assert_eq!(line["already_landed"], point == "landed", "{case}");
                assert!(objects(&machine, &line) == expected, "{case}: other objects than from a fresh run");
                assert_eq!(jobs_at_the_source(&machine, system).await, 1, "{case}: jobs at the source");
            }
        }
    }
}
