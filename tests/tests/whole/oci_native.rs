//! OCI Object Storage by its own API: runs whose state and landing are both there, and nothing of Amazon's anywhere; what a
//! bucket lacks is named before anything is submitted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedded_store::{Before, Call, Intercept, OciUser, Options};
use landfall::ErrorType;
use landfall::check::{BucketUse, Found, bucket};
use landfall::clock::Clock;
use landfall::form::LandedForm;
use landfall_store::{OCI_PART_BYTES, Store};
use landfall_tests::matrix::beginning;
use landfall_tests::staged::{publish_for, stage, unpack};
use landfall_tests::{Setup, World, assert_landed, land, run_event};
use tempfile::TempDir;

const FORMS: [LandedForm; 3] = [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd];

/// What is asked of the store.
#[derive(Default)]
struct Asked(Mutex<Vec<Call>>);

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        self.0.lock().unwrap().push(call.clone());
        Before::Proceed
    }
}

impl Asked {
    fn parts_of(&self, key: &str) -> Vec<u64> {
        let asked = self.0.lock().unwrap();
        let parts =
            asked.iter().filter(|call| call.operation == "UploadPart" && call.key.as_deref() == Some(key));
        parts.map(|call| call.body_bytes).collect()
    }
}

/// A world whose state and landing are there.
async fn world(form: LandedForm, intercept: Option<Arc<dyn Intercept>>) -> World {
    let form = serde_json::to_value(form).unwrap();
    let setup = Setup {
        in_oci: true,
        destination: format!("form = {form}"),
        at: Some(beginning()),
        ..Setup::default()
    };
    World::with_store(setup, Options { fsync: false, intercept }).await
}

/// The main job, from submission to manifest, with state and landing there; and once more, which finds it.
#[tokio::test]
async fn the_main_job_lands_with_its_state_there() {
    for form in FORMS {
        let world = world(form, None).await;
        let published = land(&world.context, run_event()).await.unwrap();
        let job = published.manifest_key.rsplit('/').nth(1).unwrap().parse().unwrap();
        assert_landed(&world, job, &format!("{form:?}")).await;
        world.pass(Duration::from_secs(3600));
        assert!(land(&world.anew(), run_event()).await.unwrap().already_published);
        assert_eq!(world.simulator.journal().jobs_submitted(), 1, "{form:?}");
        world.end().await;
    }
}

/// Objects of parts are made of those that OCI takes: 16 MiB each, but for the last.
#[tokio::test]
async fn large_files_land_in_parts_that_oci_takes() {
    let content: Vec<u8> = (0..36_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let asked = Arc::new(Asked::default());
    let world = world(LandedForm::Raw, Some(Arc::clone(&asked) as Arc<dyn Intercept>)).await;
    stage(&world.context, &[("large.bin", &content)]).await;
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    publish_for(&world.context, "1").await.unwrap();
    let landed = world.landed().await;
    assert!(landed["forms/1/large.bin"] == content);
    let mut parts = asked.parts_of("forms/1/large.bin");
    parts.sort_unstable();
    assert_eq!(parts, [4 << 20, OCI_PART_BYTES as u64, OCI_PART_BYTES as u64]);
    assert_eq!(world.unfinished_uploads().await, 0);
    world.end().await;
}

/// The pre-flight says who calls and that all is well, for the work bucket too; or what is missing, by its name in Oracle's
/// policies; and leaves nothing behind.
#[tokio::test]
async fn the_pre_flight_says_who_calls_and_what_is_missing() {
    let world = world(LandedForm::Raw, None).await;
    let settings = world.work_settings();
    let state = world.work().await;
    let findings = bucket("work", &state, "", BucketUse::Work).await;
    for finding in &findings {
        assert!(matches!(finding.found, Found::Well(_)), "{}: {:?}", finding.what, finding.found);
    }
    let said = format!("{findings:?}");
    for part in [
        "namespace embedded at http://127.0.0.1",
        "profile [DEFAULT]",
        "If-Match is honoured",
        "no retention rules",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(futures::TryStreamExt::try_collect::<Vec<_>>(state.list("")).await.unwrap().is_empty());

    let open = async |bucket, settings| {
        Store::open_at(bucket, settings, Arc::clone(&world.clock) as Arc<dyn Clock>).await
    };
    let pond = open("pond", &settings).await;
    let mut strangers = settings.clone();
    let folder = TempDir::new().unwrap();
    if let Some(oci) = &mut strangers.oci {
        oci.principal.config_file = Some(OciUser::in_folder(folder.path()).unwrap().config_file);
        oci.namespace = Some("embedded".to_owned());
    }
    let stranger = open("work", &strangers).await;
    let mut nobodys = settings.clone();
    if let Some(oci) = &mut nobodys.oci {
        oci.principal.config_file = Some(folder.path().join("gone"));
    }
    let nobody = open("work", &nobodys).await;
    for (store, error_type, said) in [
        (pond, ErrorType::NotFound, "or whoever calls may not see it"),
        (stranger, ErrorType::AuthRejected, "the key is not known"),
        (nobody, ErrorType::InvalidConfig, "oci setup config"),
    ] {
        let findings = bucket("work", &store, "", BucketUse::Work).await;
        let broken = findings.iter().find_map(|finding| match &finding.found {
            Found::Broken(error) => Some(error),
            _ => None,
        });
        let error = broken.unwrap_or_else(|| panic!("{said}: {findings:?}"));
        assert_eq!(error.error_type(), error_type, "{}", error.line());
        assert!(error.line().contains(said), "{said}: {}", error.line());
    }
    world.end().await;
}
