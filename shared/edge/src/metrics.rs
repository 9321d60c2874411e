//! Metrics, as log lines in CloudWatch's embedded metric format.
//!
//! The names are bounded: a namespace a stack, and as dimensions the steps and the error names. What is unbounded
//! (connections, exports, jobs) is in the log lines, where it can be searched for and costs nothing by its number.

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use landfall::Error;
use landfall::metrics::{Measure, Measured};

/// The environment variable that names the namespace. Where it is not set, nothing is measured.
const NAMESPACE: &str = "LANDFALL_METRICS";

/// Where the metrics of a step go.
#[derive(Debug, Clone)]
pub struct Metrics {
    step: &'static str,
    namespace: Option<String>,
}

impl Metrics {
    /// The metrics of a step, in the namespace that `LANDFALL_METRICS` names.
    pub fn from_environment(step: &'static str) -> Self {
        Self { step, namespace: std::env::var(NAMESPACE).ok().filter(|name| !name.is_empty()) }
    }

    /// Tells what there is to measure of an answer.
    pub fn tell_answer(&self, answer: &impl Measured, now: Timestamp) {
        tell(self.of_answer(answer, now));
    }

    /// Tells that an invocation has failed.
    pub fn tell_failure(&self, error: &Error, now: Timestamp) {
        tell(self.of_failure(error, now));
    }

    fn of_answer(&self, answer: &impl Measured, now: Timestamp) -> Option<Value> {
        let measures = answer.measures();
        let line = self.line(&[&["step"]], &measures, now)?;
        (!measures.is_empty()).then_some(line)
    }

    /// By error and by step, and not by both: 16 and 6 metrics instead of 96.
    fn of_failure(&self, error: &Error, now: Timestamp) -> Option<Value> {
        let measures = [
            Measure::count("failures", 1),
            Measure::count("failures_to_retry", u64::from(error.retryable())),
        ];
        let mut line = self.line(&[&["step"], &["error"]], &measures, now)?;
        line.as_object_mut()?.insert("error".to_owned(), error.error_type().name().into());
        Some(line)
    }

    /// The line, as CloudWatch Logs reads it (its user guide, "Specification: Embedded metric format").
    fn line(&self, dimensions: &[&[&str]], measures: &[Measure], now: Timestamp) -> Option<Value> {
        let namespace = self.namespace.as_ref()?;
        let metrics: Vec<_> =
            measures.iter().map(|measure| json!({ "Name": measure.name, "Unit": measure.unit })).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics }],
            }),
        );
        line.insert("step".to_owned(), self.step.into());
        for measure in measures {
            line.insert(measure.name.to_owned(), measure.value.into());
        }
        Some(Value::Object(line))
    }
}

/// What is told of metrics is worth less than what they are about: a line that cannot be written is lost.
fn tell(line: Option<Value>) {
    if let Some(line) = line {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answer(Vec<Measure>);

    impl Measured for Answer {
        fn measures(&self) -> Vec<Measure> {
            self.0.clone()
        }
    }

    fn metrics(namespace: Option<&str>) -> Metrics {
        Metrics { step: "publish", namespace: namespace.map(str::to_owned) }
    }

    fn now() -> Timestamp {
        Timestamp::from_millisecond(1_795_000_000_123).unwrap()
    }

    /// A line is what CloudWatch's specification asks for: each metric and each dimension is a field of the line.
    #[test]
    fn every_metric_and_dimension_is_a_field() {
        let answer = Answer(vec![Measure::count("jobs_landed", 1), Measure::bytes("bytes_landed", 1 << 40)]);
        let line = metrics(Some("landfall/prod")).of_answer(&answer, now()).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_795_000_000_123_i64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "landfall/prod");
        assert_eq!(directive["Dimensions"], json!([["step"]]));
        assert_eq!(directive["Metrics"][1], json!({ "Name": "bytes_landed", "Unit": "Bytes" }));
        assert_eq!((&line["step"], &line["jobs_landed"]), (&json!("publish"), &json!(1)));
        assert_eq!(line["bytes_landed"], 1_u64 << 40);
    }

    /// Names are bounded: of an error its stable name is a dimension, never its message, which may hold anything.
    #[test]
    fn a_failure_is_counted_by_its_name_alone() {
        let error = Error::throttled("429 from fusion-prod").because(std::io::Error::other("job 44046"));
        let line = metrics(Some("landfall")).of_failure(&error, now()).unwrap();
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["step"], ["error"]]));
        assert_eq!((&line["error"], &line["failures_to_retry"]), (&json!("Throttled"), &json!(1)));
        let text = line.to_string();
        assert!(!text.contains("fusion-prod") && !text.contains("44046"), "{text}");
        let line = metrics(Some("landfall")).of_failure(&Error::conflict("two"), now()).unwrap();
        assert_eq!(line["failures_to_retry"], 0);
    }

    /// Nothing is written where nobody asked for metrics, nor of an answer that has none.
    #[test]
    fn without_a_namespace_nothing_is_measured() {
        let answer = Answer(vec![Measure::count("jobs_landed", 1)]);
        assert_eq!(metrics(None).of_answer(&answer, now()), None);
        assert_eq!(metrics(None).of_failure(&Error::conflict("two"), now()), None);
        assert_eq!(metrics(Some("landfall")).of_answer(&Answer(Vec::new()), now()), None);
    }
}
