//! Logs as JSON lines.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged where nothing is said: all that landfall says, and warnings of the libraries below it.
const USUAL: &str = "warn,landfall=info,submit=info,poll_status=info,fetch_files=info,unpack_upload=info,publish=info,\
    register_table=info,sweep=info,verify=info";

/// Libraries that put whole requests into their finer lines: what signs them, session tokens, keys of objects.
const TELL_TOO_MUCH: [&str; 7] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "s3s", "tower"];

/// Logs to stderr, one JSON object a line, from the level that `LANDFALL_LOG` names (default `info`). Whatever it
/// names, the libraries that speak to stores and sources say nothing below `info`: their lines hold signed requests.
///
/// The fields of a line: `timestamp`, `level`, `message`, what the event says, and those of the step that it
/// happened in: `step`, `connection`, `job_request_id`, `run_key`.
pub fn log_json() {
    let filter = std::env::var("LANDFALL_LOG").ok().and_then(|filter| filter.parse().ok());
    // Whoever has set a subscriber before us wants that one.
    let _ = json_lines(filter.unwrap_or_else(usual), std::io::stderr).try_init();
}

fn usual() -> Targets {
    // It is a constant that a test reads: it can be parsed.
    USUAL.parse().unwrap_or_default()
}

fn json_lines<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(LevelFilter::TRACE)
        .with_writer(writer)
        .finish()
        .with(filter)
        .with(filter_fn(may_be_said))
}

fn may_be_said(line: &Metadata<'_>) -> bool {
    !is_of_a_client(line) || *line.level() <= Level::INFO
}

/// Whether a line is of the libraries that speak to stores and sources: what of it matters to a person is in the error of
/// the call.
pub fn is_of_a_client(line: &Metadata<'_>) -> bool {
    let library = line.target().split("::").next().unwrap_or_default();
    // The SDK is many crates, and gets more.
    library.starts_with("aws_") || TELL_TOO_MUCH.contains(&library)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;

    use super::*;
    use landfall_http::scripted::{Reply, Scripted};
    use landfall_store::{Condition, Store, StoreSettings};

    /// What a step says of its own is logged, wherever it runs: each step is a crate, and so a target, of its own.
    #[test]
    fn every_step_is_heard_where_nothing_is_said() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for step in std::fs::read_dir(root.join("functions")).unwrap() {
            let name = step.unwrap().file_name().into_string().unwrap().replace('-', "_");
            assert!(USUAL.split(',').any(|directive| directive == format!("{name}=info")), "{name}");
            assert!(usual().would_enable(&name, &Level::INFO), "{name}");
        }
        let template = std::fs::read_to_string(root.join("template.yaml")).unwrap();
        assert!(template.contains(&format!("Default: {USUAL}\n")), "template.yaml, LogFilter");
    }

    /// Lines that a test reads.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a write to a store, where a person asks for these lines.
    async fn logged(filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = json_lines(filter.parse().unwrap(), move || writer.clone());
        let server = Scripted::replies(vec![Reply::status(200).header("ETag", "\"e\"")]).await;
        let settings = StoreSettings {
            endpoint: Some(server.url("")),
            region: Some("eu-central-1".to_owned()),
            access_key_id: Some("keyid".to_owned()),
            secret_access_key: Some("sesame-open".into()),
            ..StoreSettings::default()
        };
        let _guard = tracing::subscriber::set_default(subscriber);
        let store = Store::open("bucket", &settings).await;
        store.put("a.csv", Bytes::from_static(b"a,b\n"), Condition::Absent).await.unwrap();
        assert!(server.seen()[0].header("authorization").starts_with("AWS4-HMAC-SHA256"));
        tracing::trace!("our own line");
        tracing::warn!(target: "aws_config::profile", "a warning of theirs");
        let lines = lines.0.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    /// Promise 7: no signed request reaches a log, whatever lines a person asks for.
    #[tokio::test]
    async fn signed_requests_are_not_logged() {
        for filter in
            ["trace", "aws_smithy_runtime::client::orchestrator=trace,aws_sigv4=trace,landfall=trace,warn"]
        {
            let said = logged(filter).await;
            for secret in ["AWS4-HMAC-SHA256", "sesame-open", "keyid", "authorization"] {
                assert!(!said.contains(secret), "{filter}: {said}");
            }
            assert!(
                said.contains("our own line") && said.contains("a warning of theirs"),
                "{filter}: {said}"
            );
        }
    }
}
