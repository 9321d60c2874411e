//! Promise 7: a secret, a token, a cookie or a presigned link's signature is in nothing that is written, whatever a
//! source answers. Each source is made to repeat every secret that it has been told, at each call of a run and in every
//! manner; then everything that the run wrote is searched: objects, their keys and metadata, errors, results, what the
//! parts of the program tell of themselves, and the log at its finest.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use landfall::context::Context;
use landfall_http::scripted::{Reply, Scripted};
use landfall_tests::echo::{Echo, Manner, spellings};
use landfall_tests::systems::{EPM_JOB, FOLIO_EXPORT, FUSION_EXTRACT, FUSION_REST, System};
use landfall_tests::{Setup, World, land, say, toml_text};
use simulator::credentials;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

/// A system, and how one signs in to it.
struct Case {
    name: &'static str,
    system: System,
    auth: Option<String>,
    epm: Option<String>,
}

impl Case {
    fn setup(&self) -> Setup {
        Setup {
            scenario: Some((self.system.small)()),
            auth: self.auth.clone(),
            epm: self.epm.clone(),
            ..Setup::default()
        }
    }
}

fn cases() -> Vec<Case> {
    let id = credentials::CLIENT_ID;
    let secret = toml_text(credentials::CLIENT_SECRET);
    let (user, password) = (credentials::USERNAME, toml_text(credentials::PASSWORD));
    let (key, key_id) = (toml_text(credentials::PRIVATE_KEY_PEM), credentials::KEY_ID);
    let fusion = |grant: String| {
        Some(format!(
            "[connections.fusion-demo.auth]\ntoken_url = \"{{token_url}}\"\nclient_id = '{id}'\nclient_secret = {secret}\n{grant}"
        ))
    };
    let by_refresh_token = format!(
        "base_url = \"{{base_url}}\"\nscope = '{}'\njob = {{ timeout_seconds = 900 }}\nauth = {{ grant = 'refresh_token', \
         token_url = \"{{token_url}}\", client_id = '{id}', client_secret = {secret}, refresh_token = '{{refresh_token}}' }}",
        credentials::EPM_SCOPE
    );
    let case = |name, system| Case { name, system, auth: None, epm: None };
    vec![
        case("folio_export", FOLIO_EXPORT),
        case("fusion_extract by client credentials", FUSION_EXTRACT),
        Case {
            auth: fusion(format!("grant = 'password'\nusername = '{user}'\npassword = {password}")),
            ..case("fusion_extract by password", FUSION_EXTRACT)
        },
        Case {
            auth: fusion(format!(
                "grant = 'jwt_bearer'\nusername = '{user}'\nprivate_key = {key}\nkey_id = '{key_id}'"
            )),
            ..case("fusion_rest by assertion", FUSION_REST)
        },
        case("epm_job by user", EPM_JOB),
        Case { epm: Some(by_refresh_token), ..case("epm_job by refresh token", EPM_JOB) },
    ]
}

/// The secret of the configuration that only signs: the source never sees it.
fn never_sent() -> impl Iterator<Item = String> {
    credentials::PRIVATE_KEY_PEM.lines().filter(|line| !line.starts_with('-')).map(str::to_owned)
}

/// Where somebody is told of a run, and what a collector of events is shown.
const WEBHOOK: &str = "/services/T0SECRET/B0SECRET/SECRETOFAWEBHOOK";
const COLLECTOR: &str = "/api/SECRETOFACOLLECTOR";
const TOKEN: &str = "TOKENOFACOLLECTOR";

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes everything that the steps log, and of the libraries what is not below `info`: that their finer lines are
    /// left out is tested where it is done.
    fn begun() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter_fn(is_told)));
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber in this process");
        log
    }

    fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn is_told(line: &Metadata<'_>) -> bool {
    const OWN: [&str; 8] =
        ["landfall", "submit", "poll_status", "fetch_files", "unpack_upload", "publish", "sweep", "verify"];
    let library = line.target().split("::").next().unwrap_or_default();
    OWN.contains(&library) || *line.level() <= Level::INFO
}

/// Something that was written, and where.
type Written = (String, Vec<u8>);

/// Everything below a folder: names and contents.
fn files(folder: &Path, found: &mut Vec<Written>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push((name.clone(), std::fs::read(&path).unwrap())),
        }
        found.push((format!("the name of {name}"), name.into_bytes()));
    }
}

/// What a run came to, in all the words that there are for it.
fn told(context: &Context, came: &landfall::Result<publish::Published>) -> Vec<Written> {
    let of = |place: &str, text: String| (place.to_owned(), text.into_bytes());
    let mut told = vec![of("the context", format!("{context:?}"))];
    match came {
        Ok(published) => told.push(of("the result", serde_json::to_string(published).unwrap())),
        Err(error) => {
            told.push(of("the error", error.line()));
            told.push(of("the error's inner side", format!("{error:?} {error:#?}")));
        }
    }
    told
}

/// Whether a file of the store is what the source has put out: rows, and logs of its own. That lands to the byte, and
/// whoever writes a secret into it has published it. What landfall writes of its own is all JSON.
fn is_output(place: &str) -> bool {
    let is_landed = place.contains("/landing/") && !place.ends_with("/_manifest.json");
    let is_staged = place.contains("/staged/") && !place.ends_with(".json");
    !place.starts_with("the name of") && (is_landed || is_staged)
}

/// A report without its excerpt of the source's own log, which is output, too: only what looks like a credential is masked
/// in it.
fn without_log(page: &str) -> Cow<'_, str> {
    let Some((before, behind)) = page.split_once("<section id=\"log\"") else { return page.into() };
    let (_, behind) = behind.split_once("</section>").unwrap();
    format!("{before}{behind}").into()
}

fn assert_holds_none(written: &[Written], secrets: &BTreeSet<String>, case: &str) {
    let spelt: BTreeSet<String> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
    for (place, bytes) in written {
        let text = String::from_utf8_lossy(bytes);
        let text = match place.ends_with("/report.html") {
            true => without_log(&text),
            false => text,
        };
        for spelling in &spelt {
            let Some(at) = text.find(spelling.as_str()) else { continue };
            let before: String =
                text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{case}: {place} holds {spelling}, behind {before:?}");
        }
    }
}

/// A run that its source answers so from a call on; how many calls it made, and how often it wrote something.
async fn run(case: &Case, log: &Log, call: usize, manner: Manner) -> (usize, usize, Option<&'static str>) {
    let world = World::new(case.setup()).await;
    let echo = Echo::from(call, manner);
    let receiver = Scripted::start(|seen, _| Reply::status(500).body(format!("no {}", seen.target))).await;
    echo.leave_alone(&receiver.host());
    let (webhook, collector) = (receiver.url(WEBHOOK), receiver.url(COLLECTOR));
    let receivers = format!(
        "[lineage]\nurl = '{collector}'\ntoken = '{TOKEN}'\n\
         [[destinations.lake.notify]]\nwebhook = '{webhook}'\non = ['landed', 'failed', 'refused', 'landed_partly']"
    );
    let context =
        world.configured_anew(|config| format!("{config}\n{receivers}")).with_transport(echo.wrap());
    let came = Box::pin(land(&context, (case.system.event)())).await;

    let mut written = told(&context, &came);
    files(world.folder.path(), &mut written);
    written.push(("the log".to_owned(), log.taken()));
    // A success in whatever shape is a file where a file was asked for.
    if matches!(manner, Manner::Shape | Manner::InItsWords | Manner::InItsStatus) {
        written.retain(|(place, _)| !is_output(place));
    }
    let mut secrets = echo.secrets();
    secrets.extend(never_sent());
    let configured = [credentials::CLIENT_SECRET, credentials::PASSWORD, credentials::FOLIO_PASSWORD];
    secrets.extend(configured.map(str::to_owned));
    secrets.insert(world.store_secret().to_owned());
    secrets.extend([WEBHOOK, COLLECTOR, TOKEN].map(str::to_owned));
    assert_holds_none(&written, &secrets, &format!("{}, call {call}, {manner:?}", case.name));
    world.end().await;
    (echo.calls(), written.len(), came.err().map(|error| error.error_type().name()))
}

/// In which manners a call is answered: each call in some of them, each manner at some of the calls.
fn manners_at(call: usize) -> impl Iterator<Item = Manner> {
    const ONE_IN: usize = 3;
    Manner::ALL
        .into_iter()
        .enumerate()
        .filter(move |(manner, _)| (manner + call).is_multiple_of(ONE_IN))
        .map(|at| at.1)
}

/// Nothing that a faulty run writes holds a secret.
#[tokio::test]
async fn nothing_that_is_written_holds_a_secret() {
    let log = Log::begun();
    let (mut runs, mut searched) = (0, 0);
    for case in cases() {
        let (calls, _, error) = run(&case, &log, usize::MAX, Manner::Words).await;
        assert_eq!(error, None, "{}: undisturbed", case.name);
        let mut failed = BTreeSet::new();
        for call in 1..=calls {
            for manner in manners_at(call) {
                let (_, written, error) = run(&case, &log, call, manner).await;
                runs += 1;
                searched += written;
                failed.extend(error);
            }
        }
        assert!(failed.len() > 2, "{}: the faults did nothing: {failed:?}", case.name);
        say(&format!(
            "secrets: {}: {calls} calls, answered in {} manners: {failed:?}",
            case.name,
            Manner::ALL.len()
        ));
    }
    say(&format!("secrets: {runs} faulty runs, {searched} written things searched, none holds a secret"));
}

/// The test's own means: what is repeated in one of the ways of writing it is found.
#[test]
fn a_written_secret_is_found() {
    let secrets = BTreeSet::from(["marked/secret+é".to_owned()]);
    for spelling in spellings("marked/secret+é") {
        let written = [("a place".to_owned(), format!("said: {spelling}.").into_bytes())];
        let found = std::panic::catch_unwind(|| assert_holds_none(&written, &secrets, "case"));
        assert!(found.is_err(), "{spelling}");
    }
}
