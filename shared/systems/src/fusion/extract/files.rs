//! Output files of `saas-batch`: listed whole, and opened.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header;
use serde::Deserialize;
use url::Url;

use super::lenient::{Scalar, optional};
use crate::entries::objects;
use crate::fusion::pod::Pod;
use landfall::checksum::Sha256;
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall::job::{JobRequestId, OutputFile};
use landfall_http::auth::Authorizer;
use landfall_http::{Answer, ErrorKind, HttpError, Request};

const FILE_MANAGER: [&str; 4] = ["api", "saas-batch", "jobfilemanager", "v1"];
/// More files than any job puts out.
const MAX_FILES: usize = 100_000;
/// How many are asked for at once, where a server pages.
const PAGE: &str = "500";
/// A list of so many files is larger than most answers.
const MAX_LIST_BYTES: u64 = 32 * 1024 * 1024;
/// How large its pages may be together, which are kept.
const MAX_PAGES_BYTES: usize = 64 * 1024 * 1024;
const MAX_NAME: usize = 1024;
/// How many archives are looked into for the metadata file.
const MAX_LOOKED_INTO: usize = 3;
/// How much of an archive's end is read for that: the directory of some hundred members.
const TAIL: &str = "bytes=-65536";
const TAIL_BYTES: u64 = 65_536;

/// The collection of a job's output files.
pub(super) struct Files<'a> {
    pod: &'a Pod,
    authorizer: Arc<dyn Authorizer>,
    job: &'a JobRequestId,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    file_name: Option<String>,
    file_size: Option<Scalar>,
    checksum: Option<String>,
    time_created: Option<Scalar>,
    #[serde(rename = "$context")]
    context: Option<Context>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Context {
    links: Option<Links>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Links {
    enclosure: Option<Link>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Link {
    href: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default, alias = "outputFiles", deserialize_with = "objects")]
    items: Vec<Listed>,
    #[serde(default, deserialize_with = "optional")]
    total_items: Option<Scalar>,
    #[serde(default, deserialize_with = "optional")]
    has_more: Option<bool>,
}

/// A page that is nothing but its items, as others have seen it.
#[derive(Deserialize)]
struct BarePage(#[serde(deserialize_with = "objects")] Vec<Listed>);

/// What tells an item from all others: name, size, checksum and link. One that is listed again is the same file.
type Identity<'a> = (Option<&'a str>, Option<String>, Option<&'a str>, Option<&'a str>);

/// That of an item that says nothing of any file.
const NOTHING: Identity<'static> = (None, None, None, None);

impl Listed {
    fn identity(&self) -> Identity<'_> {
        let href = || self.context.as_ref()?.links.as_ref()?.enclosure.as_ref()?.href.as_deref();
        let size = self.file_size.as_ref().map(Scalar::text);
        (self.file_name.as_deref(), size, self.checksum.as_deref(), href())
    }

    /// Whether another answer may mean the same file: its link may be of one answer alone.
    fn is_alike(&self, other: &Self) -> bool {
        (&self.file_name, &self.file_size, &self.checksum, &self.time_created)
            == (&other.file_name, &other.file_size, &other.checksum, &other.time_created)
    }
}

/// A part of the list, and what it says about the rest.
struct Part {
    items: Vec<Listed>,
    total: Option<u64>,
    has_more: bool,
    read_bytes: usize,
}

/// The list as far as it has come.
struct List {
    items: Vec<Listed>,
    total: Option<u64>,
    has_more: bool,
    read_bytes: usize,
}

impl List {
    fn of(part: Part) -> Result<Self> {
        let mut list = Self { items: Vec::new(), total: None, has_more: false, read_bytes: 0 };
        list.append(part)?;
        Ok(list)
    }

    fn append(&mut self, mut part: Part) -> Result<()> {
        part.items.retain(|item| item.identity() != NOTHING);
        match self.items.is_empty() {
            true => self.items = part.items,
            false => self.items.append(&mut part.items),
        }
        // A later page may leave the total out.
        (self.total, self.has_more) = (part.total.or(self.total), part.has_more);
        self.read_bytes = self.read_bytes.saturating_add(part.read_bytes);
        check_length(self.items.len(), self.read_bytes)
    }

    fn is_promised_more(&self) -> bool {
        let items = u64::try_from(self.items.len()).unwrap_or(u64::MAX);
        self.has_more || self.total.is_some_and(|total| total > items)
    }

    /// The items, each once.
    fn without_repetitions(self) -> Vec<Listed> {
        let mut known = HashSet::with_capacity(self.items.len());
        let is_first = self.items.iter().map(|item| known.insert(item.identity())).collect();
        chosen(self.items, is_first)
    }
}

/// Those that are chosen, of as many as there are choices. What chooses may hold them only by reference: they may be very
/// many, and are not kept twice.
fn chosen<T>(mut all: Vec<T>, choices: Vec<bool>) -> Vec<T> {
    let mut choices = choices.into_iter();
    all.retain(|_| choices.next().unwrap_or(true));
    all
}

/// A file as it is listed, and where it is now: a link with a query may grant access, and is not kept.
struct Located {
    file: OutputFile,
    url: Url,
}

impl<'a> Files<'a> {
    pub(super) fn new(pod: &'a Pod, authorizer: Arc<dyn Authorizer>, job: &'a JobRequestId) -> Self {
        Self { pod, authorizer, job }
    }

    /// All files of the job, in the order of the source's list.
    pub(super) async fn list(&self) -> Result<Vec<OutputFile>> {
        Ok(self.locate().await?.into_iter().map(|located| located.file).collect())
    }

    /// Opens a file where it was listed, or where it is listed now if it is not there any more.
    pub(super) async fn open(&self, file: &OutputFile, resume: Option<&ResumeAt>) -> Result<Download> {
        let stored = file.locator.as_ref().and_then(|locator| Url::parse(locator).ok());
        if let Some(url) = stored {
            match self.download(url, resume).await {
                // The file has moved since it was listed, or the pod itself has.
                Err(error) if error.is_gone() || error.is_host_refused() => {}
                answered => return Ok(answered?),
            }
        }
        let located = self.locate().await?;
        let url = same_file(file, located).ok_or_else(|| {
            Error::not_found(format!("job {} lists {:?} no more: it may have expired", self.job, file.name))
        })?;
        Ok(self.download(url, resume).await?)
    }

    /// Whether one of these archives has the metadata file, which only the last one of a job has (Extract Output File and
    /// Manifest Details). Those with the highest numbers are looked into.
    pub(super) async fn have_metadata(&self, files: &[OutputFile]) -> bool {
        let mut last_first: Vec<&OutputFile> = files.iter().collect();
        last_first.sort_by_key(|file| Reverse((chunk_number(&file.name), file.ordinal)));
        for file in last_first.into_iter().take(MAX_LOOKED_INTO) {
            if self.tail(file).await.is_some_and(|tail| names_metadata(&tail)) {
                return true;
            }
        }
        false
    }

    /// The end of a file, with the directory of an archive, if it can be had.
    async fn tail(&self, file: &OutputFile) -> Option<Bytes> {
        let url = Url::parse(file.locator.as_ref()?).ok()?;
        let request = Request::get(url)
            .header(header::RANGE, TAIL)
            .at_most(TAIL_BYTES)
            .once()
            .authorized_by(Arc::clone(&self.authorizer));
        let answer = self.pod.client.call(&request).await;
        let answer = answer.inspect_err(|error| tracing::debug!(file.name, %error, "its end cannot be read"));
        Some(answer.ok()?.body)
    }

    async fn download(&self, url: Url, resume: Option<&ResumeAt>) -> Result<Download, HttpError> {
        let download = self.pod.client.download(url, Some(Arc::clone(&self.authorizer)), resume).await?;
        Ok(download.map_err())
    }

    async fn locate(&self) -> Result<Vec<Located>> {
        let (items, answer) = self.items().await?;
        let numbered = items.into_iter().zip(0_u32..);
        let located: Vec<Located> =
            numbered.map(|(item, ordinal)| self.located(item, ordinal, &answer)).collect::<Result<_>>()?;
        // One place is one file, in whatever form its link comes.
        let mut known = HashSet::with_capacity(located.len());
        let policy = self.pod.client.policy();
        let is_first = located.iter().map(|Located { file, url }| {
            known.insert((policy.called_at(url), file.name.as_str(), file.size, file.sha256))
        });
        let is_first = is_first.collect();
        let mut files = chosen(located, is_first);
        for (ordinal, located) in (0..).zip(&mut files) {
            located.file.ordinal = ordinal;
        }
        Ok(files)
    }

    /// Every item of the list. Oracle documents a total, and no way to page: both spellings of its other
    /// services are tried before a list that stays short is an error.
    ///
    /// A list that promises no more is asked for what follows it all the same, once: its count may be that of a page.
    async fn items(&self) -> Result<(Vec<Listed>, Answer)> {
        let (part, answer) = self.page(&[]).await?;
        let mut list = List::of(part)?;
        for spelling in [["offset", "limit"], ["$offset", "$limit"]] {
            while list.is_promised_more() && self.next(&mut list, &[spelling]).await? {}
        }
        let both = [["offset", "limit"], ["$offset", "$limit"]];
        while !list.items.is_empty() && !list.is_promised_more() && self.next(&mut list, &both).await? {}
        if list.is_promised_more() {
            let total = list.total.map_or_else(|| "more".to_owned(), |total| total.to_string());
            return Err(Error::contract_broken(format!(
                "job {} says that it put out {total} files, and lists {}",
                self.job,
                list.items.len()
            )));
        }
        Ok((list.without_repetitions(), answer))
    }

    /// Takes what follows the list so far; whether anything does.
    async fn next(&self, list: &mut List, spelling: &[[&str; 2]]) -> Result<bool> {
        let offset = list.items.len().to_string();
        let parameters: Vec<(&str, &str)> =
            spelling.iter().flat_map(|[name, limit]| [(*name, offset.as_str()), (*limit, PAGE)]).collect();
        let (part, _) = match self.page(&parameters).await {
            // It does not page, and says so in its own way.
            Err(error) if error.kind() == ErrorKind::Rejected && !list.is_promised_more() => {
                return Ok(false);
            }
            page => page?,
        };
        // A server that does not know these parameters begins again.
        let begins_again = match (list.items.first(), part.items.first()) {
            (Some(known), Some(first)) => known.is_alike(first),
            _ => false,
        };
        let is_known = |item: &Listed| list.items.iter().any(|known| known.is_alike(item));
        let items = u64::try_from(list.items.len()).unwrap_or(u64::MAX);
        let is_counted_short = list.total.is_some_and(|total| total > items);
        let brings_nothing = part.items.is_empty() || (!is_counted_short && part.items.iter().all(is_known));
        if begins_again || brings_nothing {
            // Some servers say of every page that more follows: what brings nothing new where the list goes on is its end.
            list.has_more &= begins_again && list.total != Some(items);
            return Ok(false);
        }
        let known: HashSet<Identity<'_>> = list.items.iter().map(Listed::identity).collect();
        if let Some(again) = part.items.iter().map(Listed::identity).find(|item| known.contains(item)) {
            return Err(self.listed_twice(&again));
        }
        drop(known);
        list.append(part)?;
        Ok(true)
    }

    /// A later page repeats an item: then another one is missing, as the order has changed from page to page.
    fn listed_twice(&self, (name, ..): &Identity<'_>) -> Error {
        let name = name.unwrap_or_default();
        Error::contract_broken(format!(
            "the pages of job {}'s list have {name:?} twice: their order changes, and others may be missing",
            self.job
        ))
    }

    async fn page(&self, parameters: &[(&str, &str)]) -> Result<(Part, Answer), HttpError> {
        let mut url = self.collection();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request =
            Request::get_json(url).at_most(MAX_LIST_BYTES).authorized_by(Arc::clone(&self.authorizer));
        let mut answer = self.pod.client.call(&request).await?;
        let read_bytes = answer.body.len();
        let part = if answer.body.trim_ascii_start().first() == Some(&b'[') {
            let BarePage(items) = answer.json()?;
            Part { items, total: None, has_more: false, read_bytes }
        } else {
            let page: Page = answer.json()?;
            let total = page.total_items.as_ref().and_then(Scalar::whole);
            Part { items: page.items, total, has_more: page.has_more == Some(true), read_bytes }
        };
        // It has been read, and may be large; what is wrong with its items is still told of it.
        answer.body = Bytes::new();
        Ok((part, answer))
    }

    fn located(&self, item: Listed, ordinal: u32, answer: &Answer) -> Result<Located> {
        let broken =
            |field: &str, reason: &str| answer.malformed(&format!("items[{ordinal}].{field}"), reason);
        let name = item.file_name.ok_or_else(|| broken("fileName", "it is missing"))?;
        if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            let reason = "it is empty, longer than 1,024 bytes, or has control characters";
            return Err(broken("fileName", reason).into());
        }
        let sha256 = match item.checksum.as_deref().map(str::trim).filter(|checksum| !checksum.is_empty()) {
            Some(checksum) => sha256(checksum).map_err(|reason| broken("checksum", reason))?,
            None => None,
        };
        let size = match item.file_size.as_ref().filter(|size| !size.is_unknown()) {
            Some(size) => Some(size.whole().ok_or_else(|| broken("fileSize", "it is not a size in bytes"))?),
            None => None,
        };
        let href = item.context.and_then(|context| context.links).and_then(|links| links.enclosure);
        let url = self.url(&name, href.and_then(|link| link.href), answer)?;
        let locator = url.query().is_none().then(|| url.to_string());
        Ok(Located { file: OutputFile { ordinal, name, size, sha256, locator, is_log: false }, url })
    }

    /// Where a file is: its link, if the connection allows that host, or its place in the collection.
    fn url(&self, name: &str, href: Option<String>, answer: &Answer) -> Result<Url> {
        let collection = self.collection();
        let Some(href) = href.filter(|href| !href.trim().is_empty()) else {
            let mut url = collection;
            if let Ok(mut path) = url.path_segments_mut() {
                path.extend([name, "content"]);
            }
            return Ok(url);
        };
        let broken = |reason: &str| answer.malformed(&format!("the link of {name:?}"), reason);
        let mut url = collection.join(href.trim()).map_err(|error| broken(&error.to_string()))?;
        url.set_fragment(None);
        self.pod.client.policy().check(&url).map_err(|refused| Error::from(broken(&refused.to_string())))?;
        Ok(url)
    }

    fn collection(&self) -> Url {
        let rest = ["jobRequests", self.job.as_str(), "outputFiles"];
        let segments: Vec<&str> = FILE_MANAGER.into_iter().chain(rest).collect();
        self.pod.url(&segments)
    }
}

/// Where a file is now, among those that are listed: the one of its name, size and checksum, and of
/// several such the one of its turn.
fn same_file(file: &OutputFile, located: Vec<Located>) -> Option<Url> {
    let is_alike =
        |other: &OutputFile| (&other.name, other.size, other.sha256) == (&file.name, file.size, file.sha256);
    let mut alike: HashMap<u32, Url> = HashMap::new();
    let mut first = None;
    for Located { file: other, url } in located.into_iter().filter(|located| is_alike(&located.file)) {
        first.get_or_insert(other.ordinal);
        alike.insert(other.ordinal, url);
    }
    // Files that are alike to the byte are interchangeable; those without a checksum keep their place.
    let ordinal = if alike.contains_key(&file.ordinal) { file.ordinal } else { first? };
    alike.remove(&ordinal)
}

/// The number that a name ends in before its suffix: of the archive among those of its view. A hint, and no more.
fn chunk_number(name: &str) -> u64 {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit_once('_').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

/// Whether the directory at an archive's end names a metadata file. What it is called exactly is not published.
fn names_metadata(tail: &[u8]) -> bool {
    const ENTRY: &[u8] = b"PK\x01\x02";
    let name = |at: usize| {
        let entry = tail.get(at..)?;
        let length = entry.get(28..30).and_then(|length| length.try_into().ok()).map(u16::from_le_bytes)?;
        entry.get(46..46_usize.checked_add(usize::from(length))?)
    };
    let entries = tail.windows(ENTRY.len()).enumerate().filter(|(_, bytes)| *bytes == ENTRY);
    entries.filter_map(|(at, _)| name(at)).any(|name| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        name.rsplit('/').next().is_some_and(|name| name.contains("metadata"))
    })
}

/// The checksum of `sha-256=<64 hex digits>`, or of the same in base64, as `Digest` has it (RFC 3230). Of another
/// algorithm there is none here: the file is held against its size alone.
fn sha256(checksum: &str) -> Result<Option<Sha256>, &'static str> {
    let (algorithm, value) = checksum.split_once('=').unwrap_or((checksum, ""));
    if !algorithm.eq_ignore_ascii_case("sha-256") && !algorithm.eq_ignore_ascii_case("sha256") {
        tracing::warn!(
            checksum.algorithm = algorithm,
            "the source's checksums are no SHA-256, and not looked at"
        );
        return Ok(None);
    }
    let value = value.trim();
    let in_base64 =
        || BASE64_STANDARD.decode(value).ok()?.try_into().ok().map(|bytes: [u8; 32]| bytes.into());
    value.parse().ok().or_else(in_base64).map(Some).ok_or("it is not `sha-256=` and 64 hex digits")
}

fn check_length(files: usize, bytes: usize) -> Result<()> {
    if files > MAX_FILES {
        return Err(Error::limit_exceeded(format!("the job lists more than {MAX_FILES} files")));
    }
    if bytes > MAX_PAGES_BYTES {
        return Err(Error::limit_exceeded(format!(
            "the list of the job's {files} files has {bytes} bytes, and {MAX_PAGES_BYTES} are read"
        )));
    }
    Ok(())
}
