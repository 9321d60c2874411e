//! The process itself, killed at any moment, over and over, until its run has landed.
//!
//! SIGKILL asks nobody: what is on the disk at that instant, or in a store elsewhere, is all that the next process has.
//! The moments are drawn from a seed, which a failure prints; `LANDFALL_KILL_SEED` plays it again (as far as a machine's
//! own timing lets it), and `LANDFALL_KILLS` says how many kills there are to be.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use fastrand::Rng;
use landfall_tests::say;
use serde_json::{Value, json};
use simulator::{Landing, Simulator};

use crate::machine::{Machine, all_said, run_event};

/// How many kills there are, over several runs, where nothing else is said.
const KILLS: usize = 50;

/// The same where the state is in OCI: what is tried besides is the store.
const KILLS_IN_OCI: usize = 9;

/// How many runs are killed at the same time: each mostly waits.
const RUNS_AT_ONCE: usize = 3;

/// Whoever finds a claim without a job gives the source's list this long to show one.
const LISTING_LAG: Duration = Duration::from_secs(3);

/// A run that has survived so many kills is left to land, and another is begun.
const KILLS_A_RUN: usize = 9;

/// Files of several parts, so that transfers are cut inside, by two writers of archives.
const SCENARIO: &str = r#"{
    "views": ["carriersExtract"],
    "chunks_per_view": 2,
    "member_size": { "bytes": 9000000 },
    "producers": ["stored", "java_stream"]
}"#;

/// The job ends at the first poll: waiting for it is not what is killed.
const FAULTS: &str = r#"{ "status": { "progression": [] } }"#;

const SIMULATED: [&str; 4] = ["--scenario", "scenario.json", "--faults", "faults.json"];

/// What a killed run may be found at, in the order in which it gets there.
const WAY: [&str; 10] = [
    "nothing",
    "claimed",
    "submitted",
    "ended",
    "listed",
    "fetching",
    "fetched",
    "unpacking",
    "unpacked",
    "landed",
];

/// Where a run that is killed keeps its state, and lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On its own machine, in its own store, which is killed with it.
    Here,
    /// In buckets of OCI that another process serves, by OCI's own API.
    InOci,
}

/// A machine on which a run is killed.
struct Killing {
    machine: Machine,
    /// Who serves the source and the buckets, where the run itself does not.
    served: Option<Child>,
}

/// What came of a process.
enum Came {
    Killed,
    Ended(Output),
}

impl Killing {
    fn new(place: Place) -> Self {
        let machine = Machine::new();
        machine.file("event.json", run_event("fusion-demo"));
        machine.file("scenario.json", SCENARIO);
        machine.file("faults.json", FAULTS);
        let served = (place == Place::InOci).then(|| {
            let words = ["simulate", "--oci", "--port", "0", "--data", "d"];
            let mut command = machine.program(&[&words[..], &SIMULATED[..]].concat());
            let mut served = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut printed = BufReader::new(served.stdout.take().unwrap());
            let mut config = String::new();
            // This is its last line; it is closed with the process alone.
            while !config.ends_with("bucket = \"landing\"\n") {
                assert!(printed.read_line(&mut config).unwrap() > 0, "it has ended: {config}");
            }
            machine.file("oci.toml", config);
            served
        });
        Self { machine, served }
    }

    fn place(&self) -> Place {
        if self.served.is_some() { Place::InOci } else { Place::Here }
    }

    /// Ends whoever serves.
    fn stop_serving(&mut self) {
        if let Some(mut served) = self.served.take() {
            served.kill().unwrap();
            served.wait().unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.machine.path(name)
    }

    fn landfall(&self, words: &[&str]) -> Command {
        let on = match self.place() {
            Place::Here => &["--data", "d", "--json"][..],
            Place::InOci => &["--data", "own", "--config", "oci.toml", "--json"],
        };
        self.machine.program(&[words, on].concat())
    }

    /// Starts the run, or goes on with its job, with a SIGKILL waiting for it.
    fn killed_after(&self, patience: Option<Duration>, resume: Option<&str>) -> Came {
        let mut words = match resume {
            Some(id) => vec!["resume", "fusion-demo", id],
            None => vec!["run", "event.json"],
        };
        if self.place() == Place::Here {
            words.push("--simulate");
            words.extend(SIMULATED);
        }
        let mut command = self.landfall(&words);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(patience) = patience {
            std::thread::sleep(patience);
            // One that has ended meanwhile is not reached any more.
            process.kill().unwrap();
        }
        let output = process.wait_with_output().unwrap();
        match output.status.code() {
            None => Came::Killed,
            Some(_) => Came::Ended(output),
        }
    }

    /// What `status` knows of the run, and of its job once it has one.
    fn status(&self) -> Vec<Value> {
        let output = self.landfall(&["status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", all_said(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// How often, and where, one run was killed.
#[derive(Debug, Default)]
struct Killed {
    kills: usize,
    states: BTreeSet<String>,
}

/// Kills a run until it lands, and holds what has landed against what the source generated. What it has reached
/// before a kill it has not lost after it.
async fn land_killed(place: Place, seed: u64, most: usize, undisturbed: Duration) -> Killed {
    let (mut machine, mut rng) = (Killing::new(place), Rng::with_seed(seed));
    let mut killed = Killed::default();
    let mut reached = 0;
    let landed = loop {
        let standing = machine.status();
        let is_claimed = standing.iter().any(|line| line["state"] == "claimed");
        let longest = if is_claimed { undisturbed + LISTING_LAG } else { undisturbed };
        // Elsewhere a claim is respected until its lease is over: whoever waits for that is left to.
        let is_left = killed.kills >= most || is_claimed && place == Place::InOci;
        let patience = (!is_left).then(|| longest.mul_f64(rng.f64()));
        let job = standing.iter().find_map(|line| line["job_request_id"].as_str()).map(str::to_owned);
        let found = standing.last().map_or("nothing", |line| line["state"].as_str().unwrap());
        let step = WAY.iter().position(|state| *state == found).unwrap();
        assert!(step >= reached, "{found}, and it has been {}", WAY[reached]);
        reached = step;
        if killed.kills > 0 {
            killed.states.insert(found.to_owned());
        }
        // Promise 2: the event and the job's id are equally good to go on from.
        let resume = job.as_deref().filter(|_| rng.bool());
        match machine.killed_after(patience, resume) {
            Came::Killed => killed.kills += 1,
            Came::Ended(output) => {
                assert_eq!(output.status.code(), Some(0), "{}", all_said(&output));
                break serde_json::from_slice::<Value>(&output.stdout).unwrap();
            }
        }
    };
    // Promise 1: a run whose id was not written down when the kill came, and that was landed by its job's id, is
    // found at the source by whoever starts it again.
    let Came::Ended(again) = machine.killed_after(None, None) else { panic!("nobody kills it") };
    assert_eq!(again.status.code(), Some(0), "{}", all_said(&again));
    holds_what_the_source_gave(&mut machine, &landed).await;
    killed
}

/// Promises 1, 3 and 4: one job, its bytes and no others, a whole manifest, nothing left unfinished.
async fn holds_what_the_source_gave(machine: &mut Killing, landed: &Value) {
    let standing = machine.status();
    machine.stop_serving();
    assert_eq!(standing.len(), 1, "{standing:?}");
    assert_eq!((&standing[0]["state"], standing[0].get("next")), (&json!("landed"), None), "{standing:?}");
    let uploads = std::fs::read_dir(machine.path("d/.store/uploads")).unwrap().count();
    assert_eq!(uploads, 0, "unfinished uploads");

    let simulator = Simulator::builder()
        .scenario(serde_json::from_str(SCENARIO).unwrap())
        .data(Some(machine.path("d/simulator")))
        .start(0)
        .await
        .unwrap();
    let jobs = simulator.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(landed["job_request_id"], jobs[0].id.to_string());

    let manifest_path = machine.path("d/landing").join(landed["manifest_key"].as_str().unwrap());
    let manifest: Value = serde_json::from_slice(&std::fs::read(&manifest_path).unwrap()).unwrap();
    assert_eq!(manifest, landed["manifest"]);
    let mut objects = manifest["objects"].as_array().unwrap().iter();
    let mut files = BTreeSet::from([manifest_path]);
    for file in simulator.expected_files(jobs[0].id).await.unwrap() {
        let Landing::Members(members) = &file.landing else { panic!("{file:?}") };
        for member in members {
            let object = objects.next().unwrap();
            assert_eq!((&object["file"], &object["member"]), (&json!(file.name), &json!(member.name)));
            let path = machine.path("d/landing").join(object["key"].as_str().unwrap());
            let mut expected = Vec::new();
            member.reader().read_to_end(&mut expected).unwrap();
            assert!(std::fs::read(&path).unwrap() == expected, "{} holds other bytes", path.display());
            files.insert(path);
        }
    }
    assert!(objects.next().is_none());
    let there = machine.machine.files("d/landing").into_iter().map(|(path, _)| path);
    assert_eq!(there.collect::<BTreeSet<_>>(), files);
    simulator.shutdown().await;
}

/// A number from the environment, where it is set.
fn setting<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// Says with which seed a thread was at it when it failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("again with LANDFALL_KILL_SEED={}", self.0));
        }
    }
}

impl Drop for Killing {
    fn drop(&mut self) {
        self.stop_serving();
        if std::thread::panicking() {
            say(&format!("what the run has left is in {}", self.machine.keep().display()));
        }
    }
}

/// A run that is killed wherever it stands, any number of times, lands as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_again_and_again_lands_once() {
    kill_runs(Place::Here, KILLS).await;
}

/// The same where work and landing are buckets of OCI, called by its own API: whoever goes on has nothing but those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_state_is_in_oci_and_that_is_killed_again_and_again_lands_once() {
    kill_runs(Place::InOci, KILLS_IN_OCI).await;
}

async fn kill_runs(place: Place, usual: usize) {
    let kills: usize = setting("LANDFALL_KILLS").unwrap_or(usual);
    let seed: u64 = setting("LANDFALL_KILL_SEED").unwrap_or_else(|| fastrand::u64(..));

    let machine = Killing::new(place);
    let began = Instant::now();
    let Came::Ended(output) = machine.killed_after(None, None) else { panic!("nobody kills it") };
    assert_eq!(output.status.code(), Some(0), "{}", all_said(&output));
    let undisturbed = began.elapsed();
    drop(machine);

    let share = kills.div_ceil(RUNS_AT_ONCE);
    let threads: Vec<_> = (0..RUNS_AT_ONCE)
        .map(|thread| {
            tokio::spawn(async move {
                let _told = Seed(seed);
                let mut rng = Rng::with_seed(seed.wrapping_add(thread as u64));
                let mut all = Killed::default();
                while all.kills < share {
                    let most = KILLS_A_RUN.min(share - all.kills);
                    let Killed { kills, states } = land_killed(place, rng.u64(..), most, undisturbed).await;
                    all.kills += kills;
                    all.states.extend(states);
                }
                all
            })
        })
        .collect();
    let mut all = Killed::default();
    for thread in threads {
        let Killed { kills, states } = thread.await.unwrap();
        all.kills += kills;
        all.states.extend(states);
    }
    assert!(all.kills >= kills, "{all:?}");
    // Kills that all came at one place would show nothing of the others.
    assert!(kills < KILLS || all.states.len() > 2, "again with LANDFALL_KILL_SEED={seed}: {all:?}");
    say(&format!(
        "{place:?}: {} kills of runs that take {undisturbed:.1?}, found at {:?}",
        all.kills, all.states
    ));
}
