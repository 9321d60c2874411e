//! Files whose size nobody tells: what visibly was cut on its way is refused.

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use landfall::contract::Download;
use landfall::error::{Error, Result};
use landfall::rows::{DELIMITERS, Dialect, FieldScanner};

/// The same download, whose end is an error where it is visibly not the file's: where nothing came, or where delimited
/// text ends within a row that has fewer fields than its first.
pub(super) fn unless_cut(download: Download, name: &str) -> Download {
    let lower = name.to_ascii_lowercase();
    let is_text = [".csv", ".tsv", ".txt", ".dat"].iter().any(|ending| lower.ends_with(ending));
    let end = End { lines: is_text.then(Lines::default), bytes: download.offset };
    let name = name.to_owned();
    let body = stream::unfold((download.body, end, false), move |(mut body, mut end, is_over)| {
        let name = name.clone();
        async move {
            if is_over {
                return None;
            }
            let next = match body.next().await {
                Some(Ok(bytes)) => {
                    end.push(&bytes);
                    return Some((Ok(bytes), (body, end, false)));
                }
                Some(Err(error)) => Err(error),
                None => end.check(&name).err().map_or(Ok(Bytes::new()), Err),
            };
            Some((next, (body, end, true)))
        }
    });
    Download { body: body.boxed(), ..download }
}

/// What has come of a file.
struct End {
    lines: Option<Lines>,
    bytes: u64,
}

impl End {
    fn push(&mut self, bytes: &Bytes) {
        // What is continued lacks its first row.
        let has_first = self.bytes == 0 || self.lines.as_ref().is_some_and(Lines::has_begun);
        if let Some(lines) = self.lines.as_mut().filter(|_| has_first) {
            lines.push(bytes);
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn check(&self, name: &str) -> Result<()> {
        if self.bytes == 0 {
            return Err(Error::integrity(format!(
                "EPM gave no byte of {name:?}, and tells its size nowhere: it may have been cut on its way"
            )));
        }
        match self.lines.as_ref().and_then(Lines::cut_row) {
            Some((fields, of)) => Err(Error::integrity(format!(
                "{name:?} ends within a row, after {fields} of {of} fields, and EPM tells its size nowhere: it was cut on \
                 its way"
            ))),
            None => Ok(()),
        }
    }
}

/// Delimited text by its first record and its last, in whatever dialect it is.
#[derive(Debug)]
struct Lines([Records; DELIMITERS.len()]);

/// The same in one dialect.
#[derive(Debug)]
struct Records {
    scanner: FieldScanner,
    /// The fields of the first record.
    first: Option<u32>,
}

impl Default for Lines {
    fn default() -> Self {
        let in_dialect = |delimiter| FieldScanner::new(Dialect::delimited_by(delimiter));
        Self(DELIMITERS.map(|delimiter| Records { scanner: in_dialect(delimiter), first: None }))
    }
}

impl Lines {
    fn has_begun(&self) -> bool {
        self.0.iter().any(|records| records.first.is_some() || records.scanner.open_record().is_some())
    }

    fn push(&mut self, bytes: &[u8]) {
        for Records { scanner, first } in &mut self.0 {
            for byte in bytes {
                let ended = scanner.push(*byte);
                *first = first.or(ended);
            }
        }
    }

    /// How many fields the last record has and how many it should, where it has no end and fewer than the first.
    fn cut_row(&self) -> Option<(u32, u32)> {
        let records = self.0.iter().max_by_key(|records| records.first)?;
        let (of, fields) = records.first.zip(records.scanner.open_record())?;
        (of > fields || records.scanner.is_quoted()).then_some((fields, of))
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    async fn read(name: &str, pieces: &[&str]) -> Result<String> {
        let pieces: Vec<Result<Bytes>> =
            pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes()))).collect();
        let body = stream::iter(pieces).boxed();
        let download =
            Download { offset: 0, size: None, validator: None, unverified: Some("no length"), body };
        let read: Vec<Bytes> = unless_cut(download, name).body.try_collect().await?;
        Ok(String::from_utf8(read.concat()).unwrap())
    }

    /// Promise 5: nothing, and half a row, are no file; a last line without its break is.
    #[tokio::test]
    async fn what_is_visibly_cut_is_refused() {
        for whole in [
            &["a,b\n1,", "2\n3,4\n"][..],
            &["a,b\n1,2\n3,4"],
            &["a;b\n1;\"x\ny;z\""],
            &["one line"],
            &["a,b\n\"1,1\",2"],
            &["a,b\n1 1/2\",\"2\"\"x\""],
        ] {
            assert_eq!(read("outbox/x.csv", whole).await.unwrap(), whole.concat());
        }
        for (cut, said) in [
            (&[][..], "gave no byte"),
            (&[""], "gave no byte"),
            (&["a,b,c\n1,2,3\n4,5"], "after 2 of 3 fields"),
            (&["a;b\n1;\"open, \n"], "after 2 of 2 fields"),
            (&["a,b\n1,2\n", "3"], "after 1 of 2 fields"),
        ] {
            let error = read("outbox/x.CSV", cut).await.unwrap_err();
            assert_eq!(error.error_type().name(), "IntegrityError");
            assert!(error.line().contains(said), "{}", error.line());
        }
        // Of other files nobody knows where they end.
        assert_eq!(read("outbox/x.log", &["a,b\n1"]).await.unwrap(), "a,b\n1");
    }
}
