//! The crash matrix: a run is cut at every call that leaves its process, before it, after it and in the middle of it,
//! then started again; the outcome must be that of an undisturbed run (promises 1 to 4).
//!
//! `LANDFALL_CUT_PAIRS` and `LANDFALL_CUT_SEED` say how many pairs of cuts are tried, and which; `LANDFALL_OCI_CUTS` how
//! many single ones with the state in OCI, `LANDFALL_EACH_CUTS` with files that are fetched by calls of their own. Each single cut is gone on from in one of two ways by turns, from the event or
//! from the id alone, and in both with `LANDFALL_CUT_STARTS=2`. What comes after a job's files are staged knows nothing of
//! their source: every call of it is cut with Fusion's extraction, in each form, and of the other systems one of
//! `LANDFALL_CUT_SHARED`. So it is with all steps of the described systems, which share an engine: every call is cut with one
//! of them.

use std::sync::Arc;

use fastrand::Rng;
use futures::{StreamExt as _, stream};
use landfall_systems::SYSTEMS;
use landfall_tests::cut::{At, Cut, Ended, Made, Moment};
use landfall_tests::matrix::{Start, Tally, Theatre, Undisturbed};
use landfall_tests::systems::{
    self, DELIVERY_IN_OCI, FUSION_EXTRACT, FUSION_EXTRACT_AS_GZIP, FUSION_EXTRACT_AS_PARQUET,
    FUSION_EXTRACT_FETCHED_EACH, FUSION_EXTRACT_IN_OCI, System,
};
use landfall_tests::watch::{Landed, landed};
use landfall_tests::{for_each_system, on_a_thread};
use serde_json::json;
use simulator::{MemberSize, Producer, Scenario};

/// Worlds that are on at once.
const AT_ONCE: usize = 6;
const PAIRS: u64 = 25;
const SEED: u64 = 20_261_121;
/// One of so many cuts is tried of what several systems share.
const SHARED: u64 = 3;
/// So many cuts are tried of a run whose files are fetched by calls of their own.
const EACH_CUTS: u64 = 80;
/// So many cuts are tried of a run whose state is in OCI.
const OCI_CUTS: u64 = 40;

/// One archive whose member takes three parts. Stored, the archive takes as many, and the store copies the member in
/// every form that keeps it; deflated, the member is uploaded.
fn large(producer: Producer) -> Scenario {
    Scenario {
        chunks_per_view: 1,
        member_size: MemberSize::Bytes(20 << 20),
        producers: vec![producer],
        ..(FUSION_EXTRACT.small)()
    }
}

struct Case {
    step: &'static str,
    cuts: Vec<Cut>,
    start: Start,
    must_come: bool,
}

impl Case {
    fn single((made, cut): (&Made, Cut), start: Start) -> Self {
        Self { step: made.step, cuts: vec![cut], start, must_come: true }
    }

    fn describe(&self) -> String {
        let cuts: Vec<String> = self.cuts.iter().map(Cut::to_string).collect();
        format!("{} cut at {}; {}", self.step, cuts.join(", then at "), self.start)
    }
}

async fn try_all(undisturbed: Undisturbed, cases: Vec<Case>) -> Tally {
    let undisturbed = Arc::new(undisturbed);
    let mut tally = Tally::default();
    let mut verdicts = stream::iter(cases)
        .map(|case| {
            let undisturbed = Arc::clone(&undisturbed);
            // On a thread of its own, as a trial is too long for one poll of a task to share.
            on_a_thread(move || async move {
                (undisturbed.cut_at(case.cuts.clone(), case.start, case.must_come).await, case)
            })
        })
        .buffer_unordered(AT_ONCE);
    while let Some((verdict, case)) = verdicts.next().await {
        tally.add(case.step, case.cuts[0].moment, &case.describe(), verdict);
    }
    tally
}

const STARTS: [Start; 2] = [Start::Event, Start::Id];

/// Each of these cuts, with one of the ways to start again, by turns, or with each.
fn each_started_again<'a>(cuts: impl Iterator<Item = (&'a Made, Cut)>) -> Vec<Case> {
    let ways = from_environment("LANDFALL_CUT_STARTS", 1);
    let rotations = (0..ways).map(|way| STARTS.into_iter().cycle().skip(usize::from(way > 0)));
    let cuts: Vec<_> = cuts.collect();
    rotations
        .flat_map(|starts| cuts.iter().cloned().zip(starts))
        .map(|(cut, start)| Case::single(cut, start))
        .collect()
}

/// The tests of each system, one by one: they run side by side.
macro_rules! try_each {
    ($($name:ident: $system:expr),+ $(,)?) => {
        $(mod $name {
            use super::*;

            /// Every call of a run, every moment of it, started again from the event or from the id alone.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cut_anywhere_and_started_again_a_run_lands_as_if_nothing_had_been() {
                cut_anywhere($system).await;
            }

            /// A run that is cut, started again and cut again: a sample, as there are tens of thousands of such pairs.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cut_twice_a_run_lands_as_if_nothing_had_been() {
                cut_twice($system).await;
            }
        })+
    };
}

for_each_system!(try_each);

/// No system that events can name is left out of the matrix.
#[test]
fn every_system_is_in_the_matrix() {
    let tried: Vec<_> = systems::ALL.iter().map(|system| system.kind).collect();
    let kinds = SYSTEMS.kinds().map(|kind| kind.capabilities()).filter(|kind| !kind.auth.is_empty());
    for kind in kinds.map(|kind| kind.kind) {
        assert!(tried.contains(&kind), "{kind} is not in for_each_system");
    }
}

async fn cut_anywhere(system: System) {
    let one_of = usize::try_from(from_environment("LANDFALL_CUT_SHARED", SHARED)).unwrap();
    let lands_alone = system.kind.starts_with(FUSION_EXTRACT.kind);
    let shares_its_engine = system.kind.starts_with("declared: ");
    let is_shared =
        |step: &str| !lands_alone && (shares_its_engine || matches!(step, "unpack-upload" | "publish"));
    cut_at_some(system, |cuts, random| {
        let (shared, mut chosen): (Vec<_>, Vec<_>) =
            cuts.into_iter().partition(|(made, _)| is_shared(made.step));
        let some = shared.len().div_ceil(one_of);
        chosen.extend(random.choose_multiple(shared, some));
        chosen
    })
    .await;
}

/// With state and landing in OCI Object Storage: a sample.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_with_its_state_in_oci_a_run_lands_as_if_nothing_had_been() {
    let max = usize::try_from(from_environment("LANDFALL_OCI_CUTS", OCI_CUTS)).unwrap();
    cut_at_some(FUSION_EXTRACT_IN_OCI, |cuts, random| at_most(max, cuts, random)).await;
    cut_at_some(DELIVERY_IN_OCI, |cuts, random| at_most(max / 2, cuts, random)).await;
}

/// Where each file is fetched by a call of its own, and most are unpacked while others come: a sample of those calls, and of
/// those that a file in parts makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_while_files_come_by_calls_of_their_own_a_run_lands_as_if_nothing_had_been() {
    let max = usize::try_from(from_environment("LANDFALL_EACH_CUTS", EACH_CUTS)).unwrap();
    cut_at_some(FUSION_EXTRACT_FETCHED_EACH, |cuts, random| {
        let of_files = cuts.into_iter().filter(|(made, _)| made.step == "fetch-files").collect();
        at_most(max, of_files, random)
    })
    .await;
    let in_parts = Scenario {
        chunks_per_view: 2,
        member_size: MemberSize::Bytes(9 << 20),
        producers: vec![Producer::Stored],
        ..(FUSION_EXTRACT_FETCHED_EACH.small)()
    };
    let made =
        cut_inside(FUSION_EXTRACT_FETCHED_EACH, in_parts, &["Upload work/", "Part work/", "/content"]).await;
    assert!(made.iter().any(|made| made.name.starts_with("UploadPart work/")), "a file comes in parts");
}

type Cuts<'a> = Vec<(&'a Made, Cut)>;

fn at_most<'a>(max: usize, cuts: Cuts<'a>, random: &mut Rng) -> Cuts<'a> {
    let some = max.min(cuts.len());
    random.choose_multiple(cuts, some)
}

/// Cuts at those of all places that are chosen.
async fn cut_at_some(system: System, choose: impl for<'a> FnOnce(Cuts<'a>, &mut Rng) -> Cuts<'a>) {
    let undisturbed = Undisturbed::run(system, (system.small)()).await;
    let calls = undisturbed.made.len();
    let mut random = Rng::with_seed(from_environment("LANDFALL_CUT_SEED", SEED));
    let chosen = choose(undisturbed.cuts().collect(), &mut random);
    let cases = each_started_again(chosen.into_iter());
    let tried = cases.len();
    let tally = try_all(undisturbed, cases).await;
    let kind = system.kind;
    landfall_tests::say(&format!("{kind}: {calls} calls leave an undisturbed run; the cuts made:\n{tally}"));
    assert!(tally.deviations.is_empty(), "{kind}: {tally}");
    assert_eq!(tally.cuts(), tried, "{kind}");
}

/// The same for the calls that only large files and members make: uploads by parts, their checkpoints, the download.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_inside_large_transfers_a_run_lands_as_if_nothing_had_been() {
    const ALL: [&str; 4] = ["Upload", "Part", "/checkpoints/", "/content"];
    let made = cut_inside(FUSION_EXTRACT, large(Producer::Stored), &ALL).await;
    assert!(made.iter().any(is_copy), "a stored member is copied inside the store");
    // What differs is how members land: how the archive is fetched has been tried.
    let is_landed = ["Upload landing/", "Part landing/", "PartCopy landing/"];
    cut_inside(FUSION_EXTRACT, large(Producer::ZipCrate), &is_landed).await;
    let copied = Scenario { member_size: MemberSize::Bytes(60 << 20), ..large(Producer::ZipCrate) };
    let made = cut_inside(FUSION_EXTRACT_AS_GZIP, copied, &is_landed).await;
    assert!(made.iter().any(is_copy), "a deflated member is copied inside the store");
    let made = cut_inside(FUSION_EXTRACT_AS_PARQUET, large(Producer::ZipCrate), &is_landed).await;
    assert!(made.iter().any(|made| made.name.ends_with(".csv.parquet")), "a member lands as Parquet");
}

fn is_copy(made: &Made) -> bool {
    made.name.contains("UploadPartCopy landing/")
}

/// Cuts at every call whose name has one of these marks; the calls of the undisturbed run.
async fn cut_inside(system: System, scenario: Scenario, marks: &[&str]) -> Vec<Made> {
    let undisturbed = Undisturbed::run(system, scenario).await;
    let made = undisturbed.made.clone();
    let is_about_parts = |made: &Made| marks.iter().any(|mark| made.name.contains(mark));
    let cases = each_started_again(undisturbed.cuts().filter(|(made, _)| is_about_parts(made)));
    let tried = cases.len();
    let tally = try_all(undisturbed, cases).await;
    landfall_tests::say(&format!("{}, large transfers; the cuts made:\n{tally}", system.kind));
    assert!(tally.deviations.is_empty(), "{tally}");
    assert_eq!(tally.cuts(), tried);
    made
}

/// Promise 3: of a refused archive nothing is left, be it an upload that a dead invocation began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_archive_leaves_no_upload_of_an_earlier_process() {
    let faults = json!({ "archive": { "kind": "bad_crc" } });
    let theatre = Theatre::new(FUSION_EXTRACT, &(FUSION_EXTRACT.small)(), faults, None).await;
    let is_first_read = At::Named("GetObject work/jobs/fusion-demo/44046/staged/0".to_owned(), 1);
    let cut = Cut { at: is_first_read, moment: Moment::Before };
    assert!(matches!(theatre.process(Start::Event, Some(cut)).await, Ended::Cut));
    let job = theatre.world.simulator.jobs()[0].id;
    let files = theatre.world.simulator.expected_files(job).await.unwrap();
    let stem = files[0].name.trim_end_matches(".zip");
    let key = format!("fusion-demo/SimpleCarriers/{job}/{stem}/carriersExtract.csv");
    theatre.world.landing().await.create_upload(&key).await.unwrap();
    theatre.wait();
    match theatre.process(Start::Id, None).await {
        Ended::ByItself(Err(error)) => assert_eq!(error.error_type().name(), "IntegrityError"),
        other => panic!("{other:?}"),
    }
    assert_eq!(landed(&theatre.world.landing_folder()), Landed::new());
    assert_eq!(theatre.world.unfinished_uploads().await, 0);
    theatre.end().await;
}

async fn cut_twice(system: System) {
    let seed = from_environment("LANDFALL_CUT_SEED", SEED);
    let pairs = from_environment("LANDFALL_CUT_PAIRS", PAIRS);
    let kind = system.kind;
    let undisturbed = Undisturbed::run(system, (system.small)()).await;
    let mut random = Rng::with_seed(seed);
    let cuts: Vec<(&Made, Cut)> = undisturbed.cuts().collect();
    let cases: Vec<Case> = (0..pairs)
        .map(|_| {
            let (made, first) = cuts[random.usize(..cuts.len())].clone();
            let moments = [Moment::Before, Moment::AnswerLost, Moment::InAnswer];
            let number = random.usize(1..=undisturbed.made.len());
            let second = Cut { at: At::Number(number), moment: moments[random.usize(..moments.len())] };
            let start = STARTS[random.usize(..STARTS.len())];
            Case { step: made.step, cuts: vec![first, second], start, must_come: false }
        })
        .collect();
    let tally = try_all(undisturbed, cases).await;
    landfall_tests::say(&format!(
        "{kind}: {pairs} pairs of seed {seed}; the cuts made, by the first of each:\n{tally}"
    ));
    assert!(
        tally.deviations.is_empty(),
        "{kind}: LANDFALL_CUT_SEED={seed} LANDFALL_CUT_PAIRS={pairs}:\n{tally}"
    );
}

fn from_environment(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")),
        Err(_) => usual,
    }
}
