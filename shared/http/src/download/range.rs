//! What an answer to a range request holds (RFC 9110, 14), decided from its head alone.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::client::media_type;

/// The rest of a file that is asked for, of one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The first byte that is missing.
    pub(super) offset: u64,
    /// The version: a strong `ETag`.
    pub(super) validator: HeaderValue,
}

impl Asked {
    /// `None` where there is nothing to resume: no bytes yet, or no strong validator.
    pub(super) fn new(offset: u64, validator: &str) -> Option<Self> {
        let validator = HeaderValue::from_str(validator).ok().filter(is_strong)?;
        (offset > 0).then_some(Self { offset, validator })
    }

    /// Asks for the rest, or for the whole file if its version is another one.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.offset)) {
            headers.insert(header::RANGE, range);
            headers.insert(header::IF_RANGE, self.validator.clone());
        }
    }
}

/// Where an answer's bytes belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placed {
    /// The whole file, from its beginning.
    Whole {
        /// Its size, where declared.
        size: Option<u64>,
        /// Its version, where it can be resumed.
        validator: Option<HeaderValue>,
    },
    /// A part that holds the first byte that was asked for.
    Part {
        /// How many bytes it begins too early.
        skip: u64,
        /// The first byte behind it.
        end: u64,
        /// The file's size, where declared.
        size: Option<u64>,
        /// The file's version: the one that was asked for.
        validator: Option<HeaderValue>,
    },
    /// Nothing: the byte that was asked for is the file's end.
    AtEnd,
    /// The file is not the one that was asked for any more.
    Changed,
    /// Bytes of which nobody can tell that they belong where ours end, and why: the file must be asked for whole.
    Misplaced(String),
}

/// Where the answer to a request for the whole file, or for the rest of it, belongs.
///
/// An answer to a request for the whole file that breaks HTTP's rules is an error that says which.
pub(super) fn place(
    asked: Option<&Asked>,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Placed, String> {
    let validator = headers.get(header::ETAG).filter(|etag| is_strong(etag)).cloned();
    match (status, asked) {
        (StatusCode::PARTIAL_CONTENT, Some(asked)) => {
            Ok(part(asked, validator.as_ref(), headers).unwrap_or_else(Placed::Misplaced))
        }
        (StatusCode::PARTIAL_CONTENT, None) => all_of_it(validator, headers),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(asked)) => {
            Ok(unsatisfiable(asked, validator.as_ref(), headers))
        }
        (StatusCode::PRECONDITION_FAILED, _) => Ok(Placed::Changed),
        (StatusCode::OK, _) => Ok(Placed::Whole { size: content_length(headers)?, validator }),
        (status, _) => Err(format!("status {status} is not that of a file")),
    }
}

fn part(asked: &Asked, etag: Option<&HeaderValue>, headers: &HeaderMap) -> Result<Placed, String> {
    if media_type(headers).is_some_and(|kind| kind.starts_with("multipart/")) {
        return Err("several parts came where one was asked for".to_owned());
    }
    let value = header_text(headers, &header::CONTENT_RANGE).ok_or("a part came without Content-Range")?;
    let (first, last, size) = parse_content_range(&value)
        .ok_or_else(|| format!("the part's Content-Range {value:?} is not `bytes first-last/size`"))?;
    let end = last.checked_add(1).filter(|end| first < *end && size.is_none_or(|size| *end <= size));
    let Some(end) = end else {
        return Err(format!("the part's Content-Range {value:?} contradicts itself"));
    };
    // A part of another version, sent in spite of If-Range: its bytes must not be joined to ours.
    if etag.is_some_and(|etag| *etag != asked.validator) {
        return Ok(Placed::Changed);
    }
    if !(first..end).contains(&asked.offset) {
        return Err(format!("byte {} was asked for, but {value:?} came", asked.offset));
    }
    if content_length(headers)?.is_some_and(|length| length != end - first) {
        return Err(format!("the part's Content-Length is not that of {value:?}"));
    }
    Ok(Placed::Part { skip: asked.offset - first, end, size, validator: Some(asked.validator.clone()) })
}

/// The whole file, from a server that calls it a part though none was asked for.
fn all_of_it(validator: Option<HeaderValue>, headers: &HeaderMap) -> Result<Placed, String> {
    let range = header_text(headers, &header::CONTENT_RANGE).and_then(|value| parse_content_range(&value));
    match range {
        Some((0, last, Some(size))) if last.checked_add(1) == Some(size) => {
            Ok(Placed::Whole { size: Some(size), validator })
        }
        _ => Err("a part of it came that was not asked for".to_owned()),
    }
}

fn unsatisfiable(asked: &Asked, etag: Option<&HeaderValue>, headers: &HeaderMap) -> Placed {
    let size = header_text(headers, &header::CONTENT_RANGE)
        .and_then(|value| value.strip_prefix("bytes */").and_then(|size| size.trim().parse::<u64>().ok()));
    let is_ours = etag.is_none_or(|etag| *etag == asked.validator);
    if size == Some(asked.offset) && is_ours { Placed::AtEnd } else { Placed::Changed }
}

/// `bytes first-last/size`, where the size may be `*`.
fn parse_content_range(value: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, range) = value.trim().split_once(' ')?;
    let (positions, size) = range.trim().split_once('/')?;
    let (first, last) = positions.split_once('-')?;
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    unit.eq_ignore_ascii_case("bytes").then_some(())?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, size))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, String> {
    match header_text(headers, &header::CONTENT_LENGTH) {
        None => Ok(None),
        Some(value) => match value.trim().parse() {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err(format!("its Content-Length {value:?} is not a number")),
        },
    }
}

fn header_text(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A weak validator, or one without quotes, does not promise the same bytes.
fn is_strong(etag: &HeaderValue) -> bool {
    let bytes = etag.as_bytes();
    bytes.len() >= 3 && bytes.starts_with(b"\"") && bytes.ends_with(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked::new(100, "\"v1\"").unwrap()
    }

    fn placed(status: u16, headers: &[(&'static str, &str)]) -> Result<Placed, String> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        place(Some(&asked()), StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn misplaced(headers: &[(&'static str, &str)]) -> Option<String> {
        match placed(206, headers) {
            Ok(Placed::Misplaced(why)) => Some(why),
            _ => None,
        }
    }

    fn part_of(skip: u64, end: u64, size: Option<u64>) -> Result<Placed, String> {
        Ok(Placed::Part { skip, end, size, validator: Some("\"v1\"".parse().unwrap()) })
    }

    /// What RFC 9110 asks for is taken as it is.
    #[test]
    fn the_rest_is_placed() {
        let headers = [("content-range", "bytes 100-199/200"), ("content-length", "100"), ("etag", "\"v1\"")];
        assert_eq!(placed(206, &headers), part_of(0, 200, Some(200)));
        assert_eq!(placed(206, &[("content-range", "bytes 100-199/*")]), part_of(0, 200, None));
    }

    /// A superset: its leading bytes are ours already.
    #[test]
    fn a_superset_range_is_skipped_into() {
        assert_eq!(placed(206, &[("content-range", "bytes 0-199/200")]), part_of(100, 200, Some(200)));
    }

    /// A short range is progress: the rest is asked for behind it.
    #[test]
    fn a_short_range_is_taken() {
        assert_eq!(placed(206, &[("content-range", "bytes 100-149/200")]), part_of(0, 150, Some(200)));
    }

    /// A server that ignores ranges sends the whole file: it begins at 0, whatever was asked.
    #[test]
    fn an_ignored_range_is_the_whole_file() {
        let whole = placed(200, &[("content-length", "200"), ("etag", "\"v1\"")]);
        assert_eq!(whole, Ok(Placed::Whole { size: Some(200), validator: Some("\"v1\"".parse().unwrap()) }));
    }

    /// Bytes of two versions are never joined.
    #[test]
    fn another_version_is_a_change() {
        let other = [("content-range", "bytes 100-199/200"), ("etag", "\"v2\"")];
        assert_eq!(placed(206, &other), Ok(Placed::Changed));
        assert_eq!(placed(412, &[]), Ok(Placed::Changed));
        assert_eq!(placed(416, &[("content-range", "bytes */50")]), Ok(Placed::Changed));
        assert_eq!(placed(416, &[]), Ok(Placed::Changed));
        assert_eq!(placed(416, &[("content-range", "bytes */100"), ("etag", "\"v2\"")]), Ok(Placed::Changed));
    }

    /// Stopped behind the last byte: nothing is missing.
    #[test]
    fn an_unsatisfiable_range_at_the_end_is_the_end() {
        assert_eq!(placed(416, &[("content-range", "bytes */100")]), Ok(Placed::AtEnd));
    }

    /// Promise 5: a part that does not say truthfully what it is, is never joined.
    #[test]
    fn a_part_that_breaks_the_rules_is_refused() {
        for range in [
            "",
            "bytes",
            "bytes 100-199",
            "bytes */200",
            "items 100-199/200",
            "bytes 100-x/200",
            "bytes 199-100/200",
            "bytes 100-200/200",
            "bytes 101-199/200",
            "bytes 0-99/200",
            "bytes 100-18446744073709551615/*",
        ] {
            assert!(misplaced(&[("content-range", range)]).is_some(), "{range:?}");
        }
        assert!(misplaced(&[]).unwrap().contains("without Content-Range"));
        assert!(misplaced(&[("content-range", "bytes 100-199/200"), ("content-length", "99")]).is_some());
        let multipart = ("content-type", "multipart/byteranges; boundary=x");
        assert!(misplaced(&[("content-range", "bytes 100-199/200"), multipart]).is_some());
        assert!(placed(204, &[]).is_err());
        let unasked = |range: &str| {
            let headers = [("content-range".parse().unwrap(), range.parse().unwrap())].into_iter().collect();
            place(None, StatusCode::PARTIAL_CONTENT, &headers)
        };
        for range in ["bytes 0-1/3", "bytes 1-2/3", "bytes 0-2/*", "bytes 0-18446744073709551615/0"] {
            assert!(unasked(range).unwrap_err().contains("not asked for"), "{range}");
        }
        assert_eq!(unasked("bytes 0-1/2"), Ok(Placed::Whole { size: Some(2), validator: None }));
    }

    /// Only a strong validator promises the same bytes.
    #[test]
    fn weak_or_missing_validators_do_not_resume() {
        for weak in ["", "W/\"v1\"", "v1", "\"\"", "\"\n\""] {
            assert_eq!(Asked::new(100, weak), None, "{weak:?}");
        }
        assert_eq!(Asked::new(0, "\"v1\""), None);
        let whole = placed(200, &[("etag", "W/\"v1\"")]);
        assert_eq!(whole, Ok(Placed::Whole { size: None, validator: None }));
    }
}
