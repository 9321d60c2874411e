//! Server texts: whatever stands around a secret, and however it is spelled, it is not repeated.

use arbitrary::{Arbitrary, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use landfall_http::Redactor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use crate::memory::{self, MIB};

/// What a text shows at most: 500 characters, and that there were more.
const MAX_SHOWN: usize = 501;
/// Nothing of this alphabet is in a mask, or in a text around a secret: where it shows, the secret does.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789/+\"%&~";
/// As long a piece of a secret is not shown either.
const PIECE: usize = 8;

#[derive(Debug, Arbitrary)]
struct Plan<'a> {
    secret: [u8; 24],
    others: Vec<u8>,
    spelling: u8,
    is_issued: bool,
    form: u8,
    before: &'a str,
    after: &'a str,
}

/// Plants a secret in a text, and looks for it in what is shown of the text.
pub fn redactor(bytes: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let secret: String =
        plan.secret.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect();
    let spelled = spelled(&secret, plan.spelling);
    let text = around(&plan, &spelled);
    let shown = memory::within(4 * MIB + 64 * bytes.len(), || {
        let redactor = Redactor::default();
        for other in plan.others.iter().take(70) {
            redactor.remember_issued(&SecretString::from(format!("issued-{other:03}")));
        }
        let known = SecretString::from(secret.clone());
        if plan.is_issued {
            redactor.remember_issued(&known)
        } else {
            redactor.remember(&known)
        }
        [Some(redactor.text(&text)), redactor.problem(text.as_bytes())]
    });
    for shown in shown.into_iter().flatten() {
        assert!(shown.chars().count() <= MAX_SHOWN, "{} characters: {shown:?}", shown.chars().count());
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(!shown.contains(&spelled), "{secret:?} shows in {shown:?}, the text {text:?}");
        if plan.spelling.is_multiple_of(4) {
            let mut pieces = secret.as_bytes().windows(PIECE).filter_map(|piece| str::from_utf8(piece).ok());
            let piece = pieces.find(|piece| shown.contains(piece));
            assert_eq!(piece, None, "a piece of {secret:?} shows in {shown:?}, the text {text:?}");
        }
    }
}

fn spelled(secret: &str, spelling: u8) -> String {
    match spelling % 4 {
        0 => secret.to_owned(),
        1 => utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        2 => STANDARD.encode(secret),
        _ => URL_SAFE_NO_PAD.encode(secret),
    }
}

/// The text: bare, or in one of the forms of errors that are known.
fn around(plan: &Plan<'_>, spelled: &str) -> String {
    let quiet =
        |text: &str| text.to_lowercase().replace(|c: char| c.is_ascii_digit() || "/+\"%&~".contains(c), " ");
    let said = format!("{}{spelled}{}", quiet(plan.before), quiet(plan.after));
    match plan.form % 4 {
        0 => said,
        1 => serde_json::json!({ "error": "invalid_grant", "error_description": said }).to_string(),
        2 => serde_json::json!({ "title": said, "o:errorDetails": [{ "detail": said }] }).to_string(),
        _ => serde_json::json!({ "errors": [{ "message": said, "code": "x" }] }).to_string(),
    }
}
