//! Dagster Pipes: a run that Dagster has started says how far it is, what has landed, and how it has ended.
//!
//! The protocol is that of Dagster's package `dagster-pipes`, version 0.1 of its messages: two variables of the environment,
//! each JSON, deflated (zlib) and in base64, say what the run is of and where its messages go; each message is a line of
//! JSON.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use landfall::event::JobEvent;
use landfall::{Error, Result};
use publish::Published;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What the run is of.
const CONTEXT: &str = "DAGSTER_PIPES_CONTEXT";
/// Where its messages go.
const MESSAGES: &str = "DAGSTER_PIPES_MESSAGES";

/// The version of the messages.
const VERSION: &str = "0.1";

/// More than any context has, of which the environment may hold a small part.
const MAX_CONTEXT: u64 = 64 << 20;

/// Where messages go, as the environment says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct MessagesParams {
    path: Option<PathBuf>,
    #[serde(alias = "buffered_stdio")]
    stdio: Option<Stream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stream {
    Stdout,
    Stderr,
}

/// Where the context is, as the environment says it.
#[derive(Debug, Deserialize)]
struct ContextParams {
    path: Option<PathBuf>,
    data: Option<RunContext>,
}

/// What of the context is of interest.
#[derive(Debug, Default, Deserialize)]
struct RunContext {
    asset_keys: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Channel {
    File(PathBuf),
    Stream(Stream),
}

/// The way to the Dagster that has started this run.
#[derive(Debug)]
pub(crate) struct Pipes {
    asset_keys: Vec<String>,
    channel: Channel,
}

impl Pipes {
    /// Opens it, where Dagster has started this run.
    ///
    /// # Errors
    /// `InvalidConfig`: the variables are not what Dagster puts there.
    pub(crate) fn from_environment() -> Result<Option<Self>> {
        let (Ok(context), Ok(messages)) = (std::env::var(CONTEXT), std::env::var(MESSAGES)) else {
            return Ok(None);
        };
        let pipes = Self::of(&context, &messages)?;
        pipes.write("opened", &json!({ "extras": {} }));
        Ok(Some(pipes))
    }

    fn of(context: &str, messages: &str) -> Result<Self> {
        let context = match decoded::<ContextParams>(CONTEXT, context)? {
            ContextParams { path: Some(path), .. } => {
                let text = std::fs::read(&path).map_err(|error| {
                    Error::invalid_config(format!("{CONTEXT} names {}, which cannot be read", path.display()))
                        .because(error)
                })?;
                parsed::<RunContext>(CONTEXT, &text)?
            }
            ContextParams { data: Some(data), .. } => data,
            ContextParams { .. } => return Err(invalid(CONTEXT, "it has neither path nor data")),
        };
        let channel = match decoded::<MessagesParams>(MESSAGES, messages)? {
            MessagesParams { path: Some(path), .. } => Channel::File(path),
            MessagesParams { stdio: Some(stream), .. } => Channel::Stream(stream),
            MessagesParams { .. } => {
                return Err(invalid(
                    MESSAGES,
                    "it has neither path nor stdio: choose another message reader",
                ));
            }
        };
        Ok(Self { asset_keys: context.asset_keys.unwrap_or_default(), channel })
    }

    /// Says how far the run is.
    pub(crate) fn log(&self, level: &str, text: &str) {
        self.write("log", &json!({ "message": text, "level": level }));
    }

    /// Says what has landed: of the one asset that the run is of, or else in words.
    pub(crate) fn landed(&self, job: &JobEvent, published: &Published, manifest: &str) {
        let totals = &published.totals;
        let metadata = json!({
            "connection": value("text", job.connection.as_str()),
            "job_request_id": value("text", job.job_request_id.as_str()),
            "manifest": value("path", manifest),
            "state": value("text", published.state),
            "objects": value("int", totals.objects),
            "bytes": value("int", totals.bytes),
            "rows": value(if totals.rows.is_some() { "int" } else { "null" }, totals.rows),
            "already_landed": value("bool", published.already_published),
        });
        match self.asset_keys.as_slice() {
            [asset] => self.write(
                "report_asset_materialization",
                &json!({ "asset_key": asset, "data_version": null, "metadata": metadata }),
            ),
            _ => {
                self.log("INFO", &format!("landed: {} on {}: {manifest}", job.job_request_id, job.connection))
            }
        }
    }

    /// Says how the run has ended: with which failure, by its name and its line, if with one.
    pub(crate) fn closed(&self, failure: Option<(&str, String)>) {
        let params = match failure {
            Some((name, line)) => json!({ "exception": {
                "message": line, "stack": [], "name": name, "cause": null, "context": null,
            } }),
            None => json!({}),
        };
        self.write("closed", &params);
    }

    fn write(&self, method: &str, params: &Value) {
        let line = format!(
            "{}\n",
            json!({ "__dagster_pipes_version": VERSION, "method": method, "params": params })
        );
        let written = match &self.channel {
            Channel::File(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
            Channel::Stream(Stream::Stdout) => io::stdout().write_all(line.as_bytes()),
            Channel::Stream(Stream::Stderr) => io::stderr().write_all(line.as_bytes()),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "Dagster was not told how the run goes");
        }
    }
}

fn value(of_type: &str, raw: impl serde::Serialize) -> Value {
    json!({ "raw_value": raw, "type": of_type })
}

fn decoded<T: DeserializeOwned>(variable: &str, text: &str) -> Result<T> {
    let compressed = STANDARD.decode(text).map_err(|_| invalid(variable, "it is not base64"))?;
    let mut json = Vec::new();
    let inflated = ZlibDecoder::new(compressed.as_slice()).take(MAX_CONTEXT).read_to_end(&mut json);
    inflated.map_err(|_| invalid(variable, "it is not compressed by zlib"))?;
    parsed(variable, &json)
}

fn parsed<T: DeserializeOwned>(variable: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| invalid(variable, "it does not fit").because(error))
}

fn invalid(variable: &str, reason: &str) -> Error {
    Error::invalid_config(format!("{variable} is not what Dagster Pipes puts there: {reason}"))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use landfall::ErrorType;
    use landfall::job::{JobState, Totals};

    use super::*;

    fn encoded(value: &Value) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(value.to_string().as_bytes()).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    fn published() -> (JobEvent, Published) {
        let job = JobEvent {
            connection: "fusion-demo".parse().unwrap(),
            job_request_id: "44046".parse().unwrap(),
            destination: None,
        };
        let published = Published {
            bucket: "landing".to_owned(),
            manifest_key: "k".to_owned(),
            state: JobState::Succeeded,
            totals: Totals { objects: 7, bytes: 2000, rows: Some(12) },
            already_published: false,
            notify_source: false,
            register_table: false,
            schema_changes: None,
        };
        (job, published)
    }

    /// The messages of a run, in the protocol's words: opened, how far it is, what has landed, closed with what went wrong.
    #[test]
    fn messages_are_those_of_the_protocol() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("messages");
        let context =
            encoded(&json!({ "data": { "asset_keys": ["carriers"], "run_id": "r", "extras": {} } }));
        let pipes = Pipes::of(&context, &encoded(&json!({ "path": path }))).unwrap();
        let (job, published) = published();
        pipes.log("INFO", "fetching files");
        pipes.landed(&job, &published, "s3://landing/k");
        pipes.closed(Some(("Rejected", "no such extract".to_owned())));
        let text = std::fs::read_to_string(&path).unwrap();
        let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(messages.iter().all(|message| message["__dagster_pipes_version"] == "0.1"));
        assert_eq!(messages[0]["params"], json!({ "message": "fetching files", "level": "INFO" }));
        let materialization = &messages[1];
        assert_eq!(materialization["method"], "report_asset_materialization");
        assert_eq!(materialization["params"]["asset_key"], "carriers");
        let metadata = &materialization["params"]["metadata"];
        assert_eq!(metadata["rows"], json!({ "raw_value": 12, "type": "int" }));
        assert_eq!(metadata["manifest"], json!({ "raw_value": "s3://landing/k", "type": "path" }));
        let exception = &messages[2]["params"]["exception"];
        assert_eq!(
            (&exception["name"], &exception["message"]),
            (&json!("Rejected"), &json!("no such extract"))
        );
    }

    /// A run of several assets, or of none, has no asset to report; a context may be in a file.
    #[test]
    fn a_run_of_several_assets_says_in_words_what_has_landed() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, context) = (folder.path().join("messages"), folder.path().join("context"));
        std::fs::write(&context, json!({ "asset_keys": ["a", "b"], "run_id": "r" }).to_string()).unwrap();
        let context = encoded(&json!({ "path": context }));
        let pipes = Pipes::of(&context, &encoded(&json!({ "path": path }))).unwrap();
        let (job, published) = published();
        pipes.landed(&job, &published, "s3://landing/k");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"method\":\"log\"") && text.contains("s3://landing/k"), "{text}");
        let pipes = Pipes::of(&context, &encoded(&json!({ "stdio": "stderr" }))).unwrap();
        assert_eq!(pipes.channel, Channel::Stream(Stream::Stderr));
    }

    /// What is in the variables and is none of Dagster's is named.
    #[test]
    fn what_is_no_context_is_named() {
        let well = encoded(&json!({ "data": {} }));
        for (context, messages) in [
            ("%", well.as_str()),
            ("eA==", well.as_str()),
            (well.as_str(), well.as_str()),
            (encoded(&json!({})).as_str(), well.as_str()),
        ] {
            let error = Pipes::of(context, messages).unwrap_err();
            assert_eq!(error.error_type(), ErrorType::InvalidConfig);
            assert!(error.line().contains("DAGSTER_PIPES_"), "{}", error.line());
        }
    }
}
