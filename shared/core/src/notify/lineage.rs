//! The events of `OpenLineage` (its specification, version 2-0-2) that a run's facts are.
//!
//! The job is the export, in the namespace of its system, and the run is the run: its id follows from the work bucket, the
//! connection and the run key, so that functions that know nothing of each other tell of one run.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fact::{Fact, Landed, Subject};
use crate::job::{Failure, ParentRun};

/// Who has made the events.
const PRODUCER: &str = concat!("urn:landfall:", env!("CARGO_PKG_VERSION"));

/// The schemas of the event and of its facets.
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PARENT: &str = "1-2-0/ParentRunFacet";
const NOMINAL_TIME: &str = "1-0-1/NominalTimeRunFacet";
const ERROR_MESSAGE: &str = "1-0-1/ErrorMessageRunFacet";
const COLUMNS: &str = "1-2-0/SchemaDatasetFacet";
const STATISTICS: &str = "1-0-2/OutputStatisticsOutputDatasetFacet";

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineageEvent {
    event_type: EventType,
    event_time: Timestamp,
    run: Run,
    job: Job,
    inputs: Vec<Dataset>,
    outputs: Vec<Dataset>,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum EventType {
    Start,
    Complete,
    Fail,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
    facets: Facets,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Job {
    namespace: String,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dataset {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Facets::is_empty")]
    facets: Facets,
    #[serde(skip_serializing_if = "Facets::is_empty")]
    output_facets: Facets,
}

/// Facets by their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
struct Facets(Map<String, Value>);

impl Facets {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn with(mut self, name: &str, schema: &str, fields: Option<Value>) -> Self {
        let Some(Value::Object(mut facet)) = fields else { return self };
        let of = schema.rsplit('/').next().unwrap_or_default();
        let schema = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{of}");
        facet.insert("_producer".to_owned(), PRODUCER.into());
        facet.insert("_schemaURL".to_owned(), schema.into());
        self.0.insert(name.to_owned(), facet.into());
        self
    }
}

/// The run's id: the same for each of its events, whoever sends it. `place` is the work bucket.
pub(super) fn run_id(place: &str, subject: &Subject) -> Uuid {
    let Subject { connection, run_key, job_request_id, .. } = subject;
    let run = match (run_key, job_request_id) {
        (Some(run_key), _) => format!("runs/{run_key}"),
        (None, Some(job)) => format!("jobs/{job}"),
        (None, None) => String::new(),
    };
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{place}{connection}/{run}").as_bytes())
}

impl LineageEvent {
    /// The event that a fact is.
    pub(super) fn of(subject: &Subject, fact: &Fact, run_id: Uuid, now: Timestamp) -> Self {
        let (event_type, event_time, failure, landed) = match fact {
            Fact::Submitted => (EventType::Start, subject.since.unwrap_or(now), None, None),
            Fact::Landed(landed) => (EventType::Complete, now, None, Some(&**landed)),
            Fact::Failed(failure) => (EventType::Fail, failure.last, Some(&**failure), None),
        };
        let namespace = match &subject.lineage {
            Some(lineage) => lineage.namespace.clone(),
            None => format!("landfall://{}", subject.connection),
        };
        let export = subject.export.as_ref().map_or("unknown", |export| export.name.as_str());
        let input = Dataset {
            namespace: namespace.clone(),
            name: export.to_owned(),
            facets: Facets::default(),
            output_facets: Facets::default(),
        };
        Self {
            event_type,
            event_time,
            run: Run { run_id: run_id.to_string(), facets: run_facets(subject, failure) },
            job: Job { namespace, name: format!("{}.{export}", subject.connection) },
            inputs: vec![input],
            outputs: landed.map(|landed| output(subject, landed)).into_iter().collect(),
            producer: PRODUCER,
            schema_url: SCHEMA,
        }
    }

    /// What it is called where it is kept.
    pub(super) fn name(&self) -> &'static str {
        match self.event_type {
            EventType::Start => "start",
            EventType::Complete => "complete",
            EventType::Fail => "fail",
        }
    }
}

fn run_facets(subject: &Subject, failure: Option<&Failure>) -> Facets {
    let parent = subject.lineage.as_ref().and_then(|lineage| lineage.parent.as_ref());
    let parent = parent.map(|ParentRun { namespace, name, run_id }| {
        json!({ "run": { "runId": run_id }, "job": { "namespace": namespace, "name": name } })
    });
    // The facet wants a beginning: a window of all rows before its end has none.
    let window = subject
        .window
        .as_ref()
        .and_then(|window| Some(json!({ "nominalStartTime": window.from?, "nominalEndTime": window.until })));
    let error = failure.map(|failure| {
        json!({ "message": format!("{}: {}", failure.error, failure.message), "programmingLanguage": "Rust" })
    });
    Facets::default().with("parent", PARENT, parent).with("nominalTime", NOMINAL_TIME, window).with(
        "errorMessage",
        ERROR_MESSAGE,
        error,
    )
}

fn output(subject: &Subject, landed: &Landed) -> Dataset {
    let fields: Vec<Value> = landed
        .columns
        .iter()
        .map(|(name, of_type)| json!({ "name": name, "type": of_type.to_string() }))
        .collect();
    let columns = (!fields.is_empty()).then(|| json!({ "fields": fields }));
    let mut statistics = json!({ "size": landed.totals.bytes, "fileCount": landed.totals.objects });
    if let (Some(rows), Some(statistics)) = (landed.totals.rows, statistics.as_object_mut()) {
        statistics.insert("rowCount".to_owned(), rows.into());
    }
    Dataset {
        namespace: landed.bucket.clone(),
        name: subject.folder.clone().unwrap_or_else(|| subject.connection.to_string()),
        facets: Facets::default().with("schema", COLUMNS, columns),
        output_facets: Facets::default().with("outputStatistics", STATISTICS, Some(statistics)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fact::samples::{failed, landed, now, subject};
    use super::*;
    use crate::error::ErrorType;
    use crate::job::{JobLineage, JobState};

    fn event(subject: &Subject, fact: &Fact) -> Value {
        let id = run_id("s3://work/", subject);
        serde_json::to_value(LineageEvent::of(subject, fact, id, now())).unwrap()
    }

    fn with_parent() -> Subject {
        let parent = ParentRun {
            namespace: "airflow".to_owned(),
            name: "nightly.carriers".to_owned(),
            run_id: "0190d4c8-0000-7000-8000-000000000001".to_owned(),
        };
        let lineage = JobLineage { namespace: "https://pod.example".to_owned(), parent: Some(parent) };
        Subject { lineage: Some(lineage), ..subject() }
    }

    /// The event of a job that has landed, to the field: columns, counts, window and parent.
    #[test]
    fn a_landing_completes_its_run() {
        let told = event(&with_parent(), &landed(JobState::Succeeded, 0));
        let facet = |schema: &str, mut fields: Value| {
            let of = schema.rsplit('/').next().unwrap();
            fields["_producer"] = json!(PRODUCER);
            fields["_schemaURL"] =
                json!(format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{of}"));
            fields
        };
        let parent = json!({
            "run": { "runId": "0190d4c8-0000-7000-8000-000000000001" },
            "job": { "namespace": "airflow", "name": "nightly.carriers" },
        });
        let window =
            json!({ "nominalStartTime": "2026-11-20T00:00:00Z", "nominalEndTime": "2026-11-21T00:00:00Z" });
        let fields =
            json!([{ "name": "ID", "type": "BIGINT" }, { "name": "AMOUNT", "type": "DECIMAL(12,2)" }]);
        let expected = json!({
            "eventType": "COMPLETE",
            "eventTime": "2026-11-21T06:10:00Z",
            "run": { "runId": told["run"]["runId"], "facets": {
                "parent": facet(PARENT, parent),
                "nominalTime": facet(NOMINAL_TIME, window),
            } },
            "job": { "namespace": "https://pod.example", "name": "fusion-prod.Carriers <&> *all*" },
            "inputs": [{ "namespace": "https://pod.example", "name": "Carriers <&> *all*" }],
            "outputs": [{
                "namespace": "s3://lake",
                "name": "fusion/fusion-prod/Carriers",
                "facets": { "schema": facet(COLUMNS, json!({ "fields": fields })) },
                "outputFacets": { "outputStatistics":
                    facet(STATISTICS, json!({ "size": 2_000_000, "fileCount": 7, "rowCount": 12_000 })) },
            }],
            "producer": PRODUCER,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        });
        assert_eq!(told, expected);
    }

    /// All events of a run are of one run, also those from before it had a job; other runs, and those of another work bucket,
    /// are others.
    #[test]
    fn the_events_of_a_run_agree() {
        let start = event(&subject(), &Fact::Submitted);
        assert_eq!(
            (&start["eventType"], &start["eventTime"]),
            (&json!("START"), &json!("2026-11-21T06:00:00Z"))
        );
        assert_eq!(start["outputs"], json!([]));
        let without_job = Subject { job_request_id: None, ..subject() };
        let fail = event(&without_job, &failed(ErrorType::Rejected));
        assert_eq!(fail["eventType"], "FAIL");
        let message = fail["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
        assert!(message.starts_with("Rejected: member"), "{message}");
        assert_eq!(fail["run"]["runId"], start["run"]["runId"]);
        assert_eq!(fail["job"], start["job"]);
        let other = Subject { run_key: Some("other".parse().unwrap()), ..subject() };
        assert_ne!(run_id("s3://work/", &other), run_id("s3://work/", &subject()));
        assert_ne!(run_id("s3://elsewhere/", &subject()), run_id("s3://work/", &subject()));
    }
}
