//! `register-table` with a catalog whose answers are lost, which others commit to, and whose snapshots expire: a job has one
//! snapshot.

#![allow(
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's own helpers say what is wrong by panicking"
)]

mod double;
mod role;

use std::sync::Arc;

use embedded_store::{Intercept, Options};
use iceberg::TableUpdate;
use iceberg::spec::{PrimitiveType, Snapshot, TableMetadata, Type};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::failure::{self, About};
use landfall::job::JobRecord;
use landfall::registered::Registered;
use landfall::{Error, Step};
use landfall_tests::cut::{At, Cut, Ended, Line};
use landfall_tests::staged::{event_of, publish_for, stage_for, unpack_for};
use landfall_tests::{Setup, World};
use register_table::register_table;

use double::{Double, Fate};

const TABLE: &str =
    "form = \"parquet\"\ntable = { catalog = \"double\", namespace = \"erp.ledger\", name = \"{export}\" }";
/// What the table is called then.
const NAME: &str = "forms";

fn setup(table: &str) -> Setup {
    Setup { destination: table.to_owned(), at: "2026-11-21T07:00:00Z".parse().ok(), ..Setup::default() }
}

/// A world, a catalog beside it, and what leads to both.
struct Stage {
    world: World,
    catalog: Double,
}

impl Stage {
    async fn new(table: &str) -> Self {
        Self::of(World::new(setup(table)).await).await
    }

    async fn of(world: World) -> Self {
        let catalog = Double::start(world.landing().await.bucket()).await;
        Self { world, catalog }
    }

    /// A new process.
    fn context(&self) -> Context {
        self.world.configured_anew(|config| format!("{config}{}", self.catalog.config()))
    }

    async fn land(&self, id: &str, rows: &str) {
        let context = self.context();
        stage_for(&context, id, &[("rows.csv", rows.as_bytes())]).await;
        assert!(unpack_for(&context, id, 0).await.unwrap().complete);
        publish_for(&context, id).await.unwrap();
    }

    async fn register(&self, id: &str) -> landfall::Result<Registered> {
        register(&self.context(), id).await
    }

    /// What is kept of the job.
    async fn job(&self, id: &str) -> JobRecord {
        let work = self.context().work().await.unwrap();
        work.job(&event_of(id).job()).await.unwrap().unwrap()
    }

    /// The job's snapshots, of which there is to be one.
    fn snapshots_of(&self, id: &str) -> Vec<Snapshot> {
        let table = self.catalog.table(NAME);
        table.snapshots().filter(|made| names(made, id)).map(|made| (**made).clone()).collect()
    }

    #[track_caller]
    fn assert_once(&self, id: &str, case: &str) {
        let snapshots = self.snapshots_of(id);
        assert_eq!(snapshots.len(), 1, "{case}: {snapshots:?}");
    }
}

fn names(snapshot: &Snapshot, id: &str) -> bool {
    let summary = &snapshot.summary().additional_properties;
    summary.get("landfall.job-request-id").is_some_and(|job| job == id)
        && summary
            .get("landfall.manifest")
            .is_some_and(|key| key.ends_with(&format!("/forms/{id}/_manifest.json")))
}

async fn register(context: &Context, id: &str) -> landfall::Result<Registered> {
    register_table(context, event_of(id), &Deadline::none(Arc::clone(context.clock()))).await
}

fn column(table: &TableMetadata, name: &str) -> (i32, PrimitiveType) {
    let field = table.current_schema().field_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    match &*field.field_type {
        Type::Primitive(kind) => (field.id, kind.clone()),
        other => panic!("{other}"),
    }
}

fn total_records(snapshot: &Snapshot) -> &str {
    &snapshot.summary().additional_properties["total-records"]
}

const ROWS: &str = "id,amount,day\n1,1.50,2026-11-20\n2,2.25,2026-11-21\n";

/// What is there is the answer, however often it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_appended_once() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    let first = stage.register("1").await.unwrap();
    assert_eq!((first.tables.len(), first.tables[0].rows, first.tables[0].files), (1, 2, 1));
    assert!(!first.tables[0].already_registered);
    assert_eq!(first.tables[0].table, "erp.ledger.forms");

    let again = stage.register("1").await.unwrap();
    assert!(again.tables[0].already_registered);
    assert!(stage.job("1").await.registered_at.is_some());
    assert_eq!(again.tables[0].snapshot_id, first.tables[0].snapshot_id);
    stage.assert_once("1", "asked twice");

    stage.land("2", ROWS).await;
    stage.register("2").await.unwrap();
    let table = stage.catalog.table(NAME);
    assert_eq!(table.snapshots().len(), 2);
    assert_eq!(total_records(table.current_snapshot().unwrap()), "4");
}

/// What the step has failed over is past once the table has the job, and what another has failed over before, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_past_once_the_table_has_the_job() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    let context = stage.context();
    let failed = Error::auth_rejected("403");
    failure::note(&context, Step::RegisterTable, &About::job(&event_of("1").job()), &failed).await;
    let job = stage.job("1").await;
    assert_eq!((job.failure.unwrap().step.as_str(), job.registered_at), ("register-table", None));
    stage.register("1").await.unwrap();
    let job = stage.job("1").await;
    assert!(job.failure.is_none() && job.registered_at.is_some());
    stage.world.end().await;
}

/// Each call to the catalog, before it and after it: a process that ends there leaves what the next one completes.
#[tokio::test(flavor = "multi_thread")]
async fn cut_at_any_call_to_the_catalog_a_job_has_one_snapshot() {
    for fate in [
        Fate::CutBefore,
        Fate::CutAfter,
        Fate::LostBefore,
        Fate::LostAfter,
        Fate::GatewayTimeout,
        Fate::TurnedAway,
    ] {
        let mut cuts = 0;
        for call in 0.. {
            let stage = Stage::new(TABLE).await;
            stage.land("1", ROWS).await;
            let before = stage.catalog.calls().len();
            stage.catalog.befalls(call, fate);
            let context = stage.context();
            let came = tokio::select! {
                biased;
                () = stage.catalog.cut.notified() => None,
                came = register(&context, "1") => Some(came),
            };
            let case = format!("{fate:?} at {:?}", stage.catalog.calls().get(before + call));
            let was_met = stage.catalog.has_befallen();
            if let Some(came) = came {
                came.unwrap_or_else(|error| panic!("{case}: {}", error.line()));
            }
            stage.register("1").await.unwrap_or_else(|error| panic!("{case}: {}", error.line()));
            stage.assert_once("1", &case);
            assert_eq!(stage.catalog.table(NAME).snapshots().len(), 1, "{case}");
            stage.world.end().await;
            if !was_met {
                break;
            }
            cuts += 1;
        }
        assert!(cuts >= 5, "{fate:?}: {cuts} cuts");
    }
}

/// The same of each call to the store, among them the notes and the manifests of the snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn cut_at_any_call_to_the_store_a_job_has_one_snapshot() {
    let line = Arc::new(Line::default());
    let options = Options { fsync: false, intercept: Some(line.clone() as Arc<dyn Intercept>) };
    let stage = Stage::of(World::with_store(setup(TABLE), options).await).await;
    // The first makes the table; from the second on there is a list of manifests to read.
    for id in ["a", "b"] {
        stage.land(id, ROWS).await;
        let context = stage.context();
        let ended = line.run(None, register(&context, id)).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_))), "{ended:?}");
    }
    let calls = line.made();
    assert!(calls.iter().any(|made| made.name.contains("registrations")), "{calls:?}");

    let mut cuts = 0;
    for (made, number) in calls.iter().zip(1..) {
        for moment in made.moments() {
            let id = format!("{number}-{cuts}");
            stage.land(&id, ROWS).await;
            let case = format!("{} {moment}", made.name);
            let context = stage.context();
            let cut = Some(Cut { at: At::Number(number), moment });
            // An answer that broke off is an error that the step is called again after.
            if let Ended::ByItself(Err(error)) = line.run(cut, register(&context, &id)).await {
                assert!(error.retryable(), "{case}: {}", error.line());
            }
            cuts += usize::from(line.was_cut());
            stage.register(&id).await.unwrap_or_else(|error| panic!("{case}: {}", error.line()));
            stage.assert_once(&id, &case);
        }
    }
    assert!(cuts >= calls.len(), "{cuts} cuts of {} calls", calls.len());
}

/// Two registrars at once, and a table that others write to all the time.
#[tokio::test(flavor = "multi_thread")]
async fn two_registrars_at_once_make_one_snapshot() {
    let stage = Stage::new(TABLE).await;
    for id in ["1", "2", "3"] {
        stage.land(id, ROWS).await;
        let contexts = [stage.context(), stage.context(), stage.context()];
        let all = futures::future::join_all(contexts.iter().map(|context| register(context, id))).await;
        let snapshots: Vec<_> = all.into_iter().map(|came| came.unwrap().tables[0].snapshot_id).collect();
        assert!(snapshots.iter().all(|snapshot| *snapshot == snapshots[0]), "{snapshots:?}");
        stage.assert_once(id, "three at once");
    }
    stage.land("4", ROWS).await;
    // It is the third call: after the configuration and the table.
    stage.catalog.befalls(2, Fate::SomebodyFirst);
    stage.register("4").await.unwrap();
    stage.assert_once("4", "somebody was first");
    let table = stage.catalog.table(NAME);
    assert_eq!(table.snapshots().len(), 5);
    // What was written for the commit that was refused is gone again: a list and a manifest each for four jobs.
    let written = stage.world.landed().await;
    let avro = written.keys().filter(|key| key.ends_with(".avro")).count();
    assert_eq!(avro, 8, "{:?}", written.keys());
}

/// Snapshots expire: what was appended is not appended again, and what may have been is for a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_snapshot_has_expired_is_not_appended_again() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    let first = stage.register("1").await.unwrap();
    stage.catalog.somebody_commits();
    stage.catalog.expire(NAME);
    assert!(stage.snapshots_of("1").is_empty());
    let again = stage.register("1").await.unwrap();
    assert!(again.tables[0].already_registered);
    assert_eq!(again.tables[0].snapshot_id, first.tables[0].snapshot_id);

    // The commit was made, and its process has ended before it could be noted.
    stage.land("2", ROWS).await;
    stage.catalog.befalls(2, Fate::CutAfter);
    let context = stage.context();
    tokio::select! {
        () = stage.catalog.cut.notified() => {}
        came = register(&context, "2") => panic!("{came:?}"),
    }
    stage.assert_once("2", "it was made");
    stage.catalog.somebody_commits();
    stage.catalog.expire(NAME);
    let error = stage.register("2").await.unwrap_err();
    assert_eq!(error.error_type().name(), "Conflict", "{}", error.line());
    assert!(error.line().contains("registrations/1.json"), "{}", error.line());
    assert!(stage.snapshots_of("2").is_empty());

    // A job that nobody has begun to append is, whatever has expired before.
    stage.land("3", ROWS).await;
    stage.register("3").await.unwrap();
    stage.assert_once("3", "after others have expired");
}

/// A table that is made anew has none of the jobs that the one before had.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_of_the_same_name_gets_the_job() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    stage.register("1").await.unwrap();
    stage.catalog.drop_table(NAME);
    assert!(!stage.register("1").await.unwrap().tables[0].already_registered);
    stage.assert_once("1", "in the new one");
}

/// The table's schema follows the export's: columns come and widen, and keep their ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_tables_schema_follows_the_exports() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    stage.register("1").await.unwrap();
    let table = stage.catalog.table(NAME);
    assert_eq!(column(&table, "id"), (1, PrimitiveType::Long));
    let (id, kind) = column(&table, "amount");
    assert_eq!(id, 2);
    let PrimitiveType::Decimal { precision: before, scale: 2 } = kind else { panic!("{kind}") };
    assert_eq!(column(&table, "day"), (3, PrimitiveType::Date));

    stage.land("2", "id,amount,day,note\n3,12345678901234567890.75,2026-11-22,new\n").await;
    stage.register("2").await.unwrap();
    let table = stage.catalog.table(NAME);
    let (id, kind) = column(&table, "amount");
    assert_eq!(id, 2);
    assert!(
        matches!(kind, PrimitiveType::Decimal { precision: 22.., scale: 2 }) && before < 22,
        "{before}, {kind}"
    );
    assert_eq!(column(&table, "note"), (4, PrimitiveType::String));
    let mapping: serde_json::Value =
        serde_json::from_str(&table.properties()["schema.name-mapping.default"]).unwrap();
    assert_eq!(mapping[3], serde_json::json!({ "field-id": 4, "names": ["note"] }));
    assert_eq!(total_records(table.current_snapshot().unwrap()), "3");
}

/// What Iceberg cannot evolve is an error that names the column, and nothing is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_iceberg_cannot_widen_is_named() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    stage.register("1").await.unwrap();
    stage.land("2", "id,amount,day\n3,2.125,2026-11-22\n").await;
    let error = stage.register("2").await.unwrap_err();
    assert_eq!(error.error_type().name(), "SchemaChanged", "{}", error.line());
    assert!(error.line().contains("column \"amount\" is decimal("), "{}", error.line());
    assert!(stage.snapshots_of("2").is_empty());
}

/// A table that is made with `partition = "day"` has each job in the partition of the day on which it was submitted.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_in_the_partition_of_its_day() {
    let table = TABLE.replace("name =", "partition = \"day\", name =");
    let stage = Stage::new(&table).await;
    stage.land("1", ROWS).await;
    stage.register("1").await.unwrap();
    let table = stage.catalog.table(NAME);
    assert_eq!(column(&table, "landfall_day"), (4, PrimitiveType::Date));
    let [by] = table.default_partition_spec().fields() else {
        panic!("{:?}", table.default_partition_spec())
    };
    assert_eq!((by.source_id, by.transform), (4, iceberg::spec::Transform::Identity));
    let summary = &table.current_snapshot().unwrap().summary().additional_properties;
    assert_eq!(summary["changed-partition-count"], "1");
}

/// A name that two exports would share is one export's.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_export_is_left_alone() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    stage.register("1").await.unwrap();
    let of = [("landfall.table-of".to_owned(), "FORMS".to_owned())];
    stage.catalog.change(NAME, vec![TableUpdate::SetProperties { updates: of.into() }]);
    stage.land("2", ROWS).await;
    let error = stage.register("2").await.unwrap_err();
    assert_eq!(error.error_type().name(), "Conflict", "{}", error.line());
}

/// What has not landed is not appended, and a job without rows makes no table.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_landed_is_appended() {
    let stage = Stage::new(TABLE).await;
    let error = stage.register("1").await.unwrap_err();
    assert_eq!(error.error_type().name(), "NotFound", "{}", error.line());
    let context = stage.context();
    stage_for(&context, "1", &[("rows.csv", ROWS.as_bytes())]).await;
    let error = stage.register("1").await.unwrap_err();
    assert!(error.line().contains("has not landed yet"), "{}", error.line());
    stage.land("2", "id,amount\n").await;
    assert!(stage.register("2").await.unwrap().tables.is_empty());
    assert!(!stage.catalog.has(NAME));
}

/// Clocks of tests pass time by sleeping: a catalog that stays away is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_stays_away_is_given_up() {
    let stage = Stage::new(TABLE).await;
    stage.land("1", ROWS).await;
    for call in 2..200 {
        stage.catalog.befalls(call, Fate::TurnedAway);
    }
    let context = stage.context();
    let began = context.clock().now();
    let error = register(&context, "1").await.unwrap_err();
    assert_eq!(error.error_type().name(), "SourceUnavailable", "{}", error.line());
    assert!(context.clock().now() > began);
    assert!(error.line().contains("503"), "{}", error.line());
}
