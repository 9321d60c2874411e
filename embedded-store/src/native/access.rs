//! Who may call, and whether a request is signed by them: version 1 of OCI's signatures
//! (draft-cavage-http-signatures-08).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::sha2::{Digest as _, Sha256};

use super::answer::Refusal;
use super::sessions::Sessions;
use crate::Error;

/// Clocks that differ by more seconds than this have signatures refused (Oracle: API request signatures).
const MAX_SKEW: i64 = 300;

/// The headers that every signature covers, and those that it covers besides where the call has a body.
const ALWAYS: [&str; 3] = ["date", "(request-target)", "host"];
const OF_A_BODY: [&str; 3] = ["content-length", "content-type", "x-content-sha256"];

/// Who may call OCI's own API: a tenancy with one bucket namespace, and the key of one user.
#[derive(Clone)]
pub struct OciAccess {
    /// The tenancy's Object Storage namespace.
    pub namespace: String,
    /// The `keyId` of the user's signatures: tenancy, user and fingerprint, with slashes between.
    pub key_id: String,
    key: rsa::PublicKey,
    sessions: Arc<Sessions>,
}

impl fmt::Debug for OciAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OciAccess")
            .field("namespace", &self.namespace)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl OciAccess {
    /// The user whose signatures are verified by this public key (PEM).
    ///
    /// # Errors
    /// [`Error::PublicKey`].
    pub fn new(namespace: &str, key_id: &str, public_key: &str) -> Result<Self, Error> {
        let key = rsa::PublicKey::from_public_key_pem(public_key).map_err(|_| Error::PublicKey)?;
        let (namespace, key_id) = (namespace.to_owned(), key_id.to_owned());
        Ok(Self { namespace, key_id, key, sessions: Arc::default() })
    }

    /// The same, and these sessions besides.
    #[must_use]
    pub fn admitting(mut self, sessions: Arc<Sessions>) -> Self {
        self.sessions = sessions;
        self
    }

    /// The key of whoever a signature says to be of, if that is somebody who may call now.
    fn key_of(&self, key_id: &str, now: Timestamp) -> Option<rsa::PublicKey> {
        match key_id == self.key_id {
            true => Some(self.key.clone()),
            false => self.sessions.key(key_id, now),
        }
    }

    /// Holds a request against its signature.
    ///
    /// # Errors
    /// `NotAuthenticated`, with what is wrong.
    pub(super) fn verify(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let said = text(headers, "authorization").and_then(|value| value.strip_prefix("Signature "));
        let said = said.map(parameters).ok_or_else(|| refused("the request is not signed"))?;
        let of = |name: &str| said.get(name).map(String::as_str).unwrap_or_default();
        if of("version") != "1" || !of("algorithm").eq_ignore_ascii_case("rsa-sha256") {
            return Err(refused("the signature has another version or algorithm"));
        }
        let key = self.key_of(of("keyId"), now).ok_or_else(|| refused("the key is not known"))?;
        let names: Vec<&str> = of("headers").split(' ').collect();
        let needed = ALWAYS.into_iter().chain(OF_A_BODY.into_iter().filter(|_| method == Method::POST));
        if let Some(missing) = needed.into_iter().find(|needed| !names.contains(needed)) {
            return Err(refused(&format!("the signature does not cover {missing}")));
        }
        is_in_time(text(headers, "date"), now)?;
        let lines = names.iter().map(|name| line(name, (method, uri), headers));
        let signed =
            lines.collect::<Option<Vec<_>>>().ok_or_else(|| refused("a signed header is missing"))?;
        let signature = BASE64.decode(of("signature")).unwrap_or_default();
        key.pkcs1v15_verify::<Sha256>(signed.join("\n").as_bytes(), &signature)
            .map_err(|_| refused("the signature does not fit the request"))
    }
}

/// Holds a body against the digest that its signature covers.
///
/// # Errors
/// `NotAuthenticated`.
pub(super) fn verify_body(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let is_signed = text(headers, "x-content-sha256") == Some(BASE64.encode(Sha256::digest(body)).as_str());
    is_signed.then_some(()).ok_or_else(|| refused("x-content-sha256 is not the body's"))
}

fn is_in_time(date: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let date = date.ok_or_else(|| refused("the date is missing, or is none"))?.timestamp();
    match (now.as_second() - date.as_second()).abs() <= MAX_SKEW {
        true => Ok(()),
        false => Err(refused("the date is more than five minutes off")),
    }
}

fn line(name: &str, (method, uri): (&Method, &Uri), headers: &HeaderMap) -> Option<String> {
    let value = match name {
        "(request-target)" => {
            let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
            format!("{} {target}", method.as_str().to_ascii_lowercase())
        }
        name => text(headers, name)?.to_owned(),
    };
    Some(format!("{name}: {value}"))
}

/// The parameters of an `Authorization`: names, and values in quotes, whatever their order.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let Some((value, next)) = after.split_once('"') else { break };
        found.insert(name.trim_matches([',', ' ']).to_owned(), value.to_owned());
        rest = next;
    }
    found
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn refused(message: &str) -> Refusal {
    Refusal::new(401, "NotAuthenticated", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle's SDK and others write the parameters in orders of their own.
    #[test]
    fn parameters_are_read_in_any_order() {
        let read = parameters(
            r#"algorithm="rsa-sha256",headers="date host", keyId="t/u/aa:bb",signature="a=b==",version="1""#,
        );
        let of = |name: &str| read[name].as_str();
        assert_eq!((of("algorithm"), of("headers"), of("keyId")), ("rsa-sha256", "date host", "t/u/aa:bb"));
        assert_eq!((of("signature"), of("version"), read.len()), ("a=b==", "1", 5));
        assert!(parameters("nothing").is_empty());
    }

    /// Clock skew over five minutes is 401 `NotAuthenticated`.
    #[test]
    fn a_date_that_is_off_is_refused() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (date, is_good) in [
            (Some("Sat, 21 Nov 2026 11:55:00 GMT"), true),
            (Some("Sat, 21 Nov 2026 12:05:00 GMT"), true),
            (Some("Sat, 21 Nov 2026 12:05:01 GMT"), false),
            (Some("Sat, 21 Nov 2026 11:54:59 GMT"), false),
            (Some("yesterday"), false),
            (None, false),
        ] {
            assert_eq!(is_in_time(date, now).is_ok(), is_good, "{date:?}");
        }
    }
}
