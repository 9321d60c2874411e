//! Signatures of calls to OCI: version 1 of its scheme (draft-cavage-http-signatures-08).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::error::PrincipalError;
use super::identity::Identity;
use crate::rsa::RsaKeyError;

/// Clocks that differ by more seconds than this have signatures refused (Oracle: API request signatures).
const MAX_SKEW: i64 = 300;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("x-content-sha256");

/// What a signature covers besides the time and the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Covers {
    /// The host, as every service but one has it.
    Host,
    /// Nothing, as the service has it that gives instances their tokens.
    NoHost,
}

/// Signs a request: sets its `Date` and `Authorization`, and of a `POST` the headers that describe its body.
///
/// The body of an object or a part (`PUT`) is not hashed: the store verifies its checksum.
pub(super) async fn sign(
    request: &mut reqwest::Request,
    identity: &Identity,
    covers: Covers,
    now: Timestamp,
) -> Result<(), PrincipalError> {
    let unusable =
        |reason: &str| PrincipalError::Key { of: "the caller".to_owned(), reason: reason.to_owned() };
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    let date = date.map_err(|_| unusable("the time is before the year 1 or behind 9999"))?;
    if request.method() == Method::POST {
        describe_body(request);
    }
    let (names, text) = signed_text(request, &date, covers);
    let key = identity.key.clone();
    // A signature takes milliseconds, for which others would wait.
    let signature = tokio::task::spawn_blocking(move || key.sign_sha256(text.as_bytes())).await;
    let signature = signature.unwrap_or(Err(RsaKeyError::NotSigned));
    let signature = signature.map_err(|error| unusable(&error.to_string()))?;
    let value = format!(
        "Signature version=\"1\",keyId=\"{}\",algorithm=\"rsa-sha256\",headers=\"{names}\",signature=\"{}\"",
        identity.key_id.expose_secret(),
        BASE64.encode(signature)
    );
    let mut value =
        HeaderValue::try_from(value).map_err(|_| unusable("it has an id that no header can carry"))?;
    value.set_sensitive(true);
    let date = HeaderValue::try_from(date).map_err(|_| unusable("it cannot sign at this time"))?;
    request.headers_mut().insert(header::DATE, date);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

fn describe_body(request: &mut reqwest::Request) {
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let (length, digest) = (body.len(), BASE64.encode(Sha256::digest(body)));
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Ok(digest) = HeaderValue::try_from(digest) {
        headers.insert(CONTENT_DIGEST, digest);
    }
}

/// The names of the headers that are signed, and the text that is.
fn signed_text(request: &reqwest::Request, date: &str, covers: Covers) -> (String, String) {
    let url = request.url();
    let method = request.method().as_str().to_ascii_lowercase();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut lines =
        vec![("date", date.to_owned()), ("(request-target)", format!("{method} {}{query}", url.path()))];
    if covers == Covers::Host {
        lines.push(("host", host(url)));
    }
    if request.method() == Method::POST {
        for name in ["content-length", "content-type", "x-content-sha256"] {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            lines.push((name, value.unwrap_or_default().to_owned()));
        }
    }
    let names = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    let text = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    (names, text)
}

/// The `Host` that a request to this URL carries.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What is wrong with a clock that signatures are refused for, by the time that the server tells; nothing where it is
/// right enough.
pub fn clock_skew(now: Timestamp, told: Timestamp) -> Option<String> {
    let seconds = now.as_second() - told.as_second();
    let ahead = if seconds > 0 { "ahead of" } else { "behind" };
    (seconds.abs() > MAX_SKEW).then(|| {
        format!(
            "this machine's clock is {} s {ahead} OCI's, which refuses what is signed more than {MAX_SKEW} s off: \
             synchronise it by NTP",
            seconds.abs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures are refused for a clock that is off, and only then is it said to be why.
    #[test]
    fn a_clock_that_is_off_is_named() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(clock_skew(at(1000), at(700)), None);
        assert!(clock_skew(at(1001), at(700)).unwrap().contains("301 s ahead of OCI's"));
        assert!(clock_skew(at(0), at(700)).unwrap().contains("700 s behind OCI's"));
    }
}
