//! The file that is uploaded: record ids one a line, or one query.
//!
//! FOLIO reads the file line by line and takes every line for an id: a header, a blank line or a space behind an id is
//! a failed record to it (mod-data-export, `InputFileProcessor`). So the lines are cleaned as they pass, and what is no
//! id is refused before anything is called. A list of any length is streamed, twice: once to be looked at and counted,
//! once to be sent.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use url::Url;

use super::export::{Records, is_uuid};
use landfall::error::{Error, Result};
use landfall::job::RunKey;
use landfall::state::WorkState;
use landfall_http::Request;
use landfall_store::Store;

/// FOLIO's own limit (mod-data-export: 500,000 Kbyte, by the declared size).
const MAX_KILOBYTES: u64 = 500_000;
/// A line longer than this is no id, whatever it is.
const MAX_LINE: usize = 512;
/// The UTF-8 byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file to be uploaded.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    /// Its name, from which FOLIO makes the name of what it exports.
    pub(super) file_name: String,
    /// `csv` or `cql`.
    pub(super) format: &'static str,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Whole(Bytes),
    Object(IdObject),
}

/// An object of ids, which must stay the very one that was looked at.
#[derive(Debug, Clone)]
struct IdObject {
    store: Store,
    key: String,
    etag: String,
    size: u64,
    /// The bytes of its cleaned lines.
    length: u64,
}

impl Upload {
    /// The file of an export, looked at: `InvalidEvent` where it holds what is no id.
    pub(super) async fn prepare(records: &Records, run_key: &RunKey, work: &WorkState) -> Result<Self> {
        let (format, content) = match records {
            Records::Ids(ids) => ("csv", Content::Whole(lines(ids))),
            Records::Cql(query) => ("cql", Content::Whole(Bytes::from(query.trim().to_owned()))),
            Records::Object(key) => ("csv", Content::Object(IdObject::look_at(work.store(), key).await?)),
            Records::File(_) => {
                return Err(Error::invalid_event("export.records.file is for `landfall run` alone"));
            }
            Records::All | Records::Quick(_) | Records::Deleted(_) => {
                return Err(Error::invalid_event("export.records names nothing that is uploaded"));
            }
        };
        // A run key may hold what is no part of a file's name everywhere.
        let name: String =
            run_key.as_str().chars().map(|c| if matches!(c, ':' | '+') { '_' } else { c }).collect();
        Self { file_name: format!("landfall-{name}.{format}"), format, content }.within_limit()
    }

    fn within_limit(self) -> Result<Self> {
        match self.kilobytes() {
            ..=MAX_KILOBYTES => Ok(self),
            more => Err(Error::limit_exceeded(format!(
                "the list of ids has {more} KB, and FOLIO takes {MAX_KILOBYTES}: split it over several runs"
            ))),
        }
    }

    /// A file of these bytes.
    #[cfg(test)]
    pub(super) fn of(bytes: impl Into<Bytes>) -> Self {
        Self { file_name: "ids.csv".to_owned(), format: "csv", content: Content::Whole(bytes.into()) }
    }

    /// Its bytes.
    pub(super) fn length(&self) -> u64 {
        match &self.content {
            Content::Whole(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Content::Object(object) => object.length,
        }
    }

    /// Its size as FOLIO counts it.
    pub(super) fn kilobytes(&self) -> u64 {
        self.length().div_ceil(1024).max(1)
    }

    /// The call that uploads it.
    pub(super) fn request(&self, url: Url) -> Request {
        match &self.content {
            Content::Whole(bytes) => Request::post_bytes(url, bytes.clone()),
            Content::Object(object) => {
                let object = object.clone();
                Request::post_stream(url, object.length, move || object.clone().cleaned())
            }
        }
    }
}

fn lines(ids: &[String]) -> Bytes {
    let mut lines = BytesMut::new();
    for id in ids {
        lines.extend_from_slice(id.as_bytes());
        lines.extend_from_slice(b"\n");
    }
    lines.freeze()
}

impl IdObject {
    async fn look_at(store: &Store, key: &str) -> Result<Self> {
        let missing =
            || Error::invalid_event(format!("export.records.object: {key} is not in {}", store.bucket()));
        let info = store.head(key).await?.ok_or_else(missing)?;
        let mut object =
            Self { store: store.clone(), key: key.to_owned(), etag: info.etag, size: info.size, length: 0 };
        let mut body = store.read_range(key, &object.etag, 0..object.size).await?;
        let mut cleaner = Cleaner::default();
        let mut length = 0_usize;
        let about = |error: NoId| Error::invalid_event(format!("export.records.object {key}: {error}"));
        while let Some(bytes) = body.try_next().await? {
            length = length.saturating_add(cleaner.push(&bytes).map_err(about)?.len());
        }
        length = length.saturating_add(cleaner.finish().map_err(about)?.len());
        object.length = u64::try_from(length).unwrap_or(u64::MAX);
        cleaner.tell(key);
        match cleaner.ids {
            0 => Err(Error::invalid_event(format!("export.records.object: {key} holds no id"))),
            _ => Ok(object),
        }
    }

    /// The cleaned lines, read as they are sent.
    fn cleaned(self) -> BoxStream<'static, io::Result<Bytes>> {
        let open = async move {
            let body =
                self.store.read_range(&self.key, &self.etag, 0..self.size).await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(body.map_err(io::Error::other))
        };
        let raw = stream::once(open).try_flatten().map_ok(Some).chain(stream::once(async { Ok(None) }));
        let cleaned = raw.scan(Cleaner::default(), |cleaner, piece| {
            let cleaned = piece.and_then(|piece| {
                match piece {
                    Some(bytes) => cleaner.push(&bytes),
                    None => cleaner.finish(),
                }
                .map_err(io::Error::other)
            });
            async move { Some(cleaned) }
        });
        cleaned.boxed()
    }
}

/// A line that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} holds {text:?}, which is not a UUID")]
struct NoId {
    line: u64,
    text: String,
}

/// Turns a list as people make it into one as FOLIO reads it, however it is cut.
///
/// A byte order mark, quotes, spaces and blank lines go; so does a first line that names the column.
#[derive(Debug, Default)]
struct Cleaner {
    line: Vec<u8>,
    number: u64,
    ids: u64,
    blank: u64,
    header: Option<String>,
}

impl Cleaner {
    fn push(&mut self, bytes: &[u8]) -> Result<Bytes, NoId> {
        let mut cleaned = BytesMut::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if piece.ends_with(b"\n") {
                self.end_line(&mut cleaned)?;
            } else if self.line.len() >= MAX_LINE {
                self.number = self.number.saturating_add(1);
                return Err(self.no_id(&String::from_utf8_lossy(&self.line)));
            }
        }
        Ok(cleaned.freeze())
    }

    fn finish(&mut self) -> Result<Bytes, NoId> {
        let mut cleaned = BytesMut::new();
        if !self.line.is_empty() {
            self.end_line(&mut cleaned)?;
        }
        Ok(cleaned.freeze())
    }

    fn end_line(&mut self, cleaned: &mut BytesMut) -> Result<(), NoId> {
        self.number = self.number.saturating_add(1);
        let line = std::mem::take(&mut self.line);
        let line = if self.number == 1 { line.strip_prefix(BOM).unwrap_or(&line) } else { &line };
        let text = String::from_utf8_lossy(line);
        let text = text.trim().trim_matches('"').trim();
        if is_uuid(text) {
            self.ids = self.ids.saturating_add(1);
            cleaned.extend_from_slice(text.as_bytes());
            cleaned.extend_from_slice(b"\n");
        } else if text.is_empty() {
            self.blank = self.blank.saturating_add(1);
        } else if self.ids == 0 && self.header.is_none() && is_column_name(text) {
            self.header = Some(text.to_owned());
        } else {
            return Err(self.no_id(text));
        }
        Ok(())
    }

    fn no_id(&self, text: &str) -> NoId {
        NoId { line: self.number, text: text.chars().take(60).collect() }
    }

    /// Says what was left out.
    fn tell(&self, key: &str) {
        if self.header.is_some() || self.blank > 0 {
            tracing::info!(
                key,
                header = self.header,
                blank_lines = self.blank,
                "the list of ids is uploaded without its header and its blank lines"
            );
        }
    }
}

/// Whether a line can be the name of a column: a word without a digit, as no id is.
fn is_column_name(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";
    const TWO: &str = "5e9835fc-0e51-44c8-8a47-f7b8fce35da7";

    fn clean(chunks: &[&[u8]]) -> Result<(String, Cleaner), NoId> {
        let mut cleaner = Cleaner::default();
        let mut cleaned = Vec::new();
        for chunk in chunks {
            cleaned.extend_from_slice(&cleaner.push(chunk)?);
        }
        cleaned.extend_from_slice(&cleaner.finish()?);
        Ok((String::from_utf8(cleaned).unwrap(), cleaner))
    }

    /// What FOLIO would count as failed records is cleaned away: a byte order mark, a header, blanks, quotes, spaces.
    #[test]
    fn a_list_as_people_make_it_becomes_one_id_a_line() {
        let list = format!("\u{feff}instance_id\r\n\"{ONE}\"\r\n\r\n  {TWO} \n\n");
        let wanted = format!("{ONE}\n{TWO}\n");
        let (cleaned, cleaner) = clean(&[list.as_bytes()]).unwrap();
        assert_eq!(cleaned, wanted);
        assert_eq!((cleaner.ids, cleaner.blank, cleaner.header.as_deref()), (2, 2, Some("instance_id")));
        let bytes: Vec<&[u8]> = list.as_bytes().chunks(1).collect();
        assert_eq!(clean(&bytes).unwrap().0, wanted);
        assert_eq!(clean(&[format!("\u{feff}{ONE}").as_bytes()]).unwrap().0, format!("{ONE}\n"));
    }

    /// FOLIO takes 500,000 KB, and begun ones count.
    #[test]
    fn a_list_is_as_long_as_folio_takes_it() {
        let bytes = |length: usize| Upload::of(vec![0; length]);
        for (length, kilobytes) in [(0, 1), (1024, 1), (1025, 2), (37 * 25, 1), (512_000_000, 500_000)] {
            assert_eq!(bytes(length).within_limit().unwrap().kilobytes(), kilobytes, "{length}");
        }
        let error = bytes(512_000_001).within_limit().unwrap_err();
        assert_eq!(error.error_type().name(), "LimitExceeded");
        assert!(error.line().contains("500001 KB, and FOLIO takes 500000"), "{}", error.line());
    }

    /// A line that is no id is refused with its number; a second header, or one that follows an id, is no header.
    #[test]
    fn what_is_no_id_is_refused_with_its_line() {
        for (list, line) in [
            (format!("{ONE}\nid\n"), 2),
            (format!("id\nuuid\n{ONE}"), 2),
            (format!("{ONE}\n{TWO},title\n"), 2),
            ("12345\n".to_owned(), 1),
            ("a".repeat(100_000), 1),
            (format!("{ONE}{TWO}\n"), 1),
        ] {
            assert_eq!(clean(&[list.as_bytes()]).unwrap_err().line, line, "{list:.80}");
        }
    }
}
