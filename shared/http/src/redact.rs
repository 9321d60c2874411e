//! What of a server's words may be repeated: nothing secret, nothing that breaks a line, not too much.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Url, form_urlencoded};

const MASK: &str = "[redacted]";
/// How much of a server's explanation is repeated.
const EXCERPT: usize = 500;
/// How many issued tokens a process remembers; a token more pushes the oldest token out.
const ISSUED_REMEMBERED: usize = 64;
/// How many signatures of links a process remembers; each file may have a link of its own.
const LINKS_REMEMBERED: usize = 64;
/// Shorter secrets are parts of ordinary words.
const SHORTEST: usize = 4;
/// What is shorter in a link's query signs nothing.
const MIN_SIGNATURE: usize = 16;

/// A URL as it may be shown: without query, fragment and credentials.
pub(super) fn url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // Only URLs without a host refuse this, and those hold no credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.into()
}

/// Takes secrets out of texts that a server wrote: those that it is told of, and whatever looks like one.
///
/// Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Known>>);

/// The secrets that a redactor has been told of.
#[derive(Default)]
struct Known {
    /// Those of the configuration: never forgotten, however long the process lives.
    configured: Vec<Secret>,
    /// Those that servers issued, the oldest first.
    issued: VecDeque<Secret>,
    /// What signs the links that were called, the oldest first.
    links: VecDeque<Secret>,
}

/// A secret, in each way that a server may spell it.
struct Secret {
    plain: SecretString,
    spellings: Vec<SecretString>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// Remembers a secret of the configuration for good, so that a server cannot make us repeat it, be it encoded.
    /// Those of fewer than 4 bytes are not remembered: they are parts of ordinary words.
    pub fn remember(&self, secret: &SecretString) {
        let mut known = self.known();
        if is_worth_it(secret) && !known.configured.iter().any(|other| other.is(secret)) {
            known.configured.push(Secret::new(secret));
        }
    }

    /// Remembers a token that a server issued, until 64 others have come.
    pub fn remember_issued(&self, token: &SecretString) {
        let mut known = self.known();
        if is_worth_it(token) && !known.has(token) {
            push(&mut known.issued, token, ISSUED_REMEMBERED);
        }
    }

    /// Remembers what signs a link that is about to be called: its server may say it again without the names that tell
    /// what it is.
    pub(super) fn remember_link(&self, url: &Url) {
        let pairs = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        for (_, value) in pairs.filter(|(name, _)| is_telling(name)) {
            // Not as a form's field, where a plus is a blank: it is one of base64's letters.
            let signature = SecretString::from(percent_decode_str(value).decode_utf8_lossy().into_owned());
            let mut known = self.known();
            if signature.expose_secret().len() >= MIN_SIGNATURE && !known.has(&signature) {
                push(&mut known.links, &signature, LINKS_REMEMBERED);
            }
        }
    }

    /// A server's text in one line of at most 500 characters, without control characters and secrets.
    pub fn text(&self, text: &str) -> String {
        // Longer than what is shown, so that a secret at the cut is still recognised. Blanks do not count: they would
        // push a secret over the cut and vanish.
        let line = match one_line(text, 8 * EXCERPT) {
            (line, Whole::Yes) => self.mask_known(&line),
            (line, Whole::No) => self.without_beginnings(self.mask_known(&line)),
        };
        let masked = mask_lookalikes(&line);
        let mut shown: String = masked.chars().take(EXCERPT).collect();
        if shown.len() < masked.len() {
            shown.push('…');
        }
        shown
    }

    /// What an error's body says, as far as its form is known; otherwise how it begins.
    ///
    /// Knows RFC 7807 (`title`, `detail`), ADF's `o:errorDetails`, OAuth's `error` and `error_description`, and a list
    /// of `errors` with `message` and `code`, as FOLIO has it.
    pub fn problem(&self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        let said = match serde_json::from_slice::<Value>(body) {
            Ok(problem @ Value::Object(_)) => problem_text(&problem).unwrap_or_else(|| text.into_owned()),
            _ if looks_like_a_page(body) => "a web page".to_owned(),
            _ => text.into_owned(),
        };
        let said = self.text(&said);
        (!said.is_empty()).then_some(said)
    }

    fn mask_known(&self, text: &str) -> String {
        let known = self.known();
        let mut spellings: Vec<&str> =
            known.all().flat_map(|secret| &secret.spellings).map(ExposeSecret::expose_secret).collect();
        // One may be a part of another, of which nothing must stay.
        spellings.sort_by_key(|spelling| Reverse(spelling.len()));
        spellings.into_iter().fold(text.to_owned(), |text, spelling| text.replace(spelling, MASK))
    }

    /// Takes the beginning of a secret off the end of a line that was cut.
    fn without_beginnings(&self, mut line: String) -> String {
        let known = self.known();
        for spelling in known.all().flat_map(|secret| &secret.spellings).map(ExposeSecret::expose_secret) {
            let beginnings = spelling.char_indices().rev().filter_map(|(end, _)| spelling.get(..end));
            let longest = beginnings.filter(|head| head.len() >= SHORTEST).find(|head| line.ends_with(head));
            if let Some(head) = longest {
                line.truncate(line.len().saturating_sub(head.len()));
            }
        }
        line
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn all(&self) -> impl Iterator<Item = &Secret> {
        self.configured.iter().chain(&self.issued).chain(&self.links)
    }

    fn has(&self, secret: &SecretString) -> bool {
        self.all().any(|known| known.is(secret))
    }
}

/// Remembers one secret more; the oldest is forgotten where there are too many.
fn push(secrets: &mut VecDeque<Secret>, secret: &SecretString, most: usize) {
    if secrets.len() >= most {
        secrets.pop_front();
    }
    secrets.push_back(Secret::new(secret));
}

impl Secret {
    fn new(secret: &SecretString) -> Self {
        Self { plain: secret.clone(), spellings: spellings(secret.expose_secret()) }
    }

    fn is(&self, other: &SecretString) -> bool {
        self.plain.expose_secret() == other.expose_secret()
    }
}

fn is_worth_it(secret: &SecretString) -> bool {
    secret.expose_secret().len() >= SHORTEST
}

/// A secret as it stands in a header, in JSON, in a form, in a URL, and in base64. The padding of base64 is left out:
/// it says nothing.
fn spellings(secret: &str) -> Vec<SecretString> {
    let json = serde_json::Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let escaped = [NON_ALPHANUMERIC, UNRESERVED, COMPONENT, QUERY]
        .map(|set| utf8_percent_encode(secret, set).to_string());
    let escaped = escaped.into_iter().chain([form]).flat_map(|text| [lower_escapes(&text), text]);
    let base64 = [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|base64| base64.encode(secret));
    let mut all: Vec<String> = [secret.to_owned(), json.to_owned(), json.replace('/', "\\/")].into();
    all.extend(escaped.chain(base64));
    // As texts are, so that a key of many lines is found in one.
    all.iter_mut().for_each(|spelling| *spelling = one_line(spelling, usize::MAX).0);
    all.retain(|spelling| spelling.len() >= SHORTEST);
    all.sort();
    all.dedup();
    all.into_iter().map(SecretString::from).collect()
}

/// Escapes all that RFC 3986 does not call unreserved.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Escapes what `encodeURIComponent` of JavaScript does.
const COMPONENT: &AsciiSet = &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
/// Escapes only what a query cannot hold (WHATWG URL, the query percent-encode set) and what parts it.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'&').add(b'%');

/// The same text with its escapes in lower case, as some servers write them.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// Whether a character shows nothing by itself: a control, a space or joiner without width, a mark of direction, a tag.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a line holds all of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// The words of a text with one blank between them, up to so many characters.
fn one_line(text: &str, most: usize) -> (String, Whole) {
    let mut line = String::new();
    let (mut count, mut is_apart) = (0_usize, false);
    for c in text.chars() {
        if c.is_whitespace() || is_unprintable(c) {
            is_apart = !line.is_empty();
            continue;
        }
        if count >= most {
            return (line, Whole::No);
        }
        if std::mem::take(&mut is_apart) {
            line.push(' ');
            count = count.saturating_add(1);
        }
        line.push(c);
        count = count.saturating_add(1);
    }
    (line, Whole::Yes)
}

/// Whether bytes begin as an HTML page does.
pub(super) fn looks_like_a_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|start| body.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
}

fn problem_text(problem: &Value) -> Option<String> {
    const FIELDS: [&str; 8] =
        ["error", "error_description", "title", "detail", "message", "code", "errorCode", "o:errorCode"];
    let mut said: Vec<String> = Vec::new();
    let mut say = |value: Option<&Value>| {
        let text = match value {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return,
        };
        if !text.is_empty() && !said.contains(&text) {
            said.push(text);
        }
    };
    for field in FIELDS {
        say(problem.get(field));
    }
    let details = problem.get("o:errorDetails").and_then(Value::as_array);
    for detail in details.into_iter().flatten().take(10) {
        for field in ["title", "detail", "o:errorCode", "o:errorPath"] {
            say(detail.get(field));
        }
    }
    let errors = problem.get("errors").and_then(Value::as_array);
    for error in errors.into_iter().flatten().take(10) {
        for field in ["message", "code"] {
            say(error.get(field));
        }
    }
    (!said.is_empty()).then(|| said.join(": "))
}

/// Masks what looks like a secret in a line: tokens, values behind a telling name, queries of URLs.
fn mask_lookalikes(line: &str) -> String {
    let line = line.split(' ').map(mask_query).collect::<Vec<_>>().join(" ");
    let mut masked = String::with_capacity(line.len());
    let mut rest = line.as_str();
    let mut is_announced = false;
    while !rest.is_empty() {
        let (value, behind) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
        let (separator, next) = behind.split_at(behind.find(|c| !is_separator(c)).unwrap_or(behind.len()));
        let value = mask_jwts(value);
        let value = value.as_str();
        let is_scheme = matches!(value, "Bearer" | "bearer" | "Basic" | "basic");
        if !is_scheme && !value.is_empty() && (is_announced || looks_secret(value)) {
            masked.push_str(MASK);
            is_announced = false;
        } else {
            masked.push_str(value);
            is_announced = matches!(value, "Bearer" | "Basic")
                || (is_telling(value) && separator.contains([':', '=']))
                || (is_announced && (is_scheme || value.is_empty()));
        }
        masked.push_str(separator);
        rest = next;
    }
    masked
}

fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | ':' | '=' | '"' | '\'' | ',' | ';' | '&' | '(' | ')' | '{' | '}' | '[' | ']' | '<' | '>'
    )
}

/// Masks the query of an address, whole or relative, where one of its names says that it holds a secret. Of a whole
/// address every query is masked.
fn mask_query(word: &str) -> String {
    match word.split_once('?') {
        Some((before, query)) if before.contains("://") || is_telling_query(query) => {
            format!("{before}?{MASK}")
        }
        _ => word.to_owned(),
    }
}

fn is_telling_query(query: &str) -> bool {
    query.split(['&', ';', '?']).map(|pair| pair.split('=').next().unwrap_or_default()).any(|name| {
        let bare = bare(name);
        is_telling(name) || bare.starts_with("xamz") || matches!(bare.as_str(), "code" | "session")
    })
}

/// Whether a name says that its value is a secret.
fn is_telling(name: &str) -> bool {
    const TELLING: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "assertion",
        "authorization",
        "apikey",
        "accesskey",
        "cookie",
        "credential",
        "signature",
        "sessionid",
    ];
    let name = bare(name);
    name == "sig" || TELLING.iter().any(|telling| name.ends_with(telling))
}

/// A name's letters and digits, in lower case.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a word has the form of a credential: a long run of letters of both cases and digits that change as often
/// as only random ones do.
fn looks_secret(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '~');
    word.split(|c| !is_part(c)).any(|run| run.len() >= 40 && looks_random(run))
}

/// Masks the JSON web tokens of a word, which may be a part of a path.
fn mask_jwts(word: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mask = |piece: &str| {
        let (run, end) = piece.split_at(piece.find(|c| !is_part(c)).unwrap_or(piece.len()));
        if run.starts_with("eyJ") && run.len() >= 16 { format!("{MASK}{end}") } else { piece.to_owned() }
    };
    word.split_inclusive(|c| !is_part(c)).map(mask).collect()
}

fn looks_random(run: &str) -> bool {
    let class = |c: char| match c {
        'a'..='z' => 0,
        'A'..='Z' => 1,
        '0'..='9' => 2,
        _ => 3,
    };
    let has_all = (0..3).all(|wanted| run.chars().any(|c| class(c) == wanted));
    let changes = run.chars().zip(run.chars().skip(1)).filter(|(a, b)| class(*a) != class(*b)).count();
    has_all && changes.saturating_mul(3) >= run.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &str) -> String {
        Redactor::default().problem(body.as_bytes()).unwrap_or_default()
    }

    /// What a person can act on is said, in whichever form the server has it.
    #[test]
    fn known_forms_of_errors_are_read() {
        assert_eq!(
            problem(
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"no such extract"}"#
            ),
            "Bad Request: no such extract"
        );
        assert_eq!(
            problem(r#"{"error":"invalid_grant","error_description":"The user is locked.","ecid":"abc"}"#),
            "invalid_grant: The user is locked."
        );
        assert_eq!(
            problem(
                r#"{"title":"Bad Request","status":"400","o:errorDetails":[{"detail":"Attribute X is unknown","o:errorCode":"27520"}]}"#
            ),
            "Bad Request: Attribute X is unknown: 27520"
        );
        assert_eq!(
            problem(r#"{"code":"NotAuthenticated","message":"The date is off"}"#),
            "The date is off: NotAuthenticated"
        );
        assert_eq!(problem("<!DOCTYPE html><html>secret</html>"), "a web page");
        assert_eq!(problem("plain\n\ttext\u{7}\u{202e}"), "plain text");
        assert_eq!(Redactor::default().problem(b""), None);
    }

    /// Promise 7: a signature is masked also where a store shows it without its name; what else is in the query is not
    /// taken for one, and links do not push tokens out.
    #[test]
    fn what_signs_a_link_is_masked_wherever_it_is_said() {
        let redactor = Redactor::default();
        redactor.remember_issued(&SecretString::from("the-token"));
        for file in 0..=LINKS_REMEMBERED {
            let link = format!(
                "https://store.example/f?X-Amz-Date=20261122T000000Z&X-Amz-Expires=3600&X-Amz-Signature={file:064x}"
            );
            redactor.remember_link(&Url::parse(&link).unwrap());
        }
        redactor
            .remember_link(&Url::parse("https://s.example/f?sv=2024&sig=aGVsbG8gd29ybGQhIQ%3D%3D").unwrap());
        let last = format!("{LINKS_REMEMBERED:064x}");
        assert_eq!(
            redactor.text(&format!("the-token: {last} expired after 3600 at 20261122T000000Z")),
            "[redacted]: [redacted] expired after 3600 at 20261122T000000Z"
        );
        assert_eq!(redactor.text("bad aGVsbG8gd29ybGQhIQ=="), "bad [redacted]");
        redactor.remember_link(&Url::parse("https://s.example/f?sig=aG+sbG8gd2/ybGQhIQ").unwrap());
        assert_eq!(redactor.text("bad aG+sbG8gd2/ybGQhIQ"), "bad [redacted]");
    }

    /// Promise 7: no secret reaches an error, whoever repeats it.
    #[test]
    fn secrets_are_masked() {
        let redactor = Redactor::default();
        redactor.remember(&SecretString::from("hunter2 with spaces"));
        redactor.remember(&SecretString::from("hunter2 with spaces"));
        for secret in [
            "the password hunter2 with spaces is wrong",
            "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
            r#"{"nothing":"known","access_token":"plainword"}"#,
            "password=plainword&x=1",
            "client_secret: plainword",
            "client_secret = plainword",
            "Authorization: Bearer plainword",
            "Authorization: Basic plainword",
            "see https://x.example/file?sig=plainword for more",
            "got aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2q",
        ] {
            let shown = redactor.text(secret);
            for leak in ["hunter2", "eyJ", "plainword", "aB3dE6gH9jK2"] {
                assert!(!shown.contains(leak), "{secret:?} became {shown:?}");
            }
            assert!(shown.contains(MASK), "{shown}");
        }
    }

    /// A configured secret stays one however many tokens a long run is given; of those, the last are known.
    #[test]
    fn configured_secrets_are_never_forgotten() {
        let redactor = Redactor::default();
        redactor.remember(&"correct horse".into());
        for number in 0..100 {
            redactor.remember_issued(&format!("issued-{number:03}").into());
        }
        let shown = redactor.text("correct horse, issued-035, issued-036, issued-099");
        assert_eq!(shown, "[redacted], issued-035, [redacted], [redacted]");
    }

    /// Promise 7: a server may repeat a secret as it stood in a header, a form, a query or a JSON body.
    #[test]
    fn a_secret_is_masked_in_every_encoding() {
        let redactor = Redactor::default();
        redactor.remember(&r#"pä/s?w"o&r+d~!"#.into());
        for spelled in [
            r#"pä/s?w"o&r+d~!"#,
            r#"pä/s?w\"o&r+d~!"#,
            r#"pä\/s?w\"o&r+d~!"#,
            "p%C3%A4%2Fs%3Fw%22o%26r%2Bd~%21",
            "p%c3%a4%2fs%3fw%22o%26r%2bd~%21",
            "p%C3%A4%2Fs%3Fw%22o%26r%2Bd~!",
            "p%C3%A4%2Fs%3Fw%22o%26r%2Bd%7E%21",
            "p%C3%A4/s?w%22o%26r+d~!",
            "cMOkL3M/dyJvJnIrZH4h",
            "cMOkL3M_dyJvJnIrZH4h",
        ] {
            let shown = redactor.text(&format!("before {spelled} after"));
            assert_eq!(shown, "before [redacted] after", "{spelled}");
        }
        // Some escape what nobody has to.
        redactor.remember(&"horse-battery_staple.1".into());
        assert_eq!(redactor.text("horse%2Dbattery%5Fstaple%2E1"), "[redacted]");
    }

    /// Of two secrets, one of which begins as the other is, nothing stays.
    #[test]
    fn the_longest_secret_is_masked_first() {
        let redactor = Redactor::default();
        redactor.remember(&"hunter".into());
        redactor.remember(&"hunter2-and-more".into());
        assert_eq!(redactor.text("got hunter2-and-more"), "got [redacted]");
    }

    /// An address without its server is one too, and so are signatures of other stores than S3.
    #[test]
    fn queries_that_hold_secrets_are_masked() {
        for text in [
            "/f?X-Amz-Signature=plainword",
            "/f?X-Amz-Credential=plainword/20260101/us-east-1/s3",
            "at f.zip?sv=2024&sig=plainword",
            "/cb?code=plainword&state=x",
            "f?pwd=plainword",
            "f?session=plainword",
            "/app;jsessionid=plainword",
            "sig=plainword",
            "credential: plainword",
            "passphrase = plainword",
            "access-key=plainword",
        ] {
            let shown = Redactor::default().text(text);
            assert!(!shown.contains("plainword") && shown.contains(MASK), "{text:?} became {shown:?}");
        }
        for kept in ["/f?limit=5&offset=2", "what? error code: 27520", "really?", "config=x"] {
            assert_eq!(Redactor::default().text(kept), kept);
        }
    }

    /// Blanks do not push a secret over the cut, half of which would be shown once they are gone.
    #[test]
    fn a_secret_at_the_cut_is_masked() {
        let secret = "correct horse battery staple";
        let redactor = Redactor::default();
        redactor.remember(&secret.into());
        for blanks in 3970..4010 {
            let shown = redactor.text(&format!("{}{secret}", " ".repeat(blanks)));
            assert_eq!(shown, MASK, "{blanks}");
        }
        // Masks are short, so what was at the cut may come into sight.
        let issued = "t".repeat(990);
        redactor.remember_issued(&issued.as_str().into());
        let shown = redactor.text(&format!("{}{}", format!("{issued} ").repeat(4), "x".repeat(20) + secret));
        assert_eq!(shown, format!("{}{}", "[redacted] ".repeat(4), "x".repeat(20)));
        for padding in 0..40 {
            let text = format!("{}{}{secret} end", format!("{issued} ").repeat(4), "x".repeat(padding));
            assert!(!redactor.text(&text).contains("corr"), "{padding}");
        }
    }

    /// A key of many lines is one secret, however its lines are broken.
    #[test]
    fn a_secret_of_many_lines_is_masked() {
        let redactor = Redactor::default();
        redactor.remember(&"-----BEGIN KEY-----\nplain\nword\n-----END KEY-----\n".into());
        for text in [
            "-----BEGIN KEY-----\r\nplain\r\nword\r\n-----END KEY-----",
            r"-----BEGIN KEY-----\nplain\nword\n-----END KEY-----\n",
        ] {
            assert_eq!(redactor.text(text), MASK);
        }
    }

    /// A token is one in a path too, whose other parts tell where it was.
    #[test]
    fn tokens_in_paths_are_masked() {
        let shown =
            Redactor::default().text("https://h.example/sso/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln/login");
        assert_eq!(shown, "https://h.example/sso/[redacted]/login");
    }

    /// Masking must leave what a person needs: names of files, ids, checksums, ordinary words.
    #[test]
    fn ordinary_words_are_kept() {
        for kept in [
            "44055_S_Carriers_carriersExtract_1763985379675_20251218_074210.849135_1.zip is gone",
            "job 44046 of extract SimpleCarriers: Job status is changed to SUCCEEDED",
            "sha-256 b1121a45439990307f3114f7a272aef5779652e5c4bf370036f0238ff2e445a1",
            "d0d6b4dc-2207-42ec-ac6b-3c30300e4307 at https://pod.example.com/api/boss",
            "the token has expired",
        ] {
            assert_eq!(Redactor::default().text(kept), kept);
        }
    }

    /// Promise 6: an error is a line, however much the server says.
    #[test]
    fn texts_are_cut() {
        let shown = Redactor::default().text(&"ab ".repeat(10_000));
        assert_eq!(shown.chars().count(), EXCERPT + 1);
        assert!(shown.ends_with('…'));
    }

    /// A query may hold a signature that is as good as a password.
    #[test]
    fn a_shown_url_has_no_query_and_no_credentials() {
        let shown = url(&Url::parse("https://u:p@h.example:8443/a/b?sig=x#f").unwrap());
        assert_eq!(shown, "https://h.example:8443/a/b");
    }

    /// A login page is known by its first bytes, whatever its type says.
    #[test]
    fn pages_are_recognised() {
        for page in ["<html>", "\u{feff}\n <!DOCTYPE HTML PUBLIC", "<!doctype html>"] {
            assert!(looks_like_a_page(page.as_bytes()), "{page}");
        }
        for other in ["PK\u{3}\u{4}", "<htm", "", "a,b\n<html>,1", "{\"a\":\"<html>\"}"] {
            assert!(!looks_like_a_page(other.as_bytes()), "{other}");
        }
    }
}
