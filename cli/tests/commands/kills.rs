//! The process itself, killed at any moment, over and over, until its run has landed.
//!
//! SIGKILL asks nobody: what is on the disk at that instant, or in a store elsewhere, is all that the next process has.
//! The moments are drawn from a seed, which a failure prints; `LANDFALL_KILL_SEED` plays it again (as far as a machine's
//! own timing lets it), and `LANDFALL_KILLS` says how many kills there are to be. Of the systems that are described in a
//! file one is drawn, too; where `LANDFALL_KILLS` is set, it is each of them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use landfall_tests::say;
use landfall_tests::systems::{ALL, System};
use landfall_tests::watch::{Landed, landed};
use serde_json::{Value, json};
use simulator::{Landing, Simulator};

use crate::machine::{Machine, all_said, run_event};

/// How many kills there are, over several runs, where nothing else is said.
const KILLS: usize = 50;

/// The same where the state is in OCI: what is tried besides is the store.
const KILLS_IN_OCI: usize = 9;

/// The same of a system that is described in a file.
const KILLS_OF_A_DESCRIBED_SYSTEM: usize = 20;

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

/// The same of the systems that are described in a file.
const DESCRIBED_FAULTS: &str = r#"{
    "fhir": { "status": { "running_polls": 0 } }, "sp_api": { "running_polls": 0 }, "salesforce": { "running_polls": 0 },
    "stripe": { "running_polls": 0 }, "shopify": { "running_polls": 0 }, "marketo": { "running_polls": 0 },
    "netsuite": { "running_polls": 0 }, "oracle": { "running_polls": 0 }
}"#;

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

/// A run that is killed.
#[derive(Debug, Clone, Copy)]
enum Subject {
    /// A data extraction with files of several parts.
    Extraction(Place),
    /// A small job of a system that is described in a file.
    Described(&'static System),
}

impl Subject {
    fn place(self) -> Place {
        match self {
            Self::Extraction(place) => place,
            Self::Described(_) => Place::Here,
        }
    }

    fn connection(self) -> &'static str {
        match self {
            Self::Extraction(_) => "fusion-demo",
            Self::Described(system) => system.connection,
        }
    }

    /// Writes what the run is of.
    fn write(self, machine: &Machine) {
        let (event, scenario, faults) = match self {
            Self::Extraction(_) => (run_event("fusion-demo"), SCENARIO.to_owned(), FAULTS.to_owned()),
            Self::Described(system) => {
                let scenario = serde_json::to_string(&(system.small)()).unwrap();
                ((system.event)().to_string().into_bytes(), scenario, DESCRIBED_FAULTS.to_owned())
            }
        };
        machine.file("event.json", event);
        machine.file("scenario.json", scenario);
        machine.file("faults.json", faults);
    }
}

/// A machine on which a run is killed.
struct Killing {
    subject: Subject,
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
    fn new(subject: Subject) -> Self {
        let machine = Machine::new();
        subject.write(&machine);
        let served = (subject.place() == Place::InOci).then(|| {
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
        Self { subject, machine, served }
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
        let on = match self.subject.place() {
            Place::Here => &["--data", "d", "--json"][..],
            Place::InOci => &["--data", "own", "--config", "oci.toml", "--json"],
        };
        self.machine.program(&[words, on].concat())
    }

    /// Starts the run, or goes on with its job, with a SIGKILL waiting for it.
    fn killed_after(&self, patience: Option<Duration>, resume: Option<&str>) -> Came {
        match resume {
            Some(id) => self.process(patience, vec!["resume", self.subject.connection(), id]),
            None => self.process(patience, vec!["run", "event.json"]),
        }
    }

    fn process(&self, patience: Option<Duration>, mut words: Vec<&str>) -> Came {
        if self.subject.place() == Place::Here {
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

    /// The source, as the processes have left it.
    async fn simulator(&self) -> Simulator {
        let scenario = std::fs::read(self.path("scenario.json")).unwrap();
        let scenario = serde_json::from_slice(&scenario).unwrap();
        let data = Some(self.path("d/simulator"));
        Simulator::builder().scenario(scenario).data(data).start(0).await.unwrap()
    }

    /// What `status` knows of the run, and of its job once it has one.
    fn status(&self) -> Vec<Value> {
        let output = self.landfall(&["status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", all_said(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Says of the run what a person sees who looks for its job at a source that cannot be asked.
async fn settle(machine: &Killing, look: fn(&Simulator) -> Option<String>) -> Came {
    let simulator = machine.simulator().await;
    let job = look(&simulator);
    simulator.shutdown().await;
    match &job {
        Some(id) => machine.process(None, vec!["run", "event.json", "--job", id]),
        None => machine.process(None, vec!["run", "event.json", "--no-job"]),
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
async fn land_killed(subject: Subject, seed: u64, most: usize, undisturbed: &Undisturbed) -> Killed {
    let (mut machine, mut rng) = (Killing::new(subject), Rng::with_seed(seed));
    let took = &undisturbed.took;
    let mut killed = Killed::default();
    let mut reached = 0;
    let landed = loop {
        let standing = machine.status();
        let is_claimed = standing.iter().any(|line| line["state"] == "claimed");
        let longest = if is_claimed { *took + LISTING_LAG } else { *took };
        // Elsewhere a claim is respected until its lease is over: whoever waits for that is left to.
        let is_left = killed.kills >= most || is_claimed && subject.place() == Place::InOci;
        let patience = (!is_left).then(|| longest.mul_f64(rng.f64()));
        let job = standing.iter().find_map(|line| line["job_request_id"].as_str()).map(str::to_owned);
        let found = standing.last().map_or("nothing", |line| line["state"].as_str().unwrap());
        // What has landed of what a source has put out partly.
        let found = if found == "landed_partly" { "landed" } else { found };
        let step = WAY.iter().position(|state| *state == found).unwrap();
        assert!(step >= reached, "{found}, and it has been {}", WAY[reached]);
        reached = step;
        if killed.kills > 0 {
            killed.states.insert(found.to_owned());
        }
        // Promise 2: the event and the job's id are equally good to go on from.
        let resume = job.as_deref().filter(|_| rng.bool());
        let mut came = machine.killed_after(patience, resume);
        if let (Came::Ended(output), Subject::Described(System { seen_by_a_person: Some(look), .. })) =
            (&came, subject)
            && all_said(output).contains("Conflict")
        {
            came = settle(&machine, *look).await;
        }
        match came {
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
    match subject {
        Subject::Extraction(_) => holds_what_the_source_gave(&mut machine, &landed).await,
        Subject::Described(system) => holds_what_was_landed(&machine, system, undisturbed).await,
    }
    killed
}

/// Promises 1, 3 and 4: one job, and what has landed of it is what an undisturbed run has landed.
async fn holds_what_was_landed(machine: &Killing, system: &System, undisturbed: &Undisturbed) {
    let Undisturbed { landed: expected, state, .. } = undisturbed;
    is_landed_whole(machine, state);
    let simulator = machine.simulator().await;
    assert_eq!((system.jobs)(&simulator), 1, "{}: jobs at the source", system.kind);
    simulator.shutdown().await;
    let there = landed(&machine.path("d/landing"));
    assert!(
        there.keys().eq(expected.keys()),
        "{}: {:?}, not {:?}",
        system.kind,
        there.keys(),
        expected.keys()
    );
    for (key, bytes) in &there {
        let alike = match key.ends_with("_manifest.json") {
            // When the job was submitted, and what it is the window of, is another.
            true => objects(bytes) == objects(&expected[key]),
            false => *bytes == expected[key],
        };
        assert!(alike, "{}: {key} is not what an undisturbed run lands", system.kind);
    }
}

fn objects(manifest: &[u8]) -> Value {
    serde_json::from_slice::<Value>(manifest).unwrap()["objects"].clone()
}

/// Nothing is left to do, and nothing unfinished; of what a source has put out partly, the state says that.
fn is_landed_whole(machine: &Killing, state: &Value) {
    let standing = machine.status();
    assert_eq!(standing.len(), 1, "{standing:?}");
    assert_eq!((&standing[0]["state"], standing[0].get("next")), (state, None), "{standing:?}");
    let uploads = std::fs::read_dir(machine.path("d/.store/uploads")).unwrap().count();
    assert_eq!(uploads, 0, "unfinished uploads");
}

/// Promises 1, 3 and 4: one job, its bytes and no others, a whole manifest, nothing left unfinished.
async fn holds_what_the_source_gave(machine: &mut Killing, landed: &Value) {
    is_landed_whole(machine, &json!("landed"));
    machine.stop_serving();
    let simulator = machine.simulator().await;
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
    kill_runs(Subject::Extraction(Place::Here), kills_or(KILLS)).await;
}

/// The same where work and landing are buckets of OCI, called by its own API: whoever goes on has nothing but those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_state_is_in_oci_and_that_is_killed_again_and_again_lands_once() {
    kill_runs(Subject::Extraction(Place::InOci), kills_or(KILLS_IN_OCI)).await;
}

/// The same of a system that is described in a file: of its submission in steps, of its keys, or of the person who looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_a_described_system_that_is_killed_again_and_again_lands_once() {
    let described: Vec<&System> = ALL.iter().filter(|system| system.kind.starts_with("declared")).collect();
    assert!(described.len() >= 7, "{}", described.len());
    let drawn = Rng::with_seed(seed()).usize(..described.len());
    let is_each = setting::<usize>("LANDFALL_KILLS").is_some();
    for system in
        described.iter().enumerate().filter(|(number, _)| is_each || *number == drawn).map(|(_, one)| one)
    {
        kill_runs(Subject::Described(system), KILLS_OF_A_DESCRIBED_SYSTEM).await;
    }
}

fn kills_or(usual: usize) -> usize {
    setting("LANDFALL_KILLS").unwrap_or(usual)
}

/// One seed for all that is drawn.
fn seed() -> u64 {
    static SEED: LazyLock<u64> =
        LazyLock::new(|| setting("LANDFALL_KILL_SEED").unwrap_or_else(|| fastrand::u64(..)));
    *SEED
}

/// A run that nobody kills.
struct Undisturbed {
    took: Duration,
    landed: Landed,
    state: Value,
}

impl Undisturbed {
    fn run(subject: Subject) -> Self {
        let machine = Killing::new(subject);
        let began = Instant::now();
        let Came::Ended(output) = machine.killed_after(None, None) else { panic!("nobody kills it") };
        assert_eq!(output.status.code(), Some(0), "{}", all_said(&output));
        let took = began.elapsed();
        let landed = match subject {
            Subject::Extraction(_) => Landed::new(),
            Subject::Described(_) => landed(&machine.path("d/landing")),
        };
        let state = machine.status()[0]["state"].clone();
        Self { took, landed, state }
    }
}

async fn kill_runs(subject: Subject, kills: usize) {
    let seed = seed();
    let undisturbed = Arc::new(Undisturbed::run(subject));
    let took = undisturbed.took;

    let share = kills.div_ceil(RUNS_AT_ONCE);
    let threads: Vec<_> = (0..RUNS_AT_ONCE)
        .map(|thread| {
            let undisturbed = Arc::clone(&undisturbed);
            tokio::spawn(async move {
                let _told = Seed(seed);
                let mut rng = Rng::with_seed(seed.wrapping_add(thread as u64));
                let mut all = Killed::default();
                while all.kills < share {
                    let most = KILLS_A_RUN.min(share - all.kills);
                    let Killed { kills, states } =
                        land_killed(subject, rng.u64(..), most, &undisturbed).await;
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
    let is_few = kills < KILLS_OF_A_DESCRIBED_SYSTEM;
    assert!(is_few || all.states.len() > 2, "again with LANDFALL_KILL_SEED={seed}: {all:?}");
    say(&format!(
        "{}, {:?}: {} kills of runs that take {took:.1?}, found at {:?}",
        match subject {
            Subject::Extraction(_) => "fusion_extract",
            Subject::Described(system) => system.kind,
        },
        subject.place(),
        all.kills,
        all.states
    ));
}
