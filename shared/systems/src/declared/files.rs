//! What a job has put out: lists of files, and where each is.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;
use landfall::error::{Error, Result};
use landfall::job::{JobRequestId, OutputFile};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::Url;

use super::api::Api;
use super::call::Call;
use super::description::{Description, Each, Ending, FileKind, Files, Link, LinkCall};
use super::pages::walk;
use super::poll::{Polled, poll};
use super::take::{Answered, Take};
use super::template::Values;

/// How long a list of files with links in it is gone by. The shortest life of a link that is known is five minutes.
const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(60);
/// How many entries of each list are kept while files are fetched, where it has more.
const WINDOW: usize = 10_000;
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
    /// Its link, where the entry has it: very many take less memory as texts.
    url: Option<Box<str>>,
    /// Whether it is fetched with credentials.
    pub(super) with_credentials: bool,
    file: Option<Box<str>>,
    /// What the values of its list are, in their order.
    values: Box<[Box<str>]>,
    size: Option<u64>,
    sha256: Option<Box<str>>,
    /// What its link's path is known again by. The path itself may open the file.
    path: u64,
}

/// All lists of a job, as they were read at some moment.
#[derive(Debug)]
pub(super) struct Listing {
    lists: Vec<List>,
}

/// A list, or what is kept of it.
#[derive(Debug, Clone, Default)]
struct List {
    entries: Vec<Entry>,
    /// How many entries it has.
    count: usize,
}

/// An entry that is looked for: its list, its place in it, and what its path is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) list: usize,
    pub(super) place: usize,
    pub(super) path: u64,
}

impl Wanted {
    fn is_it(self, entry: &Entry) -> bool {
        (entry.list, entry.path) == (self.list, self.path)
    }

    fn is_its_place(self, entry: &Entry) -> bool {
        (entry.list, entry.place) == (self.list, self.place)
    }

    /// Whether an entry is this one, or near it: files are asked for in their order.
    fn is_near(self, entry: &Entry) -> bool {
        self.is_it(entry) || self.place / WINDOW == entry.place / WINDOW
    }
}

/// The lists that are in the poll's answer, and where.
fn of_poll(description: &Description) -> impl Iterator<Item = (usize, &Files, &Take)> {
    description.files.iter().enumerate().filter_map(|(number, files)| match &files.each {
        Each::In(each) if files.call.is_none() => Some((number, files, each)),
        _ => None,
    })
}

/// An error where the poll's answer lacks a list that it should have.
pub(super) fn must_be_listed(description: &Description, answered: &Answered) -> Result<()> {
    for (_, _, each) in of_poll(description).filter(|(_, files, _)| files.required) {
        if !each.is_there(answered) {
            answered.must_be_json()?;
            return Err(answered.malformed("the files", "the answer has none where they should be"));
        }
    }
    Ok(())
}

/// How many rows the files have that a page of a poll's answer lists, where it says so of each.
pub(super) fn rows(description: &Description, answered: &Answered) -> Option<u64> {
    let is_data = |files: &Files| files.kind == FileKind::Data;
    if description.files.iter().any(|files| is_data(files) && files.call.is_some()) {
        return None;
    }
    let mut sum = 0_u64;
    for (_, files, each) in of_poll(description).filter(|(_, files, _)| is_data(files)) {
        let take = files.rows.as_ref()?;
        let mut all_counted = true;
        each.each(answered, &mut |entry| {
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
async fn entries(api: &Api, values: &Values, wanted: Option<Wanted>) -> Result<Vec<List>> {
    let description = &*api.description;
    let mut lists = vec![List::default(); description.files.len()];
    if of_poll(description).next().is_some() {
        let Polled::Answer(first) = poll(api, values).await? else {
            return Err(Error::contract_broken("the job had succeeded, and its status is an error now"));
        };
        must_be_listed(description, &first)?;
        let call = &description.poll.call;
        walk(api, call, values, description.poll.pages.as_ref(), Some(*first), &mut |page| {
            let mut found = 0_usize;
            for (number, files, _) in of_poll(description) {
                let list = lists.get_mut(number);
                found = found.saturating_add(collect(api, (number, files), page, list, wanted, values)?);
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
            collect(api, (number, files), page, lists.get_mut(number), wanted, values)
        })
        .await?;
        let listed = lists.get(number).map_or(0, |list| list.count);
        if listed < told {
            return Err(Error::contract_broken(format!(
                "the list of files has {listed} entries, and says that there are {told}"
            )));
        }
    }
    Ok(lists)
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
    list: Option<&mut List>,
    wanted: Option<Wanted>,
    values: &Values,
) -> Result<usize> {
    let Some(list) = list else { return Ok(0) };
    let with_credentials = api.description.download.is_with_credentials(page);
    let mut visit = |value: &Value| {
        let entry = entry(api, (number, files), page, value, list.count, with_credentials, values)?;
        list.count = list.count.saturating_add(1);
        if wanted.is_none() && list.count > WINDOW && !entry.has_closed_link(api) {
            // It is read anew when it is needed, from what is near it.
            list.entries.push(Entry { url: None, ..entry });
        } else if wanted.is_none_or(|wanted| wanted.is_near(&entry)) {
            list.entries.push(entry);
        }
        Ok(())
    };
    let found = match &files.each {
        Each::Page => Some(visit(&Value::Null).map(|()| 1)?),
        Each::In(each) => each.each(page, &mut visit)?,
    };
    match found {
        Some(found) => Ok(found),
        None if files.required && list.count == 0 => {
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
    let text = |take: &Take| match files.each {
        Each::Page => take.text(page),
        Each::In(_) => take.text_in(value),
    };
    let taken = |(name, take): &(String, Take)| text(take).ok_or_else(|| lacks(name));
    let taken = |named: &(String, Take)| taken(named).map(String::into_boxed_str);
    let values: Box<[Box<str>]> = files.values.iter().map(taken).collect::<Result<_>>()?;
    let (url, file) = match files.link() {
        Link::Page => (Some(page.url.clone()), None),
        Link::Path(path) => {
            let mut names = names.clone();
            set(&mut names, files, &values);
            (Some(Call::get(path.clone()).url(&api.base_url, &names)?), None)
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
    let digest = Sha256::digest(url.as_ref().map(Url::path).unwrap_or_default());
    let path = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let url = url.map(|url| String::from(url).into_boxed_str());
    let file = file.map(String::into_boxed_str);
    let size = files.size.as_ref().and_then(text).and_then(|size| size.parse().ok());
    let sha256 = files.sha256.as_ref().and_then(text).map(String::into_boxed_str);
    Ok(Entry { list, place, url, with_credentials, file, values, size, sha256, path })
}

/// Has the names of a list's values stand for what an entry has of them.
fn set(names: &mut Values, files: &Files, values: &[Box<str>]) {
    files.values.iter().zip(values).for_each(|((name, _), value)| names.set(name, value.to_string()));
}

impl Entry {
    pub(super) fn url(&self) -> Option<Url> {
        self.url.as_deref().and_then(|url| url.parse().ok())
    }

    /// Whether its link opens nothing without credentials, which are for the connection's own server alone.
    fn has_closed_link(&self, api: &Api) -> bool {
        let is_own = |url: &Url| api.authorizer().is_some_and(|authorizer| authorizer.covers(url));
        self.with_credentials && self.url().as_ref().is_some_and(is_own)
    }

    /// The file, as it is listed.
    async fn output_file(&self, api: &Api, values: &Values, ordinal: u32) -> Result<OutputFile> {
        let description = &*api.description;
        let Some(files) = description.files.get(self.list) else { return Err(gone()) };
        let ending = match (files.link(), &self.file) {
            (Link::Call(call), Some(file)) => ending(api, call, values, file).await?,
            _ => String::new(),
        };
        let name = format!("{}{ending}", self.label(description, values, ordinal)?);
        if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Error::contract_broken(format!("file {ordinal} of the job has no usable name")));
        }
        let locator = match (&self.file, self.url()) {
            (Some(file), _) => Locator::File { list: self.list, file: file.to_string() },
            (None, Some(url)) if self.has_closed_link(api) => Locator::Url(url),
            _ => {
                let path = format!("{:016x}", self.path);
                Locator::Entry { list: self.list, entry: self.place, path }
            }
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
        set(&mut names, files, &self.values);
        if let Some(file) = &self.file {
            names.set("file", file.to_string());
        }
        Ok(files.name.text(&names)?.unwrap_or_default())
    }
}

impl Listing {
    /// Reads the lists: all of them, or what is near an entry.
    pub(super) async fn read(api: &Api, values: &Values, wanted: Option<Wanted>) -> Result<Self> {
        Ok(Self { lists: entries(api, values, wanted).await? })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lists.iter().flat_map(|list| &list.entries)
    }

    /// Whether it is no larger than what is kept of it.
    pub(super) fn is_small(&self) -> bool {
        self.lists.iter().all(|list| list.count <= WINDOW)
    }

    /// The files in them, and whether any is found by its link in the lists alone. Of large lists nothing is left.
    pub(super) async fn files(&mut self, api: &Api, values: &Values) -> Result<(Vec<OutputFile>, bool)> {
        let is_small = self.is_small();
        let mut files = Vec::with_capacity(self.entries().count());
        let mut has_links = false;
        for list in &mut self.lists {
            for entry in std::mem::take(&mut list.entries) {
                let ordinal = u32::try_from(files.len()).unwrap_or(u32::MAX);
                has_links |= entry.url.is_some() && !entry.has_closed_link(api);
                files.push(entry.output_file(api, values, ordinal).await?);
                if is_small {
                    list.entries.push(entry);
                }
            }
        }
        Ok((files, has_links))
    }

    /// The entry that a file was listed as: the one with its path; where paths are others each time, the one in its place,
    /// if that has its name still.
    pub(super) fn find(
        &self,
        wanted: Wanted,
        description: &Description,
        values: &Values,
        file: &OutputFile,
    ) -> Result<Option<&Entry>> {
        if let Some(found) = self.entries().find(|entry| wanted.is_it(entry)) {
            return Ok(Some(found));
        }
        match self.entries().find(|entry| wanted.is_its_place(entry)) {
            Some(found) if found.label(description, values, file.ordinal)? == file.name => Ok(Some(found)),
            _ => Ok(None),
        }
    }
}

/// The lists of a job as they were read last, by one call for all who need them.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<Option<Listed>>);

#[derive(Debug)]
struct Listed {
    job: JobRequestId,
    at: Timestamp,
    listing: Arc<Listing>,
}

impl Lists {
    /// The lists, as they were read a moment ago, but not those that have shown to be too old.
    pub(super) async fn of(
        &self,
        job: &JobRequestId,
        api: &Api,
        values: &Values,
        wanted: Wanted,
        too_old: Option<&Arc<Listing>>,
    ) -> Result<Arc<Listing>> {
        let mut listed = self.0.lock().await;
        if let Some(Listed { job: of, at, listing }) = &*listed
            && of == job
            && elapsed(*at, api.clock.now()) < LIST_IS_GOOD_FOR
            && too_old.is_none_or(|too_old| !Arc::ptr_eq(too_old, listing))
            && listing.entries().any(|entry| wanted.is_it(entry) || wanted.is_its_place(entry))
        {
            return Ok(Arc::clone(listing));
        }
        // One of them is enough memory.
        *listed = None;
        let listing = Arc::new(Listing::read(api, values, Some(wanted)).await?);
        *listed = Some(Listed { job: job.clone(), at: api.clock.now(), listing: Arc::clone(&listing) });
        Ok(listing)
    }

    /// Remembers lists that have just been read: the first file of the job need not ask again.
    pub(super) async fn note(&self, job: &JobRequestId, api: &Api, listing: Listing) {
        let listed = Listed { job: job.clone(), at: api.clock.now(), listing: Arc::new(listing) };
        *self.0.lock().await = Some(listed);
    }
}

fn gone() -> Error {
    Error::contract_broken("a file is of a list that the description does not have any more")
}

/// What a file's link says of how the file is written.
async fn ending(api: &Api, call: &LinkCall, values: &Values, file: &str) -> Result<String> {
    let Some(Ending { take, endings }) = &call.ending else { return Ok(String::new()) };
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
