//! What the tests of systems have in common.

use futures::TryStreamExt as _;
use jiff::Timestamp;
use landfall::contract::Download;
use landfall::error::{Error, Result};
use landfall::export::{Export, ExportBody};
use landfall::job::{JobRecord, OutputFile};
use landfall::state::WorkState;
use landfall_http::scripted::Scripted;
use landfall_store::{Store, StoreSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a JSON object says, with these fields too or instead of its own.
pub(crate) fn read<T: DeserializeOwned>(mut object: Value, more: Value) -> serde_json::Result<T> {
    for (field, value) in serde_json::from_value::<serde_json::Map<_, _>>(more)? {
        object[field] = value;
    }
    serde_json::from_value(object)
}

/// What an event's export says, with this field too or instead of its own; what is refused, in its line.
pub(crate) fn checked<B: ExportBody>(
    export: Value,
    (field, value): (&str, Value),
    check: fn(&B) -> Result<()>,
) -> Result<B, String> {
    let more = Value::from_iter([(field, value)]);
    let export: B = read(export, more).map_err(|error| error.to_string())?;
    check(&export).map_err(|error| error.line())?;
    Ok(export)
}

/// A job of an export on the connection `demo`.
pub(crate) fn record(job_request_id: &str, export: Export) -> JobRecord {
    JobRecord {
        connection: "demo".parse().unwrap(),
        job_request_id: job_request_id.parse().unwrap(),
        export,
        destination: "lake".parse().unwrap(),
        landing_prefix: "x/".to_owned(),
        form: Default::default(),
        run_key: None,
        window: None,
        since: Timestamp::UNIX_EPOCH,
        usual_seconds: None,
        outage: None,
        failure: None,
        notice: None,
        overcome: Vec::new(),
    }
}

/// A job's only file, of which nothing is known but how it is found.
pub(crate) fn output_file(name: &str, locator: String) -> OutputFile {
    OutputFile {
        ordinal: 0,
        name: name.to_owned(),
        size: None,
        sha256: None,
        locator: Some(locator),
        is_log: false,
    }
}

/// A work bucket on a scripted server, its objects below `/work/`.
pub(crate) async fn work_at(server: &Scripted) -> WorkState {
    let store = StoreSettings {
        endpoint: Some(server.url("")),
        region: Some("us-east-1".to_owned()),
        access_key_id: Some("key".to_owned()),
        secret_access_key: Some("word".into()),
        ..StoreSettings::default()
    };
    WorkState::new(Store::open("work", &store).await)
}

/// The bytes of a download.
pub(crate) async fn content(download: Download) -> Result<Vec<u8>> {
    let pieces: Vec<bytes::Bytes> = download.body.try_collect().await?;
    Ok(pieces.concat())
}

/// The line of an error that has this name.
#[expect(clippy::needless_pass_by_value, reason = "a value made on the spot reads best")]
pub(crate) fn line(error: Error, name: &str) -> String {
    assert_eq!(error.error_type().name(), name, "{}", error.line());
    error.line()
}
