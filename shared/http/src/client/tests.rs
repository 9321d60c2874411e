//! Calls against a server that answers as told.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::StreamExt as _;
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::transport::cause_of;
use super::*;
use crate::ErrorKind;
use crate::auth::{Authorizer, Credential};
use crate::error::RedirectRefused;
use crate::policy::HostRefused;
use crate::scripted::{Reply, Scripted};

#[derive(Debug, PartialEq, Deserialize)]
struct Thing {
    id: u32,
}

async fn refusal(reply: Reply) -> (HttpError, usize) {
    let server = Scripted::replies(vec![reply]).await;
    let (client, _) = server.client();
    let error = client.json::<Thing>(&Request::get(server.url("/thing?secret=plain"))).await.unwrap_err();
    assert!(!error.line().contains("plain"), "the query is shown: {}", error.line());
    (error, server.count())
}

/// Promise 6: bytes are sent as they are read, with their length said before, and read anew for another try.
#[tokio::test]
async fn a_stream_is_sent_with_its_length() {
    let server = Scripted::replies(vec![Reply::status(503), Reply::status(200)]).await;
    let (client, _) = server.client();
    let open = || futures::stream::iter(["one ", "two"]).map(|part| Ok(Bytes::from(part))).boxed();
    let request = Request::post_stream(server.url("/upload"), 7, open);
    client.call(&request).await.unwrap();
    for seen in server.seen() {
        assert_eq!((seen.body.as_str(), seen.header("content-length")), ("one two", "7"));
        assert_eq!(
            (seen.header("content-type"), seen.header("transfer-encoding")),
            ("application/octet-stream", "")
        );
    }
    assert_eq!(server.count(), 2);
}

async fn post(replies: Vec<Reply>) -> (Result<Answer, HttpError>, usize) {
    post_as(replies, |request| request).await
}

async fn post_as(
    replies: Vec<Reply>,
    declared: fn(Request) -> Request,
) -> (Result<Answer, HttpError>, usize) {
    let server = Scripted::replies(replies).await;
    let (client, _) = server.client();
    let request = Request::post_json(server.url("/jobs"), &json!({ "run": 1 })).unwrap();
    (client.call(&declared(request)).await, server.count())
}

/// Every status, its name in the contract, and how often a reading call is made.
#[tokio::test]
async fn statuses_become_the_contracts_names() {
    for (status, name, calls) in [
        (400, ErrorKind::Rejected, 1),
        (401, ErrorKind::AuthRejected, 1),
        (403, ErrorKind::AuthRejected, 1),
        (404, ErrorKind::NotFound, 1),
        (408, ErrorKind::Unavailable, 6),
        (409, ErrorKind::Rejected, 1),
        (410, ErrorKind::NotFound, 1),
        (429, ErrorKind::Throttled, 6),
        (500, ErrorKind::Unavailable, 6),
        (501, ErrorKind::Unavailable, 1),
        (503, ErrorKind::Unavailable, 6),
    ] {
        let body = json!({ "title": "Odd", "detail": "because of x" }).to_string();
        let (error, seen) = refusal(Reply::status(status).body(body)).await;
        assert_eq!((error.kind(), seen), (name, calls), "{status}");
        assert!(error.line().contains("Odd: because of x"), "{}", error.line());
        assert!(error.line().contains(&status.to_string()), "{}", error.line());
    }
}

/// An error says which call, how often, for how long.
#[tokio::test]
async fn an_error_names_the_call() {
    let server = Scripted::replies(vec![Reply::status(503).header("Retry-After", "20")]).await;
    let (client, clock) = server.client();
    let error = client.call(&Request::get(server.url("/a/b?c=d"))).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("GET {} (6 tries in 10", server.url("/a/b"))), "{error}");
    // Promise 6, and what the server asked for: five times 20 s and a little.
    let waited = clock.now().as_second();
    assert!((100..=103).contains(&waited), "{waited}");
}

/// Transient failures of a reading call are outlived, a broken answer included.
#[tokio::test]
async fn a_reading_call_is_repeated() {
    let broken = Reply::status(200).header("Content-Type", "application/json").body("{\"id\"").cut_of(9);
    let good = Reply::json(json!({ "id": 7 }));
    let server = Scripted::replies(vec![Reply::nothing(), broken, Reply::status(502), good]).await;
    let (client, _) = server.client();
    let thing = client.json::<Thing>(&Request::get(server.url("/"))).await.unwrap();
    assert_eq!((thing, server.count()), (Thing { id: 7 }, 4));
    assert_eq!(server.seen()[0].header("user-agent"), concat!("landfall/", env!("CARGO_PKG_VERSION")));
}

/// A server that asks for more patience than there is, is not waited for: the caller is told.
#[tokio::test]
async fn a_long_retry_after_is_given_back() {
    let server = Scripted::replies(vec![Reply::status(429).header("Retry-After", "86400")]).await;
    let (client, clock) = server.client();
    let error = client.call(&Request::get(server.url("/"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!((server.count(), clock.now().as_second()), (1, 0));
}

/// Promise 1: a call that is to be made once is made once. A 503 can come from a balancer whose server has
/// accepted it, and so can a redirect: only 429, 4xx and 401 say that it was certainly not processed.
#[tokio::test]
async fn a_call_that_is_made_once_is_never_repeated() {
    let accepted = Reply::status(202).header("Location", "/jobs/1");
    let redirects =
        [301, 302, 303, 307, 308].map(|status| Reply::status(status).header("Location", "/login"));
    let others = [300, 302, 304, 408, 500, 502, 503, 504].map(Reply::status);
    for lost in redirects.into_iter().chain(others).chain([Reply::nothing()]) {
        let (answer, calls) = post_as(vec![lost.clone(), accepted.clone()], Request::once).await;
        assert!(answer.unwrap_err().outcome_is_unknown(), "{lost:?}");
        assert_eq!(calls, 1, "{lost:?}");
    }
    for refused in [400, 401, 403, 404, 409, 422, 429] {
        let reply = Reply::status(refused).header("Retry-After", "1");
        let (answer, calls) = post_as(vec![reply, accepted.clone()], Request::once).await;
        assert!(!answer.unwrap_err().outcome_is_unknown(), "{refused}");
        assert_eq!(calls, 1, "{refused}");
    }
}

/// What changes something is repeated only where it was turned away.
#[tokio::test]
async fn a_change_is_repeated_only_when_turned_away() {
    let accepted = Reply::status(202).header("Location", "/jobs/1");
    for status in [429, 503] {
        let (answer, calls) = post(vec![Reply::status(status), accepted.clone()]).await;
        assert_eq!((answer.unwrap().status.as_u16(), calls), (202, 2), "{status}");
    }
    for lost in
        [Reply::nothing(), Reply::status(500), Reply::status(502), Reply::status(504), Reply::status(408)]
    {
        let (answer, calls) = post(vec![lost.clone(), accepted.clone()]).await;
        assert!(answer.unwrap_err().outcome_is_unknown(), "{lost:?}");
        assert_eq!(calls, 1, "{lost:?}");
    }
    for refused in [400, 401, 403, 404, 409, 422] {
        let (answer, calls) = post(vec![Reply::status(refused), accepted.clone()]).await;
        assert!(!answer.unwrap_err().outcome_is_unknown(), "{refused}");
        assert_eq!(calls, 1, "{refused}");
    }
}

/// No connection: nothing was sent, so even a change is tried again, and its outcome is known.
#[tokio::test]
async fn a_refused_connection_is_retried_and_unambiguous() {
    let server = Scripted::replies(vec![Reply::nothing()]).await;
    let (client, clock) = server.client();
    let url = server.url("/jobs");
    drop(server);
    // The port is free once the server's task has ended.
    while tokio::net::TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let request = Request::post_json(url, &1).unwrap();
    let error = client.call(&request.clone().once()).await.unwrap_err();
    assert!(!error.outcome_is_unknown(), "{error}");
    assert_eq!((error.exchange().attempts, clock.now().as_second()), (1, 0));
    let error = client.call(&request).await.unwrap_err();
    assert!(!error.outcome_is_unknown(), "{error}");
    assert_eq!(error.exchange().attempts, 6);
    assert!(clock.now().as_second() > 0);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// A call that gets no answer ends.
#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Scripted::replies(vec![Reply::status(200).cut_of(9).then_hang()]).await;
    let client = server.client().0.with_timeout(Duration::from_millis(50));
    let error = client.call(&Request::post_json(server.url("/"), &1).unwrap()).await.unwrap_err();
    assert!(error.outcome_is_unknown() && error.to_string().contains("no complete answer"), "{error}");
}

/// Promise 5: a login page is not data, whatever its status and its type say.
#[tokio::test]
async fn a_login_page_is_named() {
    let lying = Reply::status(200).header("Content-Type", "application/json").body("\n<html><body>");
    for page in [Reply::page(), lying] {
        let (error, calls) = refusal(page).await;
        assert_eq!((error.kind(), calls), (ErrorKind::ContractBroken, 1));
        assert!(error.line().contains("a web page instead of JSON: a login page?"), "{}", error.line());
    }
}

/// Another type is not parsed; an answer that does not fit names the field.
#[tokio::test]
async fn what_does_not_fit_is_named() {
    let xml = Reply::status(200).header("Content-Type", "application/xml").body("<id>1</id>");
    assert!(refusal(xml).await.0.line().contains("answered \"application/xml\" instead of JSON"));
    let (error, _) = refusal(Reply::json(json!({ "id": "seven" }))).await;
    assert!(error.line().contains("does not fit at id: invalid type"), "{}", error.line());
    let (error, _) = refusal(Reply::json(json!({}))).await;
    assert!(error.line().contains("missing field `id`"), "{}", error.line());
    let behind = Reply::status(200).header("Content-Type", "application/json").body("{\"id\":1} x");
    assert_eq!(refusal(behind).await.0.kind(), ErrorKind::ContractBroken);
    let vendor = Reply::status(200)
        .header("Content-Type", "application/vnd.oracle.adf.resourceitem+json; charset=utf-8")
        .body("{\"id\":1}");
    let server = Scripted::replies(vec![vendor]).await;
    assert_eq!(server.client().0.json::<Thing>(&Request::get(server.url("/"))).await.unwrap().id, 1);
    let text = Reply::status(200).header("Content-Type", "text/plain").body(" {\"a\": 1, \"a\": 2}");
    let server = Scripted::replies(vec![text]).await;
    let read: std::collections::BTreeMap<String, u8> =
        server.client().0.json(&Request::get_json(server.url("/"))).await.unwrap();
    assert_eq!(read["a"], 2, "what is JSON is read, whatever it is called");
}

/// Promise 6: neither headers nor answers are read without end, declared or not.
#[tokio::test]
async fn answers_are_bounded() {
    let long = "x".repeat(2000);
    for reply in [
        Reply::status(200).body(long.clone()),
        Reply::status(200).body(long.clone()).chunked(),
        Reply::status(200).cut_of(usize::MAX / 2),
    ] {
        let server = Scripted::replies(vec![reply]).await;
        let error = server.client().0.call(&Request::get(server.url("/")).at_most(1999)).await.unwrap_err();
        assert!(error.to_string().contains("the body of the answer exceeds 1999 bytes"), "{error}");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    let headers =
        (0..40).fold(Reply::status(200), |reply, number| reply.header(&format!("X-{number}"), &long));
    let server = Scripted::replies(vec![headers]).await;
    let error = server.client().0.call(&Request::get(server.url("/"))).await.unwrap_err();
    assert!(error.to_string().contains("the headers of the answer exceed 65536 bytes"), "{error}");
}

#[derive(Debug)]
struct Fixed(url::Origin);

#[async_trait]
impl Authorizer for Fixed {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.0
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        Ok(Credential::new(HeaderValue::from_static("Bearer known"), 1))
    }

    async fn refused(&self, _: &Credential) {}
}

fn authorized(server: &Scripted, url: Url) -> Request {
    Request::get(url).authorized_by(Arc::new(Fixed(server.url("/").origin())))
}

/// Promise 7: redirects lead only to hosts that the connection allows, and no credentials with them.
#[tokio::test]
async fn redirects_carry_no_credentials_to_another_host() {
    let other = Scripted::replies(vec![Reply::json(json!({ "id": 1 }))]).await;
    let there = other.url("/elsewhere?sig=x");
    let server = Scripted::start(move |seen, _| match seen.path() {
        "/start" => Reply::status(302).header("Location", "/same"),
        _ => Reply::status(307).header("Location", &there),
    })
    .await;
    let (client, _) = server.client_allowing(&[other.host()]);
    let thing = client.json::<Thing>(&authorized(&server, server.url("/start"))).await.unwrap();
    assert_eq!(thing.id, 1);
    let tokens: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(tokens, ["Bearer known", "Bearer known"]);
    assert_eq!(other.seen()[0].header("authorization"), "");
    // Nor does a call that goes straight to a host that the credentials are not for.
    client.call(&authorized(&server, other.url("/"))).await.unwrap();
    assert_eq!(other.seen()[1].header("authorization"), "");

    let (strict, _) = server.client();
    let error = strict.call(&authorized(&server, server.url("/start"))).await.unwrap_err();
    assert_eq!(other.count(), 2, "a host that is not allowed was called");
    assert!(
        error.to_string().contains(&format!("{} is not a host of this connection", other.host())),
        "{error}"
    );
    assert!(!error.to_string().contains("sig=x"));
    assert_eq!(error.kind(), ErrorKind::ContractBroken);
}

/// Promise 7: nor does any other secret go where a redirect leads, be it under a name of the source's own.
#[tokio::test]
async fn redirects_carry_no_secret_header_to_another_host() {
    let other = Scripted::replies(vec![Reply::status(200)]).await;
    let there = other.url("/elsewhere");
    let server = Scripted::start(move |_, _| Reply::status(302).header("Location", &there)).await;
    let (client, _) = server.client_allowing(&[other.host()]);
    let key = HeaderName::from_static("x-api-key");
    let request = Request::get(server.url("/")).secret_header(key, HeaderValue::from_static("word"));
    client.call(&request).await.unwrap();
    assert_eq!(server.seen()[0].header("x-api-key"), "word");
    assert_eq!(other.seen()[0].header("x-api-key"), "");
    assert_eq!(other.seen()[0].header("accept"), "application/json");
}

/// Promise 7: where a server sends us, and what it calls its fields, are its words: they may hold a secret.
#[tokio::test]
async fn paths_that_a_server_chose_are_masked() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let (answer, _) = post(vec![Reply::status(302).header("Location", format!("/sso/{token}"))]).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("/sso/[redacted]") && !error.contains("eyJ"), "{error}");

    let server = Scripted::replies(vec![Reply::json(json!({ token: "x", "y": 1 }))]).await;
    let request = Request::get(server.url("/"));
    let error = server.client().0.json::<BTreeMap<String, u32>>(&request).await.unwrap_err().to_string();
    assert!(error.contains("at [redacted]: invalid type") && !error.contains("eyJ"), "{error}");
    let long = json!({ "k".repeat(9_000): "x" });
    let server = Scripted::replies(vec![Reply::json(long)]).await;
    let request = Request::get(server.url("/"));
    let error = server.client().0.json::<BTreeMap<String, u32>>(&request).await.unwrap_err().to_string();
    assert!(error.len() < 1_500, "{}", error.len());

    let (client, _) = server.client();
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, format!("http://127.0.0.1/{token}").parse().unwrap());
    let from = Url::parse("https://127.0.0.1/").unwrap();
    let refused = client.redirected(&Request::get(from.clone()), &from, &headers).unwrap_err();
    assert!(!refused.to_string().contains("eyJ"), "{refused}");
}

/// Redirects end, lead somewhere, and are for reading calls alone.
#[tokio::test]
async fn redirects_are_bounded() {
    let circle = Scripted::replies(vec![Reply::status(302).header("Location", "/again")]).await;
    let error = circle.client().0.call(&Request::get(circle.url("/"))).await.unwrap_err();
    assert!(error.to_string().contains("more than 5 redirects"), "{error}");
    assert_eq!(circle.count(), 6);
    let (answer, calls) = post(vec![Reply::status(307).header("Location", "/other")]).await;
    let error = answer.unwrap_err();
    assert!(error.to_string().contains("is not redirected"), "{error}");
    assert_eq!(calls, 1);
    let nowhere = Scripted::replies(vec![Reply::status(302)]).await;
    let error = nowhere.client().0.call(&Request::get(nowhere.url("/"))).await.unwrap_err();
    assert!(error.to_string().contains("no usable Location"), "{error}");
}

/// Promise 7: never from https to http, not even to an allowed host.
#[tokio::test]
async fn a_redirect_does_not_leave_https() {
    let server = Scripted::replies(vec![Reply::nothing()]).await;
    let (client, _) = server.client();
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, server.url("/").as_str().parse().unwrap());
    let from = Url::parse("https://127.0.0.1/").unwrap();
    let refused = client.redirected(&Request::get(from.clone()), &from, &headers).unwrap_err();
    assert!(matches!(refused, RedirectRefused::Downgrade(_)), "{refused}");
}

/// A certificate that is not trusted is not asked for again and again; what an `io::Error` wraps is seen.
#[test]
fn a_certificate_is_found_among_the_causes() {
    let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let error = std::io::Error::other(std::io::Error::other(refused));
    assert!(matches!(cause_of(&error), Some(rustls::Error::InvalidCertificate(_))));
    assert!(cause_of::<HostRefused>(&error).is_none());
}

/// Promise 7: a secret that a server repeats reaches no error.
#[tokio::test]
async fn a_repeated_secret_is_masked() {
    let server = Scripted::replies(vec![Reply::status(400).body("user sesame-open-42 is unknown")]).await;
    let (client, _) = server.client();
    client.redactor().remember(&"sesame-open-42".into());
    let error = client.call(&Request::get(server.url("/"))).await.unwrap_err();
    assert!(error.to_string().contains("user [redacted] is unknown"), "{error}");
}

/// An answer of success that is no JSON comes in passing, and is asked for again where that is safe: a few times, and a
/// page, which may be the answer to a password, once.
#[tokio::test]
async fn an_odd_answer_to_a_read_is_asked_for_again() {
    let good = || Reply::json(json!({ "id": 7 }));
    for (odd, calls) in [
        (Reply::status(200), 3),
        (Reply::status(200).header("Content-Type", "application/json").body("\n"), 3),
        (Reply::status(200).header("Content-Type", "application/json").body("{\"id\": "), 3),
        (Reply::status(200).header("Content-Type", "text/plain").body("busy"), 3),
        (Reply::status(200).header("Content-Encoding", "gzip").body("no gzip"), 3),
        (Reply::status(200).header("Content-Encoding", "gzip").body(b"\x1f\x8b\x08\x00 cut"), 6),
        (Reply::page(), 2),
    ] {
        let server = Scripted::replies(vec![odd.clone(), good()]).await;
        let (client, _) = server.client();
        let thing = client.json::<Thing>(&Request::get_json(server.url("/thing"))).await.unwrap();
        assert_eq!((thing.id, server.count()), (7, 2), "{odd:?}");
        let server = Scripted::replies(vec![odd.clone()]).await;
        let (client, _) = server.client();
        let error = client.json::<Thing>(&Request::get_json(server.url("/thing"))).await.unwrap_err();
        assert_eq!((error.kind(), server.count()), (ErrorKind::ContractBroken, calls), "{odd:?}");
    }
    let (answer, seen) = post(vec![Reply::status(200), good()]).await;
    assert_eq!((answer.unwrap().body.len(), seen), (0, 1), "what changes something is not repeated");
}

/// Answers that were coded though nothing of the kind was asked for, or are in another charset than JSON's, are read; words
/// that land are not guessed.
#[tokio::test]
async fn answers_are_read_as_servers_send_them() {
    #[derive(Debug, Deserialize)]
    struct Said {
        said: String,
    }
    let zstd = zstd::encode_all(&b"{\"said\": \"ok\"}"[..], 1).unwrap();
    let json = |kind: &str| Reply::status(200).header("Content-Type", kind);
    for (reply, said, may_be_kept) in [
        (json("application/json").header("Content-Encoding", "zstd").body(zstd), "ok", true),
        (json("application/json").body("\u{feff}{\"said\": \"ok\"}"), "ok", true),
        (json("application/json;charset=ISO-8859-1").body(b"{\"said\": \"termin\xe9\"}"), "terminé", true),
        (json("application/json").body(b"{\"said\": \"termin\xe9\"}"), "terminé", false),
    ] {
        let server = Scripted::replies(vec![reply]).await;
        let (client, _) = server.client();
        let answer = client.call(&Request::get_json(server.url("/thing"))).await.unwrap();
        assert_eq!(answer.json::<Said>().unwrap().said, said);
        assert_eq!(answer.json_to_keep::<Said>().is_ok(), may_be_kept, "{said}");
        assert_eq!(server.count(), 1);
    }
}

/// Behind a session that is over a login page comes: the call is made once more with a token that is renewed, and no third
/// time. Credentials that there are no others of are kept, as the page may be one of maintenance.
#[tokio::test]
async fn a_page_has_the_token_renewed_once() {
    #[derive(Debug, Default)]
    struct Counted {
        refused: std::sync::atomic::AtomicU64,
        is_fixed: bool,
    }
    #[async_trait]
    impl Authorizer for Counted {
        fn covers(&self, _: &Url) -> bool {
            true
        }
        fn renews(&self) -> bool {
            !self.is_fixed
        }
        async fn credential(&self) -> Result<Credential, HttpError> {
            let serial = self.refused.load(std::sync::atomic::Ordering::Relaxed);
            let token = HeaderValue::from_str(&format!("Bearer {serial}")).unwrap();
            Ok(Credential::new(token, serial))
        }
        async fn refused(&self, _: &Credential) {
            self.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    for (is_fixed, replies, sent) in [
        (false, vec![Reply::page(), Reply::json(json!({ "id": 7 }))], ["Bearer 0", "Bearer 1"]),
        (false, vec![Reply::page()], ["Bearer 0", "Bearer 1"]),
        (true, vec![Reply::page(), Reply::json(json!({ "id": 7 }))], ["Bearer 0", "Bearer 0"]),
    ] {
        let succeeds = replies.len() > 1;
        let server = Scripted::replies(replies).await;
        let authorizer = Arc::new(Counted { is_fixed, ..Counted::default() });
        let request = Request::get_json(server.url("/thing")).authorized_by(authorizer);
        let thing = server.client().0.json::<Thing>(&request).await;
        assert_eq!(thing.is_ok(), succeeds);
        let seen: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
        assert_eq!(seen, sent);
    }
}

/// A 401 of a server that was shown no credentials refuses none: it says so, and which setting the host belongs into.
#[tokio::test]
async fn a_401_without_credentials_refuses_none() {
    let other = Scripted::replies(vec![Reply::status(401).body("no")]).await;
    let there = other.url("/elsewhere");
    let server = Scripted::start(move |seen, _| match seen.path() {
        "/redirected" => Reply::status(302).header("Location", &there),
        _ => Reply::json(json!({ "id": 7 })),
    })
    .await;
    let policy =
        HostPolicy::new(&server.url("/"), &[other.host()]).unwrap().advising("name it in http.same_as");
    let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::UNIX_EPOCH));
    let client = Client::new(policy, &HttpSettings::default(), clock).unwrap();
    let user =
        crate::auth::FixedCredential::basic("ann", &"pass-word".into(), &server.url("/"), client.redactor());
    let user = user.unwrap();
    for url in [other.url("/direct"), server.url("/redirected")] {
        let error = client.call(&Request::get(url).authorized_by(user.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthRejected);
        let line = error.line();
        assert!(
            line.contains("called without credentials") && line.contains("name it in http.same_as"),
            "{line}"
        );
    }
    client.json::<Thing>(&Request::get(server.url("/")).authorized_by(user)).await.unwrap();
}

/// Behind a gateway, links and redirects that carry the server's other name are called under the base URL, with its
/// credentials.
#[tokio::test]
async fn the_servers_other_name_is_called_under_the_base_url() {
    let server = Scripted::start(|seen, _| match seen.path() {
        "/redirected" => Reply::status(302).header("Location", "https://epm.internal/there?x=y"),
        _ => Reply::json(json!({ "id": 7 })),
    })
    .await;
    let base = server.url("/");
    let policy = HostPolicy::new(&base, &[]).unwrap();
    let policy = policy.with_names_of_its_own(&base, &["epm.internal".to_owned()]).unwrap();
    let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::UNIX_EPOCH));
    let client = Client::new(policy, &HttpSettings::default(), clock).unwrap();
    let link = Url::parse("https://epm.internal/files/a%2Fb?sig=1").unwrap();
    client.json::<Thing>(&authorized(&server, link)).await.unwrap();
    client.json::<Thing>(&authorized(&server, server.url("/redirected"))).await.unwrap();
    let seen: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| (seen.target.clone(), seen.header("authorization").to_owned()))
        .collect();
    let known = |target: &str| (target.to_owned(), "Bearer known".to_owned());
    assert_eq!(seen, [known("/files/a%2Fb?sig=1"), known("/redirected"), known("/there?x=y")]);
}

/// What a server wants that is longer than a call waits is told, whatever stands around it.
#[tokio::test]
async fn what_a_server_wants_is_told() {
    for (status, asked, kind) in [
        (429, "360", ErrorKind::Throttled),
        (503, "360", ErrorKind::Throttled),
        (503, "1", ErrorKind::Unavailable),
        (502, "360", ErrorKind::Unavailable),
    ] {
        let server = Scripted::replies(vec![Reply::status(status).header("Retry-After", asked)]).await;
        let error = server.client().0.call(&Request::get(server.url("/"))).await.unwrap_err();
        let seconds = error.retry_after().unwrap().as_secs().to_string();
        assert_eq!((error.kind(), seconds.as_str()), (kind, asked), "{status}");
    }
}

/// A file of authorities that holds none is found before anything is called, and named.
#[test]
fn a_file_without_authorities_is_named() {
    let client = |file: &str| {
        let settings = HttpSettings { ca_file: Some(file.into()), ..HttpSettings::default() };
        let policy = HostPolicy::new(&Url::parse("https://pod.example.com/").unwrap(), &[]).unwrap();
        let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::UNIX_EPOCH));
        Client::new(policy, &settings, clock).map(|_| ()).unwrap_err().to_string()
    };
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(
        client(manifest).contains("http.ca_file") && client(manifest).contains("no certificate"),
        "{}",
        client(manifest)
    );
    assert!(client("/nowhere/ca.pem").contains("http.ca_file /nowhere/ca.pem cannot be read"));
}

/// A server on this machine whose certificate no machine's authority has issued. It notes which protocol each connection
/// has agreed on by ALPN, where one comes about.
async fn privately_certified() -> (Url, Arc<Mutex<Vec<Option<Vec<u8>>>>>) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let certificate = CertificateDer::from_pem_slice(include_bytes!("test_tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("test_tls/server.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let connections: Arc<Mutex<Vec<_>>> = Arc::default();
    let noted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepted = acceptor.accept(stream).await;
            let agreed = accepted.as_ref().ok().and_then(|stream| stream.get_ref().1.alpn_protocol());
            noted.lock().unwrap().push(agreed.map(<[u8]>::to_vec));
            let Ok(mut stream) = accepted else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{\"id\": 7}";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (base, connections)
}

/// Promise 7: a server is called where an authority vouches for it that the machine trusts, or the connection; another one
/// sees no request, is not tried again, and whoever runs it is told what to do.
#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let (base, connections) = privately_certified().await;
    let client = |file: Option<&str>| {
        let settings = HttpSettings { ca_file: file.map(Into::into), ..HttpSettings::default() };
        let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::UNIX_EPOCH));
        Client::new(HostPolicy::new(&base, &[]).unwrap(), &settings, clock).unwrap()
    };
    let said = client(None).call(&Request::get(base.clone())).await.unwrap_err().to_string();
    let advice = match crate::check_authorities() {
        Ok(()) => "is not trusted (if a private authority has issued it, name its root in http.ca_file)",
        Err(_) => "name a file of certificates in SSL_CERT_FILE",
    };
    assert!(said.contains(advice), "{said}");

    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/src/client/test_tls/authority.pem");
    let thing: Thing = client(Some(authority)).json(&Request::get(base.clone())).await.unwrap();
    assert_eq!(thing.id, 7);
    assert_eq!(*connections.lock().unwrap(), [None, Some(b"http/1.1".to_vec())]);
}

/// Promise 7: of a URL that lets in whoever knows it, errors and what is shown of a request have the server alone.
#[tokio::test]
async fn of_a_secret_url_only_the_server_is_shown() {
    let server = Scripted::replies(vec![Reply::status(500)]).await;
    let (client, _) = server.client();
    let url = server.url("/services/T0/B0/SECRET?sig=SECRET");
    let request = Request::post_json(url, &serde_json::json!({})).unwrap().to_secret_url();
    let error = client.call(&request).await.unwrap_err();
    let shown = format!("{request:?} {error} {error:?} {}", error.exchange().url);
    assert!(shown.contains(&server.host()) && !shown.contains("SECRET") && !shown.contains("T0"), "{shown}");
    assert_eq!(server.seen()[0].target, "/services/T0/B0/SECRET?sig=SECRET");
}
