//! One case of the crash matrix: a run that is cut, started again, and held against one that was not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use embedded_store::{Intercept, Options};
use jiff::Timestamp;
use landfall::ErrorType;
use landfall::clock::Deadline;
use landfall::event::parse;
use landfall::state::keys;
use serde_json::{Value, json};
use simulator::Scenario;
use submit::OperatorAnswer;

use crate::cut::{Cut, Ended, Line, Made, Moment, Tapped};
use crate::systems::{FHIR_BULK, FOLIO_EXPORT, System};
use crate::watch::{Landed, Watched, Watcher, landed};
use crate::{Setup, World, land_noting, resume_noting, submit_event};

/// By then a claim that a dead process has left may be taken over.
const UNTIL_THE_NEXT_PROCESS: Duration = Duration::from_secs(200);

/// What a process starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The run's event.
    Event,
    /// Connection and job request id, where the id was known when the process before it ended; else the event.
    Id,
}

impl fmt::Display for Start {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Event => "started again from its event",
            Self::Id => "started again from its id",
        })
    }
}

/// What an undisturbed run does, and leaves.
#[derive(Debug)]
pub struct Undisturbed {
    /// The system.
    pub system: System,
    /// Its data.
    pub scenario: Scenario,
    /// Every call that left the process.
    pub made: Vec<Made>,
    /// What has landed.
    pub landed: Arc<Landed>,
}

/// A world in which processes are cut.
pub struct Theatre {
    system: System,
    /// The world.
    pub world: World,
    /// What sits on the ways out of each process.
    pub line: Arc<Line>,
    watcher: Arc<Watcher>,
}

/// What came of a case.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many processes were cut.
    pub cuts: usize,
    /// How the outcome differs from the undisturbed run's.
    pub deviations: Vec<String>,
}

/// When every world begins: two of them are alike to the byte.
pub fn beginning() -> Timestamp {
    "2026-11-21T06:00:00Z".parse().expect("a moment")
}

/// Has a world begun by the same installation as every other: the ids of FOLIO's jobs follow from its id.
fn be_installed(world: &World) {
    let kept = world.work_folder().join(keys::INSTALLATION);
    fs::create_dir_all(kept.parent().expect("a folder")).expect("a folder");
    fs::write(kept, r#"{"id":"6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a"}"#).expect("a file");
}

impl Theatre {
    /// A world of this data in which nothing but the expected may land.
    pub async fn new(
        system: System,
        scenario: &Scenario,
        faults: Value,
        expected: Option<Arc<Landed>>,
    ) -> Self {
        let line = Arc::new(Line::default());
        let watched = Arc::new(Watched::new(Arc::clone(&line)));
        let setup = Setup {
            scenario: Some(scenario.clone()),
            at: Some(beginning()),
            destination: system.destination.to_owned(),
            in_oci: system.in_oci,
            faults,
            ..Setup::default()
        };
        let intercept = Some(Arc::clone(&watched) as Arc<dyn Intercept>);
        let world = World::with_store(setup, Options { fsync: false, intercept }).await;
        if system.kind == FOLIO_EXPORT.kind {
            be_installed(&world);
        }
        system.upload(&world).await;
        let watcher = Arc::new(Watcher::new(world.landing_folder(), expected));
        watched.by(Arc::clone(&watcher));
        Self { system, world, line, watcher }
    }

    /// Runs one process, to its end or to the cut.
    pub async fn process(
        &self,
        start: Start,
        cut: Option<Cut>,
    ) -> Ended<landfall::Result<publish::Published>> {
        let context = self.world.anew().with_transport(Tapped::wrap(&self.line));
        let context = match self.system.divided_at {
            Some(bytes) => context.dividing_at(bytes),
            None => context,
        };
        let line = Arc::clone(&self.line);
        let system = self.system;
        let known = self.known_id().filter(|_| start == Start::Id);
        let process = async move {
            let note = |step| line.enter(step);
            match known {
                Some(id) => resume_noting(&context, system.job_event(&id), &note).await,
                None => land_noting(&context, (system.event)(), &note).await,
            }
        };
        self.line.run(cut, Box::pin(process)).await
    }

    /// Lets the time pass after which somebody starts the next process.
    pub fn wait(&self) {
        self.world.clock.advance(UNTIL_THE_NEXT_PROCESS);
    }

    /// The job request id, if the process that was cut had come so far that somebody can know it.
    pub fn known_id(&self) -> Option<String> {
        let jobs = self.world.work_folder().join("jobs").join(self.system.connection);
        let mut jobs = fs::read_dir(jobs).ok()?.flatten().filter(|job| job.path().join("job.json").exists());
        jobs.next().map(|job| job.file_name().to_string_lossy().into_owned())
    }

    /// Whether somebody must look whether the source has the run's job.
    fn is_for_a_person(&self, error: &landfall::Error) -> bool {
        self.system.seen_by_a_person.is_some() && error.error_type() == ErrorType::Conflict
    }

    /// Says of the run what a person has seen at the source.
    async fn settle(&self) {
        let job = self.system.seen_by_a_person.and_then(|look| look(&self.world.simulator));
        self.wait();
        let context = self.world.anew();
        let event = parse((self.system.event)()).expect("an event");
        let seen = match job {
            Some(id) => OperatorAnswer::Job(id.parse().expect("an id")),
            None => OperatorAnswer::NoJob,
        };
        let deadline = Deadline::none(self.world.clock.clone());
        submit::settle(&context, &event, seen, &deadline).await.expect("a run that can be settled");
    }

    /// Holds what is there against the undisturbed run.
    pub async fn deviations(&self, expected: &Landed) -> Vec<String> {
        let mut found = self.watcher.seen();
        let jobs = (self.system.jobs)(&self.world.simulator);
        if jobs != 1 {
            found.push(format!("the source has seen {jobs} jobs"));
        }
        let untold = |jobs: Vec<simulator::FhirJob>| jobs.iter().any(|job| job.deletions == 0);
        if self.system.kind == FHIR_BULK.kind && untold(self.world.simulator.fhir_jobs()) {
            found.push("the source was not told that the job has landed".to_owned());
        }
        let uploads = self.world.unfinished_uploads().await;
        if uploads != 0 {
            found.push(format!("{uploads} multipart uploads are unfinished"));
        }
        let there = landed(&self.world.landing_folder());
        for key in expected.keys().filter(|key| !there.contains_key(*key)) {
            found.push(format!("{key} is missing"));
        }
        for (key, bytes) in &there {
            let same = match expected.get(key) {
                Some(wanted) if key.ends_with("/_manifest.json") => {
                    self.manifest_at_the_beginning(bytes) == *wanted
                }
                Some(wanted) => bytes == wanted,
                None => false,
            };
            if !same {
                found.push(format!("{key} is not what the undisturbed run landed"));
            }
        }
        found
    }

    /// The manifest as it would be if the job had been submitted when the world began: a run that was cut before that
    /// submits it later, and its manifest says so.
    fn manifest_at_the_beginning(&self, manifest: &[u8]) -> Vec<u8> {
        let Some(id) = self.known_id() else { return manifest.to_vec() };
        let record = format!("jobs/{}/{id}/job.json", self.system.connection);
        let record = self.world.work_folder().join(record);
        let record: Value = serde_json::from_slice(&fs::read(record).expect("a record")).expect("a record");
        let line = |at: &Value| format!("\"submitted_at\": {at}");
        let manifest = String::from_utf8_lossy(manifest);
        manifest.replace(&line(&record["since"]), &line(&json!(beginning()))).into_bytes()
    }

    /// Ends the world.
    pub async fn end(self) {
        self.world.end().await;
    }
}

impl Undisturbed {
    /// Runs undisturbed.
    pub async fn run(system: System, scenario: Scenario) -> Self {
        let theatre = Theatre::new(system, &scenario, Value::Null, None).await;
        match theatre.process(Start::Event, None).await {
            Ended::ByItself(Ok(_)) => {}
            other => panic!("the undisturbed run: {other:?}"),
        }
        let made = theatre.line.made();
        let landed = Arc::new(landed(&theatre.world.landing_folder()));
        assert_eq!(theatre.deviations(&landed).await, Vec::<String>::new(), "the undisturbed run");
        theatre.end().await;
        Self { system, scenario, made, landed }
    }

    /// Every call and every moment of it.
    pub fn cuts(&self) -> impl Iterator<Item = (&Made, Cut)> {
        let is_whole = |made: &Made| match self.system.reads_heads {
            Some(part) => made.occurrence > 1 || !made.name.contains(part),
            None => true,
        };
        self.made.iter().flat_map(move |made| {
            let is_whole = is_whole(made);
            let moments = made.moments().filter(move |moment| is_whole || *moment != Moment::InAnswer);
            moments.map(move |moment| (made, Cut { at: made.at(), moment }))
        })
    }

    /// Runs with a process cut at each of these in turn, then with one that is not, and says what differs.
    pub async fn cut_at(&self, cuts: Vec<Cut>, start: Start, must_come: bool) -> Verdict {
        let expected = Some(Arc::clone(&self.landed));
        let theatre = Theatre::new(self.system, &self.scenario, Value::Null, expected).await;
        let mut verdict = Verdict::default();
        let mut from = Start::Event;
        for cut in cuts {
            let ended = theatre.process(from, Some(cut)).await;
            verdict.cuts += usize::from(theatre.line.was_cut());
            match ended {
                Ended::Cut => {}
                Ended::ByItself(Err(error)) if error.retryable() => {}
                Ended::ByItself(Err(error)) if theatre.is_for_a_person(&error) => theatre.settle().await,
                Ended::ByItself(Err(error)) => verdict.deviations.push(described(&error)),
                Ended::ByItself(Ok(_)) if must_come && !theatre.line.was_cut() => {
                    verdict.deviations.push("the call to be cut at never came".to_owned());
                }
                Ended::ByItself(Ok(_)) => {}
            }
            theatre.wait();
            from = start;
        }
        if start == Start::Id && must_come && theatre.known_id().is_none() {
            // Nobody can know an id: the case is the one that starts again from the event.
            return verdict;
        }
        let mut ended = theatre.process(from, None).await;
        if matches!(&ended, Ended::ByItself(Err(error)) if theatre.is_for_a_person(error)) {
            theatre.settle().await;
            ended = theatre.process(from, None).await;
        }
        match ended {
            Ended::ByItself(Ok(_)) => {}
            Ended::ByItself(Err(error)) => verdict.deviations.push(described(&error)),
            Ended::Cut => verdict.deviations.push("the last process ended early".to_owned()),
        }
        if start == Start::Id {
            // Whoever starts the run by its event once more is told that it has landed.
            theatre.wait();
            match submit_event(&theatre.world.anew(), (self.system.event)()).await {
                Ok(submitted) if submitted.landed => {}
                Ok(submitted) => verdict.deviations.push(format!("submitted again: {submitted:?}")),
                Err(error) => verdict.deviations.push(described(&error)),
            }
        }
        verdict.deviations.append(&mut theatre.deviations(&self.landed).await);
        theatre.end().await;
        verdict
    }
}

fn described(error: &landfall::Error) -> String {
    format!("ended with {}: {}", error.error_type().name(), error.line())
}

/// How many cuts were made, by step and moment.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(&'static str, Moment), usize>,
    /// What differed, and in which case.
    pub deviations: Vec<String>,
}

impl Tally {
    /// Counts a case.
    pub fn add(&mut self, step: &'static str, moment: Moment, case: &str, verdict: Verdict) {
        *self.counts.entry((step, moment)).or_default() += verdict.cuts;
        let deviations = verdict.deviations.into_iter().map(|deviation| format!("{case}: {deviation}"));
        self.deviations.extend(deviations);
    }

    /// How many there were in all.
    pub fn cuts(&self) -> usize {
        self.counts.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((step, moment), cuts) in &self.counts {
            writeln!(formatter, "  {step:<14} {moment:<24} {cuts:>5}", moment = moment.to_string())?;
        }
        writeln!(formatter, "  {} cuts, {} deviations", self.cuts(), self.deviations.len())?;
        self.deviations.iter().take(40).try_for_each(|deviation| writeln!(formatter, "  {deviation}"))
    }
}
