//! A catalog in memory, by Iceberg's REST API, whose answers can be lost and which others commit to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use iceberg::spec::{
    FormatVersion, Operation, Schema, Snapshot, SnapshotReference, SnapshotRetention, Summary, TableMetadata,
    TableMetadataBuilder, UnboundPartitionSpec,
};
use iceberg::{TableCreation, TableRequirement, TableUpdate};
use landfall_http::scripted::{Reply, Scripted, Seen};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not carried out, and whoever called is gone.
    CutBefore,
    /// It is carried out, and whoever called is gone.
    CutAfter,
    /// It is not carried out, and nothing is answered.
    LostBefore,
    /// It is carried out, and nothing is answered.
    LostAfter,
    /// It is carried out, and a gateway answers that it does not know.
    GatewayTimeout,
    /// Somebody else commits a snapshot first.
    SomebodyFirst,
    /// It is turned away.
    TurnedAway,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, TableMetadata>,
    /// The calls that were made, by what they do.
    calls: Vec<String>,
    fates: BTreeMap<usize, Fate>,
    versions: u64,
}

/// The catalog.
pub(crate) struct Double {
    server: Scripted,
    state: Arc<Mutex<State>>,
    pub(crate) cut: Arc<Notify>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Creation {
    name: String,
    schema: Schema,
    #[serde(default)]
    partition_spec: Option<UnboundPartitionSpec>,
    properties: std::collections::HashMap<String, String>,
}

#[derive(Deserialize)]
struct Commit {
    requirements: Vec<TableRequirement>,
    updates: Vec<TableUpdate>,
}

impl Double {
    /// A catalog without tables, whose tables' files are in this bucket.
    pub(crate) async fn start(bucket: &str) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let cut = Arc::new(Notify::new());
        let (handler, cutting, bucket) = (Arc::clone(&state), Arc::clone(&cut), bucket.to_owned());
        let server = Scripted::start(move |seen, _| {
            let mut state = handler.lock().unwrap();
            let number = state.calls.len();
            state.calls.push(format!("{} {}", seen.method, seen.path()));
            let fate = state.fates.remove(&number);
            match fate {
                Some(Fate::CutBefore | Fate::LostBefore) => {}
                Some(Fate::TurnedAway) => return Reply::status(503),
                Some(Fate::SomebodyFirst) => somebody_commits(&mut state),
                _ => {}
            }
            let is_carried_out = !matches!(fate, Some(Fate::CutBefore | Fate::LostBefore));
            let reply = if is_carried_out { answer(&mut state, seen, &bucket) } else { Reply::nothing() };
            match fate {
                Some(Fate::CutBefore | Fate::CutAfter) => {
                    cutting.notify_one();
                    Reply::nothing().then_hang()
                }
                Some(Fate::LostBefore | Fate::LostAfter) => Reply::nothing(),
                Some(Fate::GatewayTimeout) => Reply::status(504),
                _ => reply,
            }
        })
        .await;
        Self { server, state, cut }
    }

    /// The section of a configuration that leads to it.
    pub(crate) fn config(&self) -> String {
        format!("\n[catalogs.double]\nuri = \"{}\"\nwarehouse = \"w\"\n", self.server.url("/rest"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What is to befall the so-manieth of the calls from now on, from 0.
    pub(crate) fn befalls(&self, call: usize, fate: Fate) {
        let mut state = self.state();
        let number = state.calls.len() + call;
        state.fates.insert(number, fate);
    }

    /// Whether what was to befall has; nothing more does.
    pub(crate) fn has_befallen(&self) -> bool {
        std::mem::take(&mut self.state().fates).is_empty()
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// A table as it is.
    pub(crate) fn table(&self, name: &str) -> TableMetadata {
        self.state().tables.get(name).unwrap_or_else(|| panic!("no table {name}")).clone()
    }

    /// Whether there is a table of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.state().tables.contains_key(name)
    }

    /// Forgets a table.
    pub(crate) fn drop_table(&self, name: &str) {
        self.state().tables.remove(name).unwrap();
    }

    /// Changes a table, as others may.
    pub(crate) fn change(&self, name: &str, updates: Vec<TableUpdate>) {
        let mut state = self.state();
        let metadata = state.tables[name].clone();
        let changed = applied(metadata, updates, 0);
        state.tables.insert(name.to_owned(), changed);
    }

    /// Makes one of everybody's snapshots.
    pub(crate) fn somebody_commits(&self) {
        somebody_commits(&mut self.state());
    }

    /// Expires every snapshot but the current one.
    pub(crate) fn expire(&self, name: &str) {
        let metadata = self.table(name);
        let current = metadata.current_snapshot_id();
        let old = metadata.snapshots().map(|made| made.snapshot_id()).filter(|id| Some(*id) != current);
        self.change(name, vec![TableUpdate::RemoveSnapshots { snapshot_ids: old.collect() }]);
    }
}

fn applied(metadata: TableMetadata, updates: Vec<TableUpdate>, version: u64) -> TableMetadata {
    let location = format!("{}/metadata/{version:05}.metadata.json", metadata.location());
    let builder = metadata.into_builder(Some(location));
    let builder = updates.into_iter().fold(builder, |builder, update| update.apply(builder).unwrap());
    builder.build().unwrap().metadata
}

fn somebody_commits(state: &mut State) {
    let Some((name, metadata)) = state.tables.iter().next() else { return };
    let (name, metadata) = (name.clone(), metadata.clone());
    let snapshot_id = i64::try_from(metadata.snapshots().len()).unwrap() + 1;
    // Its list of manifests is the one that was there: nothing is added.
    let list = metadata.current_snapshot().map(|made| made.manifest_list().to_owned());
    let list = list.unwrap_or_else(|| format!("{}/metadata/none.avro", metadata.location()));
    let summary = Summary { operation: Operation::Append, additional_properties: [].into() };
    let snapshot = Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(metadata.next_sequence_number())
        .with_timestamp_ms(metadata.last_updated_ms() + 1)
        .with_manifest_list(list)
        .with_summary(summary)
        .with_schema_id(metadata.current_schema_id())
        .build();
    let reference = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
    let updates = vec![
        TableUpdate::AddSnapshot { snapshot },
        TableUpdate::SetSnapshotRef { ref_name: "main".to_owned(), reference },
    ];
    state.tables.insert(name, applied(metadata, updates, 0));
}

fn answer(state: &mut State, seen: &Seen, bucket: &str) -> Reply {
    let path = seen.path();
    let rest = path.strip_prefix("/rest/v1/").unwrap_or_else(|| panic!("{path}"));
    if rest == "config" {
        assert_eq!(seen.query().get("warehouse").map(String::as_str), Some("w"));
        return Reply::json(json!({ "defaults": {}, "overrides": { "prefix": "p%2Fq" } }));
    }
    let table = rest.strip_prefix("p%2Fq/namespaces/erp%1Fledger/tables").unwrap_or_else(|| panic!("{path}"));
    let name = table.trim_start_matches('/').to_owned();
    match (seen.method.as_str(), name.is_empty()) {
        ("GET", false) => told(state, &name),
        ("POST", true) => create(state, &seen.body, bucket),
        ("POST", false) => commit(state, &name, &seen.body),
        _ => panic!("{} {path}", seen.method),
    }
}

fn refused(status: u16, kind: &str, message: &str) -> Reply {
    let error = json!({ "error": { "message": message, "type": kind, "code": status } });
    Reply::status(status).header("Content-Type", "application/json").body(error.to_string())
}

fn told(state: &State, name: &str) -> Reply {
    match state.tables.get(name) {
        Some(metadata) => {
            let location = format!("{}/metadata/{:05}.metadata.json", metadata.location(), state.versions);
            Reply::json(json!({ "metadata-location": location, "metadata": metadata }))
        }
        None => refused(404, "NoSuchTableException", "there is no such table"),
    }
}

fn create(state: &mut State, body: &str, bucket: &str) -> Reply {
    let creation: Creation = serde_json::from_str(body).unwrap();
    if state.tables.contains_key(&creation.name) {
        return refused(409, "AlreadyExistsException", "the table is there");
    }
    let mut properties = creation.properties;
    assert_eq!(properties.remove("format-version").as_deref(), Some("2"));
    let made = TableCreation::builder()
        .name(creation.name.clone())
        .location(format!("s3://{bucket}/warehouse/{}-{}", creation.name, uuid::Uuid::new_v4()))
        .schema(creation.schema)
        .partition_spec_opt(creation.partition_spec)
        .properties(properties)
        .format_version(FormatVersion::V2)
        .build();
    let metadata = TableMetadataBuilder::from_table_creation(made).unwrap().build().unwrap().metadata;
    state.tables.insert(creation.name.clone(), metadata);
    told(state, &creation.name)
}

fn commit(state: &mut State, name: &str, body: &str) -> Reply {
    let commit: Commit = serde_json::from_str(body).unwrap();
    let Some(metadata) = state.tables.get(name).cloned() else {
        return refused(404, "NoSuchTableException", "there is no such table");
    };
    if let Some(error) = commit.requirements.iter().find_map(|required| required.check(Some(&metadata)).err())
    {
        return refused(409, "CommitFailedException", &error.to_string());
    }
    state.versions += 1;
    let version = state.versions;
    state.tables.insert(name.to_owned(), applied(metadata, commit.updates, version));
    told(state, name)
}
