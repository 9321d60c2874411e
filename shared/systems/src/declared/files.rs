//! What a job has put out: lists of files, and where each is.

use landfall::error::{Error, Result};
use landfall::job::OutputFile;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::api::Api;
use super::description::{Description, FileKind, Files, Link, LinkCall};
use super::pages::{each_entry, walk};
use super::poll::{Polled, poll};
use super::take::{Answered, Take};
use super::template::Values;

/// The longest name of a file.
const MAX_NAME: usize = 1024;

/// What is kept of a file to find it again. A link that opens it by itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Locator {
    /// A link that opens nothing without credentials.
    Url(Url),
    /// Its place in a list, which has its link.
    Entry {
        /// Which list of the description.
        list: usize,
        /// Which entry of it.
        entry: usize,
        /// What its link's path is known again by, should the list come in another order.
        path: String,
    },
    /// What it is known by, to ask for a link.
    File {
        /// Which list of the description.
        list: usize,
        /// What it is known by.
        file: String,
    },
}

/// An entry of a list of files.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    list: usize,
    /// Its place in its list.
    place: usize,
    /// Its link, where the entry has it.
    pub(super) url: Option<Url>,
    /// Whether it is fetched with credentials.
    pub(super) with_credentials: bool,
    file: Option<String>,
    values: Vec<(String, String)>,
    size: Option<u64>,
    sha256: Option<String>,
}

/// The lists that are in the poll's answer.
fn of_poll(description: &Description) -> impl Iterator<Item = (usize, &Files)> {
    description.files.iter().enumerate().filter(|(_, files)| files.call.is_none())
}

/// An error where the poll's answer lacks a list that it should have.
pub(super) fn must_be_listed(description: &Description, answered: &Answered) -> Result<()> {
    for (_, files) in of_poll(description).filter(|(_, files)| files.is_required) {
        if files.each.list(answered).is_none() {
            answered.must_be_json()?;
            return Err(answered.malformed("the files", "the answer has none where they should be"));
        }
    }
    Ok(())
}

/// How many rows the files have that a page of a poll's answer lists, where it says so of each.
pub(super) fn rows(description: &Description, answered: &Answered) -> Option<u64> {
    let is_data = |files: &&Files| files.kind == FileKind::Data;
    if description.files.iter().filter(is_data).any(|files| files.call.is_some()) {
        return None;
    }
    let mut sum = 0_u64;
    for (_, files) in of_poll(description).filter(|(_, files)| files.kind == FileKind::Data) {
        let take = files.rows.as_ref()?;
        let mut all_counted = true;
        each_entry(answered, &files.each, &mut |entry| {
            match take.text_in(entry).and_then(|rows| rows.parse::<u64>().ok()) {
                Some(rows) => sum = sum.saturating_add(rows),
                None => all_counted = false,
            }
            Ok(())
        })
        .ok()?;
        if !all_counted {
            return None;
        }
    }
    Some(sum)
}

/// Every entry of every list, in the order of the description.
pub(super) async fn entries(api: &Api, values: &Values) -> Result<Vec<Entry>> {
    let description = &*api.description;
    let mut lists: Vec<Vec<Entry>> = vec![Vec::new(); description.files.len()];
    if of_poll(description).next().is_some() {
        let Polled::Answer(first) = poll(api, values).await? else {
            return Err(Error::contract_broken("the job had succeeded, and its status is an error now"));
        };
        must_be_listed(description, &first)?;
        let call = &description.poll.call;
        walk(api, call, values, description.poll.pages.as_ref(), Some(*first), &mut |page| {
            let mut found = 0_usize;
            for (number, files) in of_poll(description) {
                let list = lists.get_mut(number);
                found = found.saturating_add(collect(api, (number, files), page, list, values)?);
            }
            Ok(found)
        })
        .await?;
    }
    let values = &with_poll(api, values).await?;
    for (number, files) in description.files.iter().enumerate() {
        let Some(call) = &files.call else { continue };
        let mut told = 0_usize;
        walk(api, call, values, files.pages.as_ref(), None, &mut |page| {
            let count = files.count.as_ref().and_then(|count| count.text(page)?.parse().ok());
            told = told.max(count.unwrap_or_default());
            collect(api, (number, files), page, lists.get_mut(number), values)
        })
        .await?;
        let listed = lists.get(number).map_or(0, Vec::len);
        if listed < told {
            return Err(Error::contract_broken(format!(
                "the list of files has {listed} entries, and says that there are {told}"
            )));
        }
    }
    Ok(lists.into_iter().flatten().collect())
}

/// The names with those that stand for something in the poll's answer.
async fn with_poll(api: &Api, values: &Values) -> Result<Values> {
    let (taken, mut values) = (&api.description.poll.values, values.clone());
    if taken.is_empty() {
        return Ok(values);
    }
    let answered = api.read(&api.description.poll.call, &values, None).await?;
    for (name, take) in taken {
        let found = take.text(&answered);
        values.set(name, found.ok_or_else(|| answered.malformed(name, "the job's status does not have it"))?);
    }
    Ok(values)
}

/// The entries of one list on one page.
fn collect(
    api: &Api,
    (number, files): (usize, &Files),
    page: &Answered,
    list: Option<&mut Vec<Entry>>,
    values: &Values,
) -> Result<usize> {
    let Some(list) = list else { return Ok(0) };
    let with_credentials = api.description.download.is_with_credentials(page);
    if matches!(files.link, Link::Page) {
        let place = list.len();
        list.push(entry(api, (number, files), page, &Value::Null, place, with_credentials, values)?);
        return Ok(1);
    }
    let found = each_entry(page, &files.each, &mut |value| {
        let place = list.len();
        list.push(entry(api, (number, files), page, value, place, with_credentials, values)?);
        Ok(())
    })?;
    match found {
        Some(found) => Ok(found),
        None if files.is_required && list.is_empty() => {
            page.must_be_json()?;
            Err(page.malformed("the files", "the answer has none where they should be"))
        }
        None => Ok(0),
    }
}

fn entry(
    api: &Api,
    (list, files): (usize, &Files),
    page: &Answered,
    value: &Value,
    place: usize,
    with_credentials: bool,
    names: &Values,
) -> Result<Entry> {
    let lacks = |what: &str| page.malformed("the files", &format!("entry {place} has no {what}"));
    // Of a page that is a file, its head says what an entry says of others.
    let text = |take: &Take| match files.link {
        Link::Page => take.text(page),
        _ => take.text_in(value),
    };
    let mut values = Vec::new();
    for (name, take) in &files.values {
        let found = text(take).ok_or_else(|| lacks(name))?;
        values.push((name.clone(), found));
    }
    let (url, file) = match &files.link {
        Link::Page => (Some(page.url.clone()), None),
        Link::Path(call) => {
            let mut names = names.clone();
            values.iter().for_each(|(name, value)| names.set(name, value.clone()));
            (Some(call.url(&api.base_url, &names)?), None)
        }
        Link::Entry(take) => {
            let link = take.text_in(value).ok_or_else(|| lacks("link"))?;
            let url = page
                .url
                .join(&link)
                .map_err(|_| page.malformed("the files", &format!("the link of entry {place} is no URL")))?;
            (Some(api.client.policy().called_at(&url).into_owned()), None)
        }
        Link::Call(call) => (None, Some(call.file.text_in(value).ok_or_else(|| lacks("id"))?)),
    };
    let size = files.size.as_ref().and_then(text).and_then(|size| size.parse().ok());
    let sha256 = files.sha256.as_ref().and_then(text);
    Ok(Entry { list, place, url, with_credentials, file, values, size, sha256 })
}

impl Entry {
    /// Whether its link opens nothing without credentials, which are for the connection's own server alone.
    fn has_closed_link(&self, api: &Api) -> bool {
        let is_own = |url: &Url| api.authorizer().is_some_and(|authorizer| authorizer.covers(url));
        self.with_credentials && self.url.as_ref().is_some_and(is_own)
    }

    /// The file, as it is listed.
    async fn output_file(&self, api: &Api, values: &Values, ordinal: u32) -> Result<OutputFile> {
        let description = &*api.description;
        let Some(files) = description.files.get(self.list) else { return Err(gone()) };
        let ending = match (&files.link, &self.file) {
            (Link::Call(call), Some(file)) => ending(api, call, values, file).await?,
            _ => String::new(),
        };
        let name = format!("{}{ending}", self.label(description, values, ordinal)?);
        if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Error::contract_broken(format!("file {ordinal} of the job has no usable name")));
        }
        let locator = match (&self.file, &self.url) {
            (Some(file), _) => Locator::File { list: self.list, file: file.clone() },
            (None, Some(url)) if self.has_closed_link(api) => Locator::Url(url.clone()),
            _ => Locator::Entry { list: self.list, entry: self.place, path: self.path_digest() },
        };
        let locator = serde_json::to_string(&locator).map_err(|error| {
            Error::contract_broken("a file's place cannot be written down").because(error)
        })?;
        let sha256 = self.sha256.as_deref().map(|sum| {
            let stated = ["sha256:", "sha-256="].iter().find_map(|prefix| sum.strip_prefix(prefix));
            stated.unwrap_or(sum).parse()
        });
        let sha256 = sha256.transpose();
        let sha256 = sha256.map_err(|_| Error::contract_broken(format!("the SHA-256 of {name} is none")))?;
        // What was deleted lands beside the data, and is none of the rows that the source counts.
        let is_log = files.kind != FileKind::Data;
        Ok(OutputFile { ordinal, name, size: self.size, sha256, locator: Some(locator), is_log })
    }

    /// Its name, without what its link may add.
    fn label(&self, description: &Description, values: &Values, ordinal: u32) -> Result<String> {
        let Some(files) = description.files.get(self.list) else { return Err(gone()) };
        let mut names = values.clone();
        names.set("ordinal", format!("{ordinal:05}"));
        for (name, value) in &self.values {
            names.set(name, value.clone());
        }
        if let Some(file) = &self.file {
            names.set("file", file.clone());
        }
        Ok(files.name.text(&names)?.unwrap_or_default())
    }

    /// What its link's path is known again by. The path itself may open the file.
    fn path_digest(&self) -> String {
        let path = self.url.as_ref().map(Url::path).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(path));
        digest.get(..16).unwrap_or_default().to_owned()
    }
}

/// The entry of a list that a file was listed as: the one with its path; where paths are others each time, the one in its
/// place, if that has its name still.
pub(super) fn again<'e>(
    entries: &'e [Entry],
    (list, place, path): (usize, usize, &str),
    description: &Description,
    values: &Values,
    file: &OutputFile,
) -> Result<Option<&'e Entry>> {
    let mut of_list = entries.iter().filter(|entry| entry.list == list);
    if let Some(found) = of_list.clone().find(|entry| entry.path_digest() == path) {
        return Ok(Some(found));
    }
    match of_list.find(|entry| entry.place == place) {
        Some(found) if found.label(description, values, file.ordinal)? == file.name => Ok(Some(found)),
        _ => Ok(None),
    }
}

fn gone() -> Error {
    Error::contract_broken("a file is of a list that the description does not have any more")
}

/// What a file's link says of how the file is written.
async fn ending(api: &Api, call: &LinkCall, values: &Values, file: &str) -> Result<String> {
    let Some((take, endings)) = &call.ending else { return Ok(String::new()) };
    let answered = linked(api, call, values, file).await?;
    let Some(word) = take.text(&answered) else { return Ok(String::new()) };
    let found = endings.iter().find(|(known, _)| *known == word);
    found.map(|(_, ending)| ending.clone()).ok_or_else(|| {
        let word = api.client.redactor().text(&word);
        answered.malformed("a file's link", &format!("it says {word:?}, which the description does not name"))
    })
}

/// The answer that has a file's link.
pub(super) async fn linked(api: &Api, call: &LinkCall, values: &Values, file: &str) -> Result<Answered> {
    let mut values = values.clone();
    values.set("file", file);
    api.read(&call.call, &values, None).await
}

/// The files of a job, all of them, and where they are now.
pub(super) async fn list(api: &Api, values: &Values) -> Result<(Vec<Entry>, Vec<OutputFile>)> {
    let entries = entries(api, values).await?;
    let mut files = Vec::with_capacity(entries.len());
    for (entry, ordinal) in entries.iter().zip(0_u32..) {
        files.push(entry.output_file(api, values, ordinal).await?);
    }
    Ok((entries, files))
}
