//! The HTTP client: redirects, retries and resumed downloads of a server that lies about all of them.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use futures::StreamExt as _;
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use landfall::clock::ManualClock;
use landfall::contract::ResumeAt;
use landfall_http::HttpSettings;
use landfall_http::{Client, HostPolicy, HttpError, Request, retry};
use url::Url;

use crate::memory::{self, MIB};
use crate::script::{self, Script};
use crate::text::{chain_is_told, is_told};

const BASE: &str = "https://pod.example.com/";
/// What a request carries that nobody is told.
const SECRET: &str = "s3cret-MARKED";
/// So many bytes may an answer have.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Calls the server that the bytes describe. The first byte is the call; the answers follow.
pub fn http_edges(bytes: &[u8]) {
    let [call, rest @ ..] = bytes else { return };
    address_is_judged_once(rest);
    let script = Arc::new(Script::parse(rest, may_be_called, |url| url.as_str().starts_with(BASE)));
    let headers = script.first_headers();
    let _ = retry::retry_after(&headers, Timestamp::UNIX_EPOCH);
    if let Some(location) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()) {
        policies_agree(location);
    }
    let client = client().clone().wrapped(|_| script);
    memory::within(4 * MIB + 64 * bytes.len(), || script::block_on(run(*call, &client)));
}

/// Made once: it loads certificates.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let settings = HttpSettings { attempts: 3, retry_seconds: 10, ..HttpSettings::default() };
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let client = Client::new(policy(), &settings, clock).expect("a client can be made").with_seed(1);
        client.redactor().remember(&SECRET.into());
        client
    });
    &CLIENT
}

fn policy() -> HostPolicy {
    let hosts = ["files.example.com:8443", "*.cdn.example.com"].map(str::to_owned);
    HostPolicy::new(&Url::parse(BASE).expect("a URL"), &hosts).expect("a policy")
}

/// The same hosts as the policy's, by their text alone.
fn may_be_called(url: &Url) -> bool {
    let authority = url.as_str().strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| match authority {
        "pod.example.com" | "files.example.com:8443" => true,
        other => other.strip_suffix(".cdn.example.com").is_some_and(|below| {
            !below.is_empty() && below.chars().all(|c| !matches!(c, '@' | ':' | '/' | '\\'))
        }),
    })
}

fn policies_agree(location: &str) {
    let Ok(url) = Url::parse(BASE).expect("a URL").join(location) else { return };
    let verdict = policy().check(&url);
    assert_eq!(verdict.is_ok(), may_be_called(&url), "{url}: {verdict:?}");
    let _ = HostPolicy::new(&url, &[location.to_owned()]).inspect_err(|refused| chain_is_told(refused));
}

/// An address inside a network is refused in each of its forms.
fn address_is_judged_once(bytes: &[u8]) {
    let Some(octets) = bytes.first_chunk::<4>() else { return };
    let plain = IpAddr::from(*octets);
    let IpAddr::V4(v4) = plain else { return };
    let policy = policy();
    let is_inside = v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified();
    for address in [plain, IpAddr::V6(v4.to_ipv6_mapped())] {
        let verdict = policy.check_address("a.cdn.example.com", address);
        assert!(!is_inside || verdict.is_err(), "{address} is called");
        assert_eq!(verdict.is_ok(), policy.check_address("a.cdn.example.com", plain).is_ok(), "{address}");
    }
}

async fn run(call: u8, client: &Client) {
    let url = Url::parse(BASE).and_then(|base| base.join("a?b=c")).expect("a URL");
    let secret = HeaderValue::from_static(SECRET);
    let request = |request: Request| {
        request
            .secret_header(HeaderName::from_static("x-okapi-token"), secret.clone())
            .at_most(MAX_ANSWER_BYTES)
    };
    let resume = |offset, validator: &str| Some(ResumeAt { offset, validator: validator.to_owned() });
    match call % 6 {
        0 => told(client.json::<serde_json::Value>(&request(Request::get(url))).await.map(drop)),
        1 => {
            let answer = client.call(&request(Request::post_form(url, &[("a", "b")]))).await;
            if let Ok(answer) = &answer {
                assert!(answer.status.is_success() && answer.body.len() as u64 <= MAX_ANSWER_BYTES);
                let _ = answer.told_time();
            }
            told(answer.map(drop));
        }
        2 => told(client.call(&request(Request::get(url)).once()).await.map(drop)),
        3 => download(client, url, None).await,
        4 => download(client, url, resume(5, "\"v1\"")).await,
        _ => download(client, url, resume(u64::MAX - 1, "\"v1\"")).await,
    }
}

/// A body that ends well has as many bytes as were declared.
async fn download(client: &Client, url: Url, resume: Option<ResumeAt>) {
    let mut download = match client.download(url, None, resume.as_ref()).await {
        Ok(download) => download,
        Err(failed) => return told(Err(failed)),
    };
    let asked = resume.map_or(0, |resume| resume.offset);
    assert!([0, asked].contains(&download.offset), "the download begins at {}", download.offset);
    let mut length = 0_u64;
    while let Some(piece) = download.body.next().await {
        match piece {
            Ok(piece) => length += piece.len() as u64,
            Err(failed) => return told(Err(failed)),
        }
    }
    if let Some(size) = download.size {
        assert_eq!(Some(size), download.offset.checked_add(length), "from {}", download.offset);
    }
}

fn told(result: Result<(), HttpError>) {
    if let Err(failed) = result {
        chain_is_told(&failed);
        assert!(!landfall::error::chain(&failed).contains(SECRET), "{failed}");
        is_told(&failed.into());
    }
}
