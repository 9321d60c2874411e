//! Signatures and principals against doubles: files that are rewritten, a metadata service, a federation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::sha2::Sha256;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::time::Duration;

use super::identity::tests::token;
use super::testing::{PEM, api_key};
use super::*;
use crate::client::{Client, Request};
use crate::clock::ManualClock;
use crate::policy::HostPolicy;
use crate::rsa::RsaKey;
use crate::scripted::{Reply, Scripted, Seen};
use crate::settings::HttpSettings;
use crate::{Answer, ErrorKind};

fn own_public_key() -> rsa::PublicKey {
    rsa::PublicKey::from_public_key_der(&testing::public_der()).unwrap()
}

const NOON: &str = "2026-11-21T12:00:00Z";

fn noon() -> Timestamp {
    NOON.parse().unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(noon()))
}

fn in_seconds(seconds: i64) -> Timestamp {
    noon() + jiff::SignedDuration::from_secs(seconds)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file of profiles, and the settings that name it.
fn profiles(folder: &Path, text: &str) -> PrincipalSettings {
    let path = write(folder, "config", text);
    PrincipalSettings {
        environment: Environment::of([("OCI_CONFIG_FILE", path.as_str())]),
        ..PrincipalSettings::default()
    }
}

async fn refused(settings: &PrincipalSettings) -> String {
    let error = Principal::open(settings, clock()).await.unwrap_err();
    crate::chain(&error)
}

/// What a signed call looks like to the server that gets it.
async fn seen_by(
    server: &Scripted,
    principal: &Arc<Principal>,
    request: Request,
) -> Result<Answer, HttpError> {
    let (client, _) = server.client();
    client.call(&request.authorized_by(principal.signer(&server.url("/")))).await
}

/// The parameters of the header that carries a signature.
fn parameters(seen: &Seen) -> std::collections::BTreeMap<String, String> {
    let value = seen.header("authorization").strip_prefix("Signature ").unwrap();
    let pairs = value.split("\",").map(|pair| pair.split_once("=\"").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect()
}

/// Holds a call's signature against what the server got, as the scheme has it.
fn assert_signed(seen: &Seen, public: &rsa::PublicKey) {
    let parameters = parameters(seen);
    let lines = parameters["headers"].split(' ').map(|name| match name {
        "(request-target)" => format!("{name}: {} {}", seen.method.to_ascii_lowercase(), seen.target),
        name => format!("{name}: {}", seen.header(name)),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let signature = BASE64.decode(&parameters["signature"]).unwrap();
    public.pkcs1v15_verify::<Sha256>(text.as_bytes(), &signature).unwrap();
}

/// A call is signed as Oracle's own clients sign it: a read by time, target and host, a change by its body, too; the
/// bytes of an object are not hashed.
#[tokio::test]
async fn calls_are_signed_as_oracles_own_clients_sign_them() {
    let folder = tempfile::tempdir().unwrap();
    let principal = Principal::open(&api_key(folder.path()), clock()).await.unwrap();
    assert_eq!(principal.region().unwrap().identifier(), "us-phoenix-1");
    let server = Scripted::replies(vec![Reply::json(json!({}))]).await;
    let body = json!({"object": "a"});
    let put = Request::of(Method::PUT, server.url("/n/ns/b/lake/o/a%20b"))
        .carrying(bytes::Bytes::from_static(b"1,2\n"));
    let reads = Request::get(server.url("/n/ns/b/lake/o?prefix=a%2Fb&limit=2"));
    let changes = Request::post_json(server.url("/n/ns/b/lake/u"), &body).unwrap();
    for request in [reads, changes, put] {
        seen_by(&server, &principal, request).await.unwrap();
    }
    let seen = server.seen();
    for seen in &seen {
        assert_signed(seen, &own_public_key());
        assert_eq!(seen.header("date"), "Sat, 21 Nov 2026 12:00:00 GMT");
        let parameters = parameters(seen);
        let expected = format!("{}/{}/{}", testing::TENANCY, testing::USER, testing::fingerprint());
        assert_eq!((parameters["keyId"].as_str(), parameters["version"].as_str()), (expected.as_str(), "1"));
    }
    let signed: Vec<_> = seen.iter().map(|seen| parameters(seen)["headers"].clone()).collect();
    assert_eq!(signed[0], "date (request-target) host");
    assert_eq!(signed[1], "date (request-target) host content-length content-type x-content-sha256");
    assert_eq!(signed[2], "date (request-target) host");
    assert_eq!(seen[1].header("x-content-sha256"), BASE64.encode(sha2::Sha256::digest(body.to_string())));
    assert_eq!(seen[2].header("x-content-sha256"), "");
}

/// The text that is signed is the scheme's own (draft-cavage-http-signatures-08, 2.3).
#[tokio::test]
async fn the_text_that_is_signed_is_the_documented_one() {
    let url =
        "https://objectstorage.us-phoenix-1.oraclecloud.com/n/ns/b/lake/o/a%2Fb?fields=name".parse().unwrap();
    let mut request = reqwest::Request::new(Method::GET, url);
    let key = Arc::new(RsaKey::from_pem(&PEM.into()).unwrap());
    let identity = identity::Identity { key_id: "t/u/f".into(), key, life: None };
    signature::sign(&mut request, &identity, Covers::Host, noon()).await.unwrap();
    let text = "date: Sat, 21 Nov 2026 12:00:00 GMT\n(request-target): get /n/ns/b/lake/o/a%2Fb?fields=name\n\
                host: objectstorage.us-phoenix-1.oraclecloud.com";
    let value = request.headers()["authorization"].to_str().unwrap();
    let signature = value.split("signature=\"").nth(1).unwrap().trim_end_matches('"');
    let signature = BASE64.decode(signature).unwrap();
    own_public_key().pkcs1v15_verify::<Sha256>(text.as_bytes(), &signature).unwrap();
    assert!(request.headers()["authorization"].is_sensitive());
}

/// What cannot be a profile is named, with what to do, before anything is called; and no secret with it.
#[tokio::test]
async fn profiles_that_cannot_sign_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path();
    let file = write(there, "key.pem", PEM);
    let keys = format!("user=u\ntenancy=t\nregion=us-phoenix-1\nkey_file={file}\n");
    let encrypted = write(there, "encrypted.pem", &PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"));
    let of_kind = Some(PrincipalKind::Profile);
    let nowhere = PrincipalSettings {
        kind: of_kind,
        environment: Environment::of([("HOME", there.to_str().unwrap())]),
        ..PrincipalSettings::default()
    };
    assert!(refused(&nowhere).await.contains("oci setup config"));
    for (text, said) in [
        (format!("[DEFAULT]\n{keys}"), "has no `fingerprint`"),
        (format!("[DEFAULT]\n{keys}fingerprint=aa:bb\n"), "the profile says aa:bb"),
        ("[OTHER]\nuser=u\n".to_owned(), "has no profile [DEFAULT]; it has [OTHER]"),
        ("[DEFAULT]\nregion=us-phoenix-1\nuser=u\n".to_owned(), "has no `key_file`"),
        (format!("[DEFAULT]\n{}", keys.replace("us-phoenix-1", "mars")), "region \"mars\""),
        (format!("[DEFAULT]\nregion=phx\nkey_file={file}.gone\n"), "key_file"),
        (format!("[DEFAULT]\nregion=phx\nkey_file={encrypted}\n"), "`pass_phrase` of the profile"),
    ] {
        let line = refused(&PrincipalSettings { kind: of_kind, ..profiles(there, &text) }).await;
        assert!(line.contains(said), "{said}: {line}");
    }
}

/// A session's token signs with the profile's own key; one that is over says how it is renewed; one that is renewed by
/// somebody else in the middle of a run is read anew, before its end and once a server has refused the old one.
#[tokio::test]
async fn a_sessions_token_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "key.pem", PEM);
    let token_file = write(folder.path(), "token", &token(in_seconds(-1), "old"));
    let text = format!("[DEFAULT]\nregion=phx\n[work]\nkey_file={file}\nsecurity_token_file={token_file}\n");
    let settings = PrincipalSettings { profile: Some("work".to_owned()), ..profiles(folder.path(), &text) };
    assert!(refused(&settings).await.contains("oci session refresh"));

    let tokens = [token(in_seconds(3600), "a"), token(in_seconds(7200), "b"), token(in_seconds(9000), "c")];
    fs::write(&token_file, &tokens[0]).unwrap();
    let clock = clock();
    let principal = Principal::open(&settings, clock.clone()).await.unwrap();
    let refuses = format!("\"ST${}\"", tokens[1]);
    let server = Scripted::start(move |seen, _| match seen.header("authorization").contains(&refuses) {
        true => Reply::status(401).body(r#"{"code":"NotAuthenticated","message":"The token was revoked"}"#),
        false => Reply::json(json!({})),
    })
    .await;
    let get = || Request::get(server.url("/n/"));
    seen_by(&server, &principal, get()).await.unwrap();
    clock.advance(Duration::from_secs(3500));
    // Nobody has renewed it yet, and it is still good.
    seen_by(&server, &principal, get()).await.unwrap();
    fs::write(&token_file, &tokens[1]).unwrap();
    clock.advance(Duration::from_secs(90));
    let error = seen_by(&server, &principal, get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthRejected);
    assert!(!error.line().contains(&tokens[1]), "{}", error.line());
    fs::write(&token_file, &tokens[2]).unwrap();
    seen_by(&server, &principal, get()).await.unwrap();
    let ids: Vec<_> = server.seen().iter().map(|seen| parameters(seen)["keyId"].clone()).collect();
    let id = |index: usize| format!("ST${}", tokens[index]);
    assert_eq!(ids, [id(0), id(0), id(1), id(1), id(1), id(2)]);
    clock.advance(Duration::from_secs(7200));
    let error = seen_by(&server, &principal, get()).await.unwrap_err();
    assert!(error.line().contains("oci session refresh"), "{}", error.line());
    assert_eq!((error.kind(), server.count()), (ErrorKind::AuthRejected, 6), "it is not sent unsigned");
}

/// The resource principal is what the environment holds: values, or files that are rewritten.
#[tokio::test]
async fn a_resource_principal_is_values_or_files() {
    let folder = tempfile::tempdir().unwrap();
    let first = token(in_seconds(900), "first");
    let values = [
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2"),
        ("OCI_RESOURCE_PRINCIPAL_RPST", &first),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", PEM),
        ("OCI_RESOURCE_PRINCIPAL_REGION", "us-ashburn-1"),
        ("HOME", "/nowhere"),
    ];
    let settings =
        |values| PrincipalSettings { environment: Environment::of(values), ..PrincipalSettings::default() };
    let principal = Principal::open(&settings(values), clock()).await.unwrap();
    assert_eq!(
        (principal.shown().as_str(), principal.region().unwrap().identifier()),
        (resource::SHOWN, "us-ashburn-1")
    );

    let (token_file, key_file) = (write(folder.path(), "rpst", &first), write(folder.path(), "key", PEM));
    let files = values.map(|(name, value)| match name {
        "OCI_RESOURCE_PRINCIPAL_RPST" => (name, token_file.as_str()),
        "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM" => (name, key_file.as_str()),
        _ => (name, value),
    });
    let clock = clock();
    let principal = Principal::open(&settings(files), clock.clone()).await.unwrap();
    let server = Scripted::replies(vec![Reply::json(json!({}))]).await;
    seen_by(&server, &principal, Request::get(server.url("/n/"))).await.unwrap();
    let second = token(in_seconds(1800), "second");
    fs::write(&token_file, &second).unwrap();
    clock.advance(Duration::from_secs(880));
    seen_by(&server, &principal, Request::get(server.url("/n/"))).await.unwrap();
    assert_eq!(parameters(&server.seen()[1])["keyId"], format!("ST${second}"));

    let other = values.map(|(name, value)| (name, if name.ends_with("VERSION") { "1.1" } else { value }));
    assert!(refused(&settings(other)).await.contains("2.2 is what is supported"));
    let without = values.map(|(name, value)| (name, if name.ends_with("RPST") { "" } else { value }));
    assert!(refused(&settings(without)).await.contains("OCI_RESOURCE_PRINCIPAL_RPST is not set"));
}

/// A certificate as far as it is looked into: its subject names the tenancy.
fn certificate() -> String {
    let mut der = vec![0x30, 0x22, 0x0c, 0x12];
    der.extend_from_slice(b"opc-tenant:ocid1.t");
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
}

/// A metadata service and a federation in one, which remembers the public keys that it was sent.
async fn cloud(clock: Arc<ManualClock>, has_region_info: bool) -> Scripted {
    Scripted::start(move |seen, number| match seen.path() {
        "/opc/v2/instance/region" => Reply::status(200).body("phx"),
        "/opc/v2/instance/regionInfo" if has_region_info => Reply::json(
            json!({"regionIdentifier": "us-phoenix-1", "realmDomainComponent": "oraclecloud.com", "regionKey": "PHX"}),
        ),
        "/opc/v2/identity/cert.pem" | "/opc/v2/identity/intermediate.pem" => Reply::status(200).body(certificate()),
        "/opc/v2/identity/key.pem" => Reply::status(200).body(PEM),
        "/v1/x509" => {
            let ends = clock.now() + jiff::SignedDuration::from_secs(1200);
            Reply::json(json!({"token": token(ends, &number.to_string())}))
        }
        "/n/" => Reply::json(json!({})),
        _ => Reply::status(404),
    })
    .await
}

/// The principal of an instance: its certificate signs for a token, the token vouches for a key of the session's own, and
/// another is had before it ends. No setting names it: something answers where its metadata would be.
#[tokio::test]
async fn an_instance_gets_a_token_for_its_certificate_and_renews_it() {
    for has_region_info in [true, false] {
        let clock = clock();
        let server = cloud(clock.clone(), has_region_info).await;
        let (base, federation) = (server.url("/opc/v2/").to_string(), server.url("/").to_string());
        let settings = PrincipalSettings {
            environment: Environment::of([
                ("OCI_METADATA_BASE_URL", base.as_str()),
                ("OCI_SDK_AUTH_CLIENT_REGION_URL", federation.as_str()),
                ("HOME", "/nowhere"),
            ]),
            ..PrincipalSettings::default()
        };
        let principal = Principal::open(&settings, clock.clone()).await.unwrap();
        let identifier = principal.region().unwrap().identifier();
        assert_eq!((principal.shown().as_str(), identifier), (instance::SHOWN, "us-phoenix-1"));
        for seconds in [0, 1000, 100, 2000] {
            clock.advance(Duration::from_secs(seconds));
            seen_by(&server, &principal, Request::get(server.url("/n/"))).await.unwrap();
        }
        let seen = server.seen();
        let asked: Vec<_> = seen.iter().filter(|seen| seen.path() == "/v1/x509").collect();
        assert_eq!(asked.len(), 3, "one token, renewed before its end, and once it was over");
        let calls: Vec<_> = seen.iter().filter(|seen| seen.path() == "/n/").collect();
        for (call, of) in calls.iter().zip([0, 0, 1, 2]) {
            let body: Value = serde_json::from_str(&asked[of].body).unwrap();
            let der = BASE64.decode(body["publicKey"].as_str().unwrap()).unwrap();
            assert_signed(call, &rsa::PublicKey::from_public_key_der(&der).unwrap());
        }
        for ask in asked {
            assert_signed(ask, &own_public_key());
            let parameters = parameters(ask);
            assert_eq!(
                parameters["headers"],
                "date (request-target) content-length content-type x-content-sha256"
            );
            assert!(parameters["keyId"].starts_with("ocid1.t/fed-x509/"), "{}", parameters["keyId"]);
        }
        let questions = seen.iter().filter(|seen| seen.path().starts_with("/opc/"));
        assert!(questions.into_iter().all(|seen| seen.header("authorization") == "Bearer Oracle"));
    }
}

/// A pod is known by its service account, whose token is read from its file each time.
#[tokio::test]
async fn a_workload_gets_a_token_for_its_service_account() {
    let folder = tempfile::tempdir().unwrap();
    let account = write(folder.path(), "token", "the-account\n");
    let clock = clock();
    let (now, ends) = (clock.clone(), jiff::SignedDuration::from_secs(600));
    let server = Scripted::start(move |seen, _| match seen.path() {
        "/resourcePrincipalSessionTokens" => {
            let told = json!({"token": format!("ST${}", token(now.now() + ends, "pod"))});
            Reply::status(200).body(BASE64.encode(told.to_string()))
        }
        _ => Reply::json(json!({})),
    })
    .await;
    let settings = PrincipalSettings {
        kind: Some(PrincipalKind::WorkloadIdentity),
        token_url: Some(server.url("/resourcePrincipalSessionTokens")),
        environment: Environment::of([
            ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
            ("OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH", account.as_str()),
            ("OCI_REGION", "fra"),
        ]),
        ..PrincipalSettings::default()
    };
    let principal = Principal::open(&settings, clock.clone()).await.unwrap();
    assert_eq!(principal.region().unwrap().identifier(), "eu-frankfurt-1");
    fs::write(&account, "the-next-account").unwrap();
    clock.advance(Duration::from_secs(590));
    seen_by(&server, &principal, Request::get(server.url("/n/"))).await.unwrap();
    let seen = server.seen();
    let bearers: Vec<_> =
        seen.iter().filter(|seen| seen.method == "POST").map(|seen| seen.header("authorization")).collect();
    assert_eq!(bearers, ["Bearer the-account", "Bearer the-next-account"]);
    let body: Value = serde_json::from_str(&seen[1].body).unwrap();
    let der = BASE64.decode(body["podKey"].as_str().unwrap()).unwrap();
    assert_signed(&seen[2], &rsa::PublicKey::from_public_key_der(&der).unwrap());
}

/// Where nobody is here, all that was looked for is said. What gives identities and fails is tried again, and named.
#[tokio::test]
async fn nobody_here_and_a_service_that_fails_are_told_apart() {
    let server = Scripted::replies(vec![Reply::status(404)]).await;
    let base = server.url("/opc/v2").to_string();
    let environment = Environment::of([("OCI_METADATA_BASE_URL", base.as_str()), ("HOME", "/nowhere")]);
    let nobody = PrincipalSettings { environment, ..PrincipalSettings::default() };
    let line = refused(&nobody).await;
    assert!(line.contains("no principal of OCI") && line.contains("/nowhere/.oci/config"), "{line}");

    let failing = PrincipalSettings { kind: Some(PrincipalKind::InstancePrincipal), ..nobody };
    let error = Principal::open(&failing, clock()).await.unwrap_err();
    assert!(error.to_string().contains("metadata service"), "{error}");
    assert!(!error.is_retryable(), "404 is an answer");
    let down = Scripted::replies(vec![Reply::status(503)]).await;
    let base = down.url("/opc/v2").to_string();
    let environment = Environment::of([("OCI_METADATA_BASE_URL", base.as_str())]);
    let error = Principal::open(&PrincipalSettings { environment, ..failing }, clock()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

/// Promise 7: the id of a session is a secret, and its signatures go to their own server alone.
#[tokio::test]
async fn a_signature_goes_to_its_own_server_alone() {
    let folder = tempfile::tempdir().unwrap();
    let principal = Principal::open(&api_key(folder.path()), clock()).await.unwrap();
    let (server, other) = (
        Scripted::replies(vec![Reply::status(200)]).await,
        Scripted::replies(vec![Reply::status(200)]).await,
    );
    let (client, _) = server.client_allowing(&[other.host()]);
    let signer = principal.signer(&server.url("/"));
    for target in [server.url("/a"), other.url("/a")] {
        client.call(&Request::get(target).authorized_by(signer.clone())).await.unwrap();
    }
    assert_ne!(server.seen()[0].header("authorization"), "");
    assert_eq!(other.seen()[0].header("authorization"), "");
    let policy = HostPolicy::new(&server.url("/"), &[]).unwrap();
    let client =
        Client::new(policy, &HttpSettings::default(), clock()).unwrap().redacting_by(principal.redactor());
    let id = principal.identity().await.unwrap().0.key_id;
    assert!(!client.redactor().text(&format!("said {}", id.expose_secret())).contains(testing::USER));
}

/// A refusal that its caller reads comes as it is; one that will have passed, by its caller's word, is asked for again.
#[tokio::test]
async fn refusals_are_read_by_their_caller() {
    let replies = vec![
        Reply::status(409).body(r#"{"code":"IncorrectState"}"#),
        Reply::status(409).body(r#"{"code":"InvalidatedRetryToken"}"#),
    ];
    let server = Scripted::replies(replies).await;
    let (client, _) = server.client();
    let header = (HeaderName::from_static("if-match"), HeaderValue::from_static("e"));
    let request = Request::of(Method::DELETE, server.url("/o")).with(header.0, header.1).idempotent();
    let request =
        request.taking_refusals(|answer| answer.body.windows(14).any(|part| part == b"IncorrectState"));
    let answer = client.call(&request).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.count()), (409, 2));
    assert_eq!(server.seen()[1].header("if-match"), "e");
    let crate::client::Opened::Refused(answer) = client.open(&request).await.unwrap() else {
        panic!("a body")
    };
    assert_eq!(answer.status.as_u16(), 409);
}

/// Oracle's support asks for a request's id: it is in what is said of a failure.
#[tokio::test]
async fn a_failure_names_its_request() {
    let reply = Reply::status(401)
        .header("opc-request-id", "phx-1:abc")
        .body(r#"{"code":"NotAuthenticated","message":"no"}"#);
    let server = Scripted::replies(vec![reply]).await;
    let folder = tempfile::tempdir().unwrap();
    let principal = Principal::open(&api_key(folder.path()), clock()).await.unwrap();
    let error = seen_by(&server, &principal, Request::get(server.url("/n/"))).await.unwrap_err();
    assert!(error.line().contains("no: NotAuthenticated (request id phx-1:abc)"), "{}", error.line());
    assert_eq!((error.kind(), server.count()), (ErrorKind::AuthRejected, 1), "an API key is not renewed");
}
