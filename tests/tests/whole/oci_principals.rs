//! The principals of Oracle's cloud over whole runs: a job of twenty minutes lands, with its state there, though every token
//! that its calls are signed by is over after a few.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use embedded_store::Sessions;
use jiff::{SignedDuration, Timestamp};
use landfall::clock::{Clock, ManualClock};
use landfall_http::auth::oci::{Environment, PrincipalSettings, testing};
use landfall_http::scripted::{Reply, Scripted, Seen};
use landfall_tests::clock::ToldClock;
use landfall_tests::elsewhere::oci_user;
use landfall_tests::{Setup, World, assert_landed, land, run_event, say};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a token is good: less than what opened stores are used for, so that each must be renewed in use.
const LIFE: SignedDuration = SignedDuration::from_secs(200);
/// How often somebody writes the next one, where somebody does.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(150);
/// How long the job runs: so many polls, at most half a minute apart, at each of three statuses.
const RUN: Duration = Duration::from_secs(20 * 60);
const POLLS_PER_STATUS: u32 = 25;

/// Who gives tokens, and has the store let them in.
struct Issuer {
    sessions: Arc<Sessions>,
    issued: AtomicU64,
}

impl Issuer {
    fn issue(&self, now: Timestamp, public_key: &[u8]) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let until = now + LIFE;
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = part(json!({ "exp": until.as_second(), "jti": number.to_string() }));
        let token = format!("{}.{claims}.c2ln", part(json!({ "alg": "RS256" })));
        self.sessions.admit(&token, public_key, until).unwrap();
        token
    }

    /// A token for the key that a call brings in base64.
    fn issue_for(&self, now: Timestamp, seen: &Seen, field: &str) -> String {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        self.issue(now, &BASE64.decode(body[field].as_str().unwrap()).unwrap())
    }
}

/// A file that somebody keeps a good token in.
struct TokenFile {
    issuer: Arc<Issuer>,
    path: PathBuf,
    /// When the next token is written, and what is in the file.
    state: Mutex<(Timestamp, String)>,
    /// When the file's token is refused from then on though it is not over, and another is there.
    revoked_at: Option<Timestamp>,
}

impl TokenFile {
    fn new(
        issuer: &Arc<Issuer>,
        folder: &Path,
        now: Timestamp,
        revoked_after: Option<SignedDuration>,
    ) -> Self {
        let file = Self {
            issuer: Arc::clone(issuer),
            path: folder.join("token"),
            state: Mutex::new((now, String::new())),
            revoked_at: revoked_after.map(|after| now + after),
        };
        file.comes(now);
        file
    }

    /// What is done when this time has come.
    fn comes(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap();
        let is_revoked = self.revoked_at.is_some_and(|at| now >= at && state.0 < at + WRITTEN_EVERY);
        if is_revoked {
            self.issuer.sessions.revoke(&state.1);
        }
        if is_revoked || now >= state.0 {
            let token = self.issuer.issue(now, &testing::public_der());
            let next = self.path.with_extension("next");
            fs::write(&next, &token).unwrap();
            fs::rename(&next, &self.path).unwrap();
            let written_at = if is_revoked { self.revoked_at.unwrap() } else { now };
            *state = (written_at.max(now) + WRITTEN_EVERY, token);
        }
    }
}

/// A world in whose store the run calls as another principal than whoever looks at it.
struct Stage {
    world: World,
    issuer: Arc<Issuer>,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let sessions = Arc::new(Sessions::default());
        let setup = Setup {
            in_oci: true,
            one_clock: true,
            sessions: Arc::clone(&sessions),
            faults: json!({ "status": { "polls_per_status": POLLS_PER_STATUS } }),
            ..Setup::default()
        };
        let issuer = Arc::new(Issuer { sessions, issued: AtomicU64::new(0) });
        Self { world: World::new(setup).await, issuer, folder: tempfile::tempdir().unwrap() }
    }

    fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.world.clock)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the job as a principal, by a clock that tells somebody how time goes by. Returns how many tokens there were, and
    /// how many calls were refused.
    async fn lands(
        self,
        auth: &str,
        environment: &[(&str, &str)],
        token_url: Option<url::Url>,
        told: impl Fn(Timestamp) + Send + Sync + 'static,
    ) -> (u64, u64) {
        let Self { world, issuer, .. } = self;
        let began = world.clock.now();
        let profile = format!("config_file = '{}'", oci_user().config_file.display());
        let context = world.configured_by(ToldClock::of(&world.clock, told), |config| {
            assert_eq!(config.matches(&profile).count(), 3, "{config}");
            let config = config.replace(&profile, &format!("auth = '{auth}'"));
            config.replace("timeout_seconds = 900", "timeout_seconds = 3600")
        });
        let caller = PrincipalSettings {
            environment: Environment::of(environment.iter().copied()),
            token_url,
            ..PrincipalSettings::default()
        };
        let context = context.calling_oci_as(caller);
        let published =
            land(&context, run_event()).await.unwrap_or_else(|error| panic!("{auth}: {}", error.line()));
        let job = published.manifest_key.rsplit('/').nth(1).unwrap().parse().unwrap();
        assert_landed(&world, job, auth).await;
        let took = Duration::try_from(world.clock.now().duration_since(began)).unwrap();
        assert!(took >= RUN, "{auth}: {took:?}");
        let issued = issuer.issued.load(Ordering::Relaxed);
        assert_eq!(
            issuer.sessions.used(),
            (issued as usize, issued as usize),
            "{auth}: tokens, and tokens used"
        );
        // None lives as long as an opened store is used: each must have been followed by another in time.
        let least = took.as_secs() / LIFE.as_secs().unsigned_abs();
        assert!(issued > least, "{auth}: {issued} tokens in {took:?}");
        say(&format!("{auth}: a run of {} s as {issued} tokens, of {LIFE:?} each", took.as_secs()));
        world.end().await;
        (issued, issuer.sessions.refused())
    }
}

/// A session of `oci session authenticate`, whose token somebody refreshes beside the run.
#[tokio::test]
async fn a_run_outlives_the_tokens_of_a_session() {
    let stage = Stage::new().await;
    let file = TokenFile::new(&stage.issuer, stage.folder.path(), stage.clock().now(), None);
    let key = stage.file("key.pem", testing::PEM);
    let (token_file, region) = (file.path.display(), testing::REGION);
    let profile = format!("[DEFAULT]\nregion={region}\nkey_file={key}\nsecurity_token_file={token_file}\n");
    let config = stage.file("config", &profile);
    let environment = [("OCI_CONFIG_FILE", config.as_str())];
    let (_, refused) = stage.lands("profile", &environment, None, move |now| file.comes(now)).await;
    assert_eq!(refused, 0);
}

/// A function's resource principal, whose files are rewritten under the run; one token is refused before it is over.
#[tokio::test]
async fn a_run_outlives_the_tokens_of_a_resource_principal() {
    let stage = Stage::new().await;
    let in_the_middle = Some(SignedDuration::from_secs(560));
    let file = TokenFile::new(&stage.issuer, stage.folder.path(), stage.clock().now(), in_the_middle);
    let key = stage.file("key.pem", testing::PEM);
    let token = file.path.to_str().unwrap().to_owned();
    let environment = [
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2"),
        ("OCI_RESOURCE_PRINCIPAL_RPST", token.as_str()),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", key.as_str()),
        ("OCI_RESOURCE_PRINCIPAL_REGION", testing::REGION),
    ];
    let (_, refused) =
        stage.lands("resource_principal", &environment, None, move |now| file.comes(now)).await;
    assert!((1..=2).contains(&refused), "{refused} calls were refused, by a token of one or of both stores");
}

/// A certificate as far as it is looked into: its subject names the tenancy.
fn certificate() -> String {
    let mut der = vec![0x30, 0x22, 0x0c, 0x12];
    der.extend_from_slice(b"opc-tenant:ocid1.t");
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
}

/// An instance, whose certificate gets it one token after the other.
#[tokio::test]
async fn a_run_outlives_the_tokens_of_an_instance() {
    let stage = Stage::new().await;
    let (issuer, clock) = (Arc::clone(&stage.issuer), stage.clock());
    let cloud = Scripted::start(move |seen, _| match seen.path() {
        "/opc/v2/instance/region" => Reply::status(200).body("phx"),
        "/opc/v2/identity/cert.pem" | "/opc/v2/identity/intermediate.pem" => {
            Reply::status(200).body(certificate())
        }
        "/opc/v2/identity/key.pem" => Reply::status(200).body(testing::PEM),
        "/v1/x509" => Reply::json(json!({ "token": issuer.issue_for(clock.now(), seen, "publicKey") })),
        _ => Reply::status(404),
    })
    .await;
    let (metadata, federation) = (cloud.url("/opc/v2").to_string(), cloud.url("").to_string());
    let environment = [
        ("OCI_METADATA_BASE_URL", metadata.as_str()),
        ("OCI_SDK_AUTH_CLIENT_REGION_URL", federation.as_str()),
    ];
    let (issued, refused) = stage.lands("instance_principal", &environment, None, |_| ()).await;
    assert_eq!(refused, 0);
    let asked = cloud.seen().iter().filter(|seen| seen.path() == "/v1/x509").count();
    assert_eq!(asked as u64, issued);
}

/// A pod, whose service account gets it one token after the other.
#[tokio::test]
async fn a_run_outlives_the_tokens_of_a_workload() {
    let stage = Stage::new().await;
    let (issuer, clock) = (Arc::clone(&stage.issuer), stage.clock());
    let cluster = Scripted::start(move |seen, _| {
        let token = issuer.issue_for(clock.now(), seen, "podKey");
        Reply::status(200).body(BASE64.encode(json!({ "token": format!("ST${token}") }).to_string()))
    })
    .await;
    let account = stage.file("account", "the-account");
    let environment = [
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH", account.as_str()),
        ("OCI_REGION", testing::REGION),
    ];
    let url = Some(cluster.url("/resourcePrincipalSessionTokens"));
    let (issued, refused) = stage.lands("workload_identity", &environment, url, |_| ()).await;
    assert_eq!((refused, cluster.count() as u64), (0, issued));
    assert!(cluster.seen().iter().all(|seen| seen.header("authorization") == "Bearer the-account"));
}
