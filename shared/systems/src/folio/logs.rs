//! A job's log: why it failed, and what of it lands beside the data.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::api::Api;
use landfall::contract::Download;
use landfall::error::{Error, Result};
use landfall::job::JobRequestId;

/// How many entries are asked for at once.
const PAGE: u64 = 200;
/// From so many entries on, their number is an estimate.
const ESTIMATED_FROM: u64 = 1000;
/// How many kinds of entries an explanation names.
const MAX_KINDS: usize = 4;

/// What the codes of entries mean (mod-data-export, `ErrorCode`).
const MEANINGS: &[(&str, &str)] = &[
    ("error.invalidUuidFormat", "no UUID"),
    ("error.uuidsNotFound", "no such record"),
    ("error.someUUIDsNotFound", "no such record"),
    ("error.someRecordsFailed", "records failed"),
    ("error.duplicatedIds", "an id twice"),
    ("error.readingFromInputFile", "the list of ids cannot be read"),
    ("error.invalidCqlSyntax", "the CQL query cannot be read"),
    ("error.binaryFile.notGenerated", "no file was made"),
    ("error.fileDefinition.invalidWithId", "no such file definition"),
    ("error.uploadedFile.invalidExtension", "a file's name ends neither in .csv nor in .cql"),
    ("error.fileIsTooLarge", "the list of ids is too large"),
    ("error.duplicateSRS", "a record has two sources"),
    ("error.recordIsTooLong", "a record is too long for MARC"),
];

/// Why a job ended as it did, from the first entries of its log.
pub(super) async fn explain(api: &Api, job: &JobRequestId) -> Result<Option<String>> {
    let page = api.logs(job.as_str(), 0, PAGE).await?;
    let seen = u64::try_from(page.error_logs.len()).unwrap_or(u64::MAX);
    let told = summary(&page.error_logs).map(|mut told| {
        if let Some(more) =
            page.total_records.and_then(|total| total.checked_sub(seen)).filter(|more| *more > 0)
        {
            let about = if more.saturating_add(seen) < ESTIMATED_FROM { "" } else { "about " };
            // Writing into a text does not fail.
            let _ = write!(told, "; and {about}{more} more entries");
        }
        told
    });
    Ok(told.map(|told| api.redactor().text(&told)).filter(|told| !told.is_empty()))
}

/// Entries by their code, the most frequent first, each with what the first of its kind says.
fn summary(entries: &[Value]) -> Option<String> {
    let mut kinds: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for entry in entries {
        let code = entry.get("errorMessageCode").and_then(Value::as_str).unwrap_or("without a code");
        kinds.entry(code).or_insert_with(|| (0, values(entry))).0 += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let said = kinds.into_iter().take(MAX_KINDS).map(|(code, (count, values))| {
        let meaning = MEANINGS.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning);
        // A placeholder's values are the whole message.
        if code == "error.messagePlaceholder" && !values.is_empty() {
            return values;
        }
        let count = if count > 1 { format!("{count} × ") } else { String::new() };
        let meaning = meaning.map(|meaning| format!(" ({meaning})")).unwrap_or_default();
        let values = if values.is_empty() { values } else { format!(": {values}") };
        format!("{count}{code}{meaning}{values}")
    });
    let said = said.collect::<Vec<_>>().join("; ");
    (!said.is_empty()).then_some(said)
}

fn values(entry: &Value) -> String {
    let values = entry.get("errorMessageValues").and_then(Value::as_array);
    let values = values.into_iter().flatten().filter_map(Value::as_str).map(str::trim);
    let values: Vec<&str> = values.filter(|value| !value.is_empty()).take(5).collect();
    values.join(", ").chars().take(200).collect()
}

/// Whether the log has any entry.
pub(super) async fn has_any(api: &Api, job: &JobRequestId) -> Result<bool> {
    Ok(!api.logs(job.as_str(), 0, 1).await?.error_logs.is_empty())
}

/// The log as a file: its entries as they are, one a line, a page in memory at a time. It begins at its beginning, always,
/// and is read to an empty page: how many entries there are is an estimate from a thousand on (raml-module-builder,
/// which versions 2 to 4 are made with), and a server may give fewer at a time than it is asked for.
pub(super) fn open(api: &Arc<Api>, job: &JobRequestId) -> Download {
    let reading =
        Reading { api: Arc::clone(api), job: job.clone(), read: 0, total: None, first: None, is_over: false };
    let body = stream::unfold(reading, |mut reading| async move {
        let page = reading.next().await.transpose()?;
        Some((page, reading))
    });
    Download { offset: 0, size: None, validator: None, unverified: None, body: body.boxed() }
}

struct Reading {
    api: Arc<Api>,
    job: JobRequestId,
    read: u64,
    /// How many entries there are, where that is exact.
    total: Option<u64>,
    /// The first entry of the page before.
    first: Option<Value>,
    is_over: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_over {
            return Ok(None);
        }
        let page =
            self.api.logs(self.job.as_str(), self.read, PAGE).await.inspect_err(|_| self.is_over = true)?;
        self.total = self.total.or(page.total_records.filter(|total| *total < ESTIMATED_FROM));
        let first = page.error_logs.first().cloned();
        let begins_again = first.is_some() && first == self.first;
        if first.is_none() || begins_again {
            self.is_over = true;
            return self.end(begins_again && self.read >= PAGE);
        }
        self.first = first;
        self.read = self.read.saturating_add(u64::try_from(page.error_logs.len()).unwrap_or(u64::MAX));
        lines(page.error_logs.into()).map(Some)
    }

    /// The log's end, unless it is known to be longer.
    fn end(&self, may_be_longer: bool) -> Result<Option<Bytes>> {
        match self.total {
            Some(total) if total > self.read => Err(Error::integrity(format!(
                "the log of job execution {} has {total} entries, and {} were given",
                self.job, self.read
            ))),
            None if may_be_longer => Err(Error::contract_broken(format!(
                "the log of job execution {} begins again after {} entries: it cannot be read whole",
                self.job, self.read
            ))),
            _ => Ok(None),
        }
    }
}

fn lines(entries: VecDeque<Value>) -> Result<Bytes> {
    let mut lines = BytesMut::new().writer();
    for entry in entries {
        serde_json::to_writer(&mut lines, &entry).map_err(|error| {
            Error::contract_broken("an entry of the log cannot be written as JSON").because(error)
        })?;
        lines.get_mut().put_u8(b'\n');
    }
    Ok(lines.into_inner().freeze())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What went wrong is said by kind, the most frequent first, in words where the code is known.
    #[test]
    fn a_log_is_summed_up() {
        let entry =
            |code: &str, values: Value| json!({ "errorMessageCode": code, "errorMessageValues": values });
        let entries = [
            entry("error.uuidsNotFound", json!(["6f7f3cd7"])),
            entry("error.invalidUuidFormat", json!(["not-a-uuid"])),
            entry("error.invalidUuidFormat", json!(["uuid"])),
            entry("error.new", json!(null)),
        ];
        assert_eq!(
            summary(&entries).unwrap(),
            "2 × error.invalidUuidFormat (no UUID): not-a-uuid; error.new; error.uuidsNotFound (no such record): 6f7f3cd7"
        );
        let expired =
            [entry("error.messagePlaceholder", json!(["Job was expired: no updates for more than 1 hour"]))];
        assert_eq!(summary(&expired).unwrap(), "Job was expired: no updates for more than 1 hour");
        assert_eq!(summary(&[]), None);
    }
}
