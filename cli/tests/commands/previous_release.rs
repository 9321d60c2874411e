//! What the release before this one has left: data folders that its own program made, each at another point of a run.
//! The present program goes on with a copy of each. `tests/fixtures/previous-release` says how they are made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use landfall_tests::systems::{self, System};
use landfall_tests::watch::{Landed, landed};
use serde_json::{Map, Value};
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
    let left = left(system.kind).join(point);
    let written: Map<String, Value> =
        serde_json::from_slice(&fs::read(left.join("written.json")).unwrap()).unwrap();
    for (name, nanoseconds) in written {
        let to = machine.path("data").join(&name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(left.join("data").join(name), &to).unwrap();
        let modified = UNIX_EPOCH + Duration::from_nanos(nanoseconds.as_u64().unwrap());
        File::options().write(true).open(to).unwrap().set_modified(modified).unwrap();
    }
    machine
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

/// What has landed, without the manifest: that says when.
fn objects(machine: &Machine) -> Landed {
    let mut objects = landed(&machine.path("data/landing"));
    let before = objects.len();
    objects.retain(|key, _| !key.ends_with("/_manifest.json"));
    assert_eq!(objects.len() + 1, before, "one manifest");
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
        let expected = go_on(&fresh, &run).await["manifest"]["objects"].clone();
        for point in POINTS {
            let job = job_of(&machine_left_at(system, point), system);
            let resume = ["resume", system.connection, &job];
            for words in [&run[..], &resume[..]] {
                let case = format!("{}, {point}: {words:?}", system.kind);
                let machine = machine_left_at(system, point);
                let line = go_on(&machine, words).await;
                assert_eq!(line["already_landed"], point == "landed", "{case}");
                assert_eq!(line["manifest"]["objects"], expected, "{case}");
                assert!(objects(&machine) == objects(&fresh), "{case}: other objects than from a fresh run");
                assert_eq!(jobs_at_the_source(&machine, system).await, 1, "{case}: jobs at the source");
            }
        }
    }
}
