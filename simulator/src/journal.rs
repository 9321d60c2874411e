//! The journal: every request in the order of arrival, with what was answered.
//!
//! It holds no secrets: no headers but `Range` and its conditions, no bodies, and no query of the token
//! endpoint. With a data folder each entry is also a line of `journal.jsonl`, and the entries of earlier
//! runs are read back, so that requests can be counted over restarts.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// The journal's file in the data folder.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the order of arrival, from 1.
    pub number: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// What it was for.
    pub operation: Operation,
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent; that of the token endpoint and of a link is left out.
    pub query: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `If-Range` or `If-Match` header.
    pub condition: Option<String>,
    /// The status; none while the request is being handled, or if the connection was closed instead.
    pub status: Option<u16>,
    /// The job that was accepted or created by this request.
    pub accepted_job: Option<u64>,
    /// The switch that acted on the answer.
    pub fault: Option<String>,
    /// Bytes of the body handed to the connection. The last few of a body that was cut may not have
    /// reached the client.
    pub bytes_sent: u64,
    /// Whether the body was sent to its end.
    pub complete: bool,
}

/// The requests so far.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    entries: Vec<Entry>,
    file: Option<File>,
}

impl Journal {
    /// A journal that is kept in `folder`, with what is already there; in memory without one.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self(Arc::new(Mutex::new(Pages { entries: Vec::new(), file: None }))));
        };
        let path = folder.join(JOURNAL_FILE);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
        let (mut entries, torn) = read_entries(&file)?;
        if torn {
            file.write_all(b"\n")?;
        }
        entries.sort_by_key(|entry| entry.number);
        Ok(Self(Arc::new(Mutex::new(Pages { entries, file: Some(file) }))))
    }

    /// All requests, in the order of arrival.
    pub fn requests(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    /// How many requests satisfy a condition.
    pub fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        self.pages().entries.iter().filter(|entry| condition(entry)).count()
    }

    /// How many requests were for `operation`.
    pub fn count_of(&self, operation: Operation) -> usize {
        self.count(|entry| entry.operation == operation)
    }

    /// How many jobs were accepted, whether or not the client was told.
    pub fn jobs_submitted(&self) -> usize {
        self.count(|entry| entry.operation == Operation::SubmitJob && entry.accepted_job.is_some())
    }

    /// The bytes of the bodies of the answers that satisfy a condition.
    pub fn bytes_sent(&self, condition: impl Fn(&Entry) -> bool) -> u64 {
        self.pages().entries.iter().filter(|entry| condition(entry)).map(|entry| entry.bytes_sent).sum()
    }

    /// The bytes of all downloads.
    pub fn bytes_downloaded(&self) -> u64 {
        self.bytes_sent(|entry| entry.operation == Operation::Download)
    }

    /// Notes a request that has arrived.
    pub(crate) fn begin(&self, request: &Parts, operation: Operation, at: Timestamp) -> Line {
        let is_secret = |query: &&str| operation == Operation::Token || query.contains("X-Amz-Signature");
        let query = request.uri.query().filter(|query| !is_secret(query)).map(str::to_owned);
        let mut pages = self.pages();
        let number = pages.entries.last().map_or(1, |last| last.number + 1);
        pages.entries.push(Entry {
            number,
            at,
            operation,
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            query,
            range: text(&request.headers, header::RANGE),
            condition: text(&request.headers, header::IF_RANGE)
                .or_else(|| text(&request.headers, header::IF_MATCH)),
            status: None,
            accepted_job: None,
            fault: None,
            bytes_sent: 0,
            complete: false,
        });
        Line { journal: self.clone(), number, written: false }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The entries of earlier runs, and whether the last line was left unfinished. A line that cannot be read
/// is one that a killed process left behind.
fn read_entries(file: &File) -> io::Result<(Vec<Entry>, bool)> {
    let mut reader = BufReader::new(file);
    let mut entries = Vec::new();
    let mut line = Vec::new();
    let mut torn = false;
    while reader.read_until(b'\n', &mut line)? > 0 {
        torn = !line.ends_with(b"\n");
        entries.extend(serde_json::from_slice::<Entry>(&line).ok());
        line.clear();
    }
    Ok((entries, torn))
}

/// A request's line in the journal. It is written when the answer has been sent, or given up.
#[derive(Debug)]
pub(crate) struct Line {
    journal: Journal,
    number: u64,
    written: bool,
}

impl Line {
    /// Changes the entry as the answer goes on.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Entry)) {
        let mut pages = self.journal.pages();
        if let Some(entry) = find(&mut pages.entries, self.number) {
            change(entry);
        }
    }

    /// Writes the entry to the file. Later notes are kept in memory alone.
    pub(crate) fn write(&mut self) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let mut pages = self.journal.pages();
        let Pages { entries, file } = &mut *pages;
        let (Some(entry), Some(file)) = (find(entries, self.number), file) else { return };
        if let Err(error) = append(file, entry) {
            tracing::error!(%error, "the journal could not be written");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.write();
    }
}

fn find(entries: &mut [Entry], number: u64) -> Option<&mut Entry> {
    let place = entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
    entries.get_mut(place)
}

fn append(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_string(entry)?;
    writeln!(line).map_err(io::Error::other)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str) -> Parts {
        http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    /// The kill tests count jobs over restarts: a line that a killed process tore must not hide the rest.
    #[test]
    fn a_torn_last_line_is_skipped_and_later_entries_stay_readable() {
        let folder = tempfile::tempdir().unwrap();
        let moment: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        let journal = Journal::open(Some(folder.path())).unwrap();
        drop(journal.begin(&request("GET", "/one"), Operation::Other, moment));
        let path = folder.path().join(JOURNAL_FILE);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"number\": 2, \"at").unwrap();

        let journal = Journal::open(Some(folder.path())).unwrap();
        drop(journal.begin(&request("GET", "/two"), Operation::Other, moment));
        let journal = Journal::open(Some(folder.path())).unwrap();
        let paths: Vec<String> = journal.requests().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["/one", "/two"]);
    }

    /// Promise 7: nothing leaks; a token request's query could hold a password.
    #[test]
    fn the_query_of_the_token_endpoint_is_left_out() {
        let journal = Journal::open(None).unwrap();
        let moment: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        drop(journal.begin(&request("POST", "/oauth2/v1/token?password=x"), Operation::Token, moment));
        assert_eq!(journal.requests()[0].query, None);
    }
}
