//! Archives of many small members: they share reads (promise 6), each lands as it would by itself (promise 4), and
//! what is on its way when one of them turns out to be bad does not stay (promise 3).

use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex};

use embedded_store::{After, Before, Call, Intercept, Options};
use futures::TryStreamExt as _;
use http::StatusCode;
use landfall::form::LandedForm;
use landfall::job::{JobRef, LandedObject};
use landfall::state::WorkState;
use landfall_store::StoreError;
use landfall_tests::staged::{event, stage, unpack};
use landfall_tests::{Setup, World, assert_holds};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const MEMBERS: usize = 400;

fn content(member: usize) -> Vec<u8> {
    format!("ID,NOTE\n{member},{}\n", "some of the usual text ".repeat(member % 50)).into_bytes()
}

/// Small members, stored and deflated, an empty one among them.
fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for member in 0..MEMBERS {
        let method = [CompressionMethod::Deflated, CompressionMethod::Stored][member % 2];
        zip.start_file(format!("m-{member:03}.csv"), SimpleFileOptions::default().compression_method(method))
            .unwrap();
        if member > 0 {
            zip.write_all(&content(member)).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// What the store was asked for, in order.
#[derive(Default)]
struct Asked(Mutex<Vec<(&'static str, Moment)>>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Begun,
    Done,
}

impl Asked {
    fn note(&self, call: &Call, moment: Moment) {
        let is_landing = call.bucket.as_deref() == Some("landing");
        let is_staged = call.key.as_deref().is_some_and(|key| key.ends_with("/staged/0"));
        if is_landing || is_staged {
            self.0.lock().unwrap().push((call.operation, moment));
        }
    }

    fn count(&self, operation: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|asked| **asked == (operation, Moment::Begun)).count()
    }
}

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        self.note(call, Moment::Begun);
        Before::Proceed
    }

    fn after(&self, call: &Call, _: StatusCode) -> After {
        self.note(call, Moment::Done);
        After::Proceed
    }
}

async fn world(form: LandedForm, archive: &[u8]) -> (World, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let form = serde_json::to_value(form).unwrap();
    let setup = Setup { destination: format!("form = {form}"), ..Setup::default() };
    let options = Options { fsync: false, intercept: Some(Arc::clone(&asked) as Arc<dyn Intercept>) };
    let world = World::with_store(setup, options).await;
    stage(&world.context, &[("many.zip", archive)]).await;
    asked.0.lock().unwrap().clear();
    (world, asked)
}

/// Promises 4 and 6: neighbours are read together, and each lands whole, in every form.
#[tokio::test]
async fn neighbours_share_a_read_and_land_one_by_one() {
    for form in [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd] {
        let (world, asked) = world(form, &archive()).await;
        let unpacked = unpack(&world.context, 0).await.unwrap();
        assert_eq!((unpacked.complete, unpacked.totals.objects), (true, MEMBERS as u64));
        assert_eq!(asked.count("PutObject"), MEMBERS);
        let reads = asked.count("GetObject");
        assert!(reads <= MEMBERS / 256 + 6, "{reads} reads");

        let landed = world.landed().await;
        let receipt = receipt(&world.context.work().await.unwrap(), &event().job(), 0).await.unwrap();
        for (member, object) in receipt.iter().enumerate() {
            let content = if member > 0 { content(member) } else { Vec::new() };
            assert_holds(object, &landed[&object.key], &content, &format!("{form:?}"));
        }
        world.end().await;
    }
}

/// A large receipt is read once its objects are asked for, and not while others are: an answer that nobody reads takes of
/// the window of its connection, where that is HTTP/2, until the one that is read comes to a halt.
#[tokio::test]
async fn a_large_receipt_is_not_begun_before_it_is_read() {
    let (world, _) = world(LandedForm::Raw, &archive()).await;
    unpack(&world.context, 0).await.unwrap();
    let (work, job) = (world.context.work().await.unwrap(), event().job());
    let object = receipt(&work, &job, 0).await.unwrap().remove(0);
    let many = std::iter::repeat_n(object, 8_000);
    work.record_receipt(&job, 9, many, world.context.budget()).await.unwrap();
    assert_eq!(receipt(&work, &job, 9).await.unwrap().len(), 8_000);

    let opened = work.receipt(&job, 9).await.unwrap().unwrap();
    work.forget_receipt(&job, 9).await.unwrap();
    let read = opened.try_collect::<Vec<_>>().await.map(|objects| objects.len());
    let error = read.unwrap_err();
    assert!(matches!(error, StoreError::NoSuchObject { .. }), "{error}");
    world.end().await;
}

async fn receipt(work: &WorkState, job: &JobRef, ordinal: u32) -> Result<Vec<LandedObject>, StoreError> {
    work.receipt(job, ordinal).await?.expect("it has been unpacked").try_collect().await
}

/// Promise 3: puts that are on their way when a member turns out to be bad have arrived before what has landed is
/// withdrawn; one that came later would stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_on_its_way_while_a_refused_archive_is_withdrawn() {
    let mut bad = archive();
    let good = content(201);
    let at = bad.windows(good.len()).position(|window| window == good).expect("stored content");
    bad[at] ^= 1;
    let (world, asked) = world(LandedForm::Raw, &bad).await;
    let error = unpack(&world.context, 0).await.unwrap_err();
    assert!(error.line().contains("m-201.csv"), "{}", error.line());
    assert!(world.landed().await.is_empty());

    let asked = asked.0.lock().unwrap().clone();
    let withdrawn = asked.iter().position(|asked| *asked == ("DeleteObject", Moment::Begun));
    let withdrawn = withdrawn.expect("what had landed was withdrawn");
    let puts = |moment| asked.iter().filter(|asked| **asked == ("PutObject", moment)).count();
    let (begun, done) = (puts(Moment::Begun), puts(Moment::Done));
    let late = asked[withdrawn..].iter().filter(|(operation, _)| *operation == "PutObject").count();
    assert!(
        begun > 0 && begun == done && late == 0,
        "{begun} puts begun, {done} done, {late} moments too late"
    );
    world.end().await;
}
