//! The files that jobs read and write: listed, and downloaded by either API.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::answer::{Outcome, Progress, target, text, whole};
use super::cut::unless_cut;
use super::environment::Environment;
use crate::entries::entries;
use crate::epm::settings::EpmDownload;
use landfall::clock::elapsed;
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall_http::{Answer, HttpError, Request};

/// The version of the older API: its files are "snapshots", whatever they hold.
pub(super) const SNAPSHOTS: [&str; 4] = ["interop", "rest", "11.1.2.3.600", "applicationsnapshots"];
const FILES: [&str; 4] = ["interop", "rest", "v2", "files"];
/// A list of many files is larger than most answers.
const MAX_LIST_BYTES: u64 = 32 * 1024 * 1024;
/// No outcome is larger than this; what is larger is a file.
const MAX_OUTCOME_BYTES: usize = 64 * 1024;
/// How long the preparation of a download is waited for.
const PREPARED_WITHIN: Duration = Duration::from_secs(600);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The older API gives out no more in one request (Download).
const MOST_V1_BYTES: u64 = 1 << 30;
const MAX_NAME: usize = 1024;

/// A file's path in the repository. Older documents write it with backslashes; it is the same file.
#[derive(Debug, Clone)]
pub(super) struct FileName {
    path: String,
    written: String,
}

impl PartialEq for FileName {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl FileName {
    /// Reads a name as EPM or a person writes it; `None` where it is none.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let written = name.trim();
        let written = written.strip_prefix(['/', '\\']).unwrap_or(written);
        let path = written.replace('\\', "/");
        let is_name = path.len() <= MAX_NAME
            && !path.chars().any(char::is_control)
            && path.split('/').all(|segment| !matches!(segment.trim(), "" | "." | ".."));
        is_name.then(|| Self { path, written: written.to_owned() })
    }

    /// The path, with slashes.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path as it was written: where nothing else tells, that is how it is known.
    fn written(&self) -> &str {
        &self.written
    }

    /// Its last segment.
    pub(super) fn label(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it ends so, in any case.
    pub(super) fn has_ending(&self, ending: &str) -> bool {
        let end = self.path.get(self.path.len().saturating_sub(ending.len())..);
        end.is_some_and(|end| end.eq_ignore_ascii_case(ending))
    }
}

/// A file as the repository lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listed {
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
    /// In bytes; snapshots have none.
    #[serde(default, deserialize_with = "whole")]
    size: Option<u64>,
    /// In milliseconds since 1970.
    #[serde(default, rename = "lastmodifiedtime", deserialize_with = "whole")]
    modified: Option<u64>,
}

#[derive(Deserialize)]
struct Items {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<Listed>,
}

/// The repository's list of files.
#[derive(Debug, Clone)]
pub(super) struct Listing(Vec<Listed>);

impl Listing {
    fn find(&self, name: &FileName) -> Option<&Listed> {
        let is_it = |listed: &&Listed| {
            listed.name.as_deref().and_then(FileName::parse).is_some_and(|other| other == *name)
        };
        self.0.iter().find(is_it)
    }

    /// Whether it tells the size of each of these files.
    fn describes(&self, names: &[FileName]) -> bool {
        names.iter().all(|name| self.find(name).is_some_and(|listed| listed.size.is_some()))
    }

    /// The same list, with what another one says besides: of a file that both have, a size alone.
    fn completed_by(mut self, other: Self) -> Self {
        for listed in other.0 {
            let name = listed.name.as_deref().and_then(FileName::parse);
            let is_it = |known: &&mut Listed| known.name.as_deref().and_then(FileName::parse) == name;
            match self.0.iter_mut().find(is_it) {
                Some(known) => known.size = known.size.or(listed.size),
                None => self.0.push(listed),
            }
        }
        self
    }

    /// What is there under a name.
    pub(super) fn locate(&self, name: &FileName) -> Option<Locator> {
        self.find(name).map(|listed| Locator {
            name: listed.name.clone().unwrap_or_else(|| name.path().to_owned()),
            size: listed.size,
            modified: listed.modified,
            is_listed: true,
        })
    }
}

/// What it takes to find a file again, and to see whether it is still the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Locator {
    /// Its name, written as the repository writes it.
    pub(super) name: String,
    /// Its size in bytes when it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// When it was written, as it was listed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<u64>,
    /// Whether the repository listed it.
    is_listed: bool,
}

impl Locator {
    /// A file that the repository does not list.
    pub(super) fn unlisted(name: &FileName) -> Self {
        Self { name: name.written().to_owned(), size: None, modified: None, is_listed: false }
    }

    /// Whether what is listed now can be the file that was listed then: a value that is missing on either side tells
    /// nothing.
    fn is_same(&self, now: &Locator) -> bool {
        let differs = |then: Option<u64>, now: Option<u64>| matches!((then, now), (Some(then), Some(now)) if then != now);
        !differs(self.size, now.size) && !differs(self.modified, now.modified)
    }
}

/// The repository of an environment.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    environment: Environment,
    api: EpmDownload,
}

impl Repository {
    pub(super) fn new(environment: Environment, api: EpmDownload) -> Self {
        Self { environment, api }
    }

    /// Looks whether files can be listed: what was found, in words, and the time that EPM tells.
    pub(super) async fn look(&self) -> Result<String> {
        let listed =
            self.call_list(self.files(&["list"])).await.map_err(|error| self.environment.named(error))?;
        Ok(format!("the user is accepted, and {} files are listed", self.listing(&listed)?.0.len()))
    }

    /// The list of files, in which these are looked for; `None` where the environment has none. What one API's list
    /// lacks, a file or its size, may be in the other's.
    pub(super) async fn list(&self, names: &[FileName]) -> Result<Option<Listing>> {
        let list = self.list_at(self.files(&["list"])).await?;
        if list.as_ref().is_some_and(|list| list.describes(names)) {
            return Ok(list);
        }
        let older = self.list_at(self.environment.url(&SNAPSHOTS)).await?;
        Ok(match (list, older) {
            (Some(list), Some(older)) => Some(list.completed_by(older)),
            (list, older) => list.or(older),
        })
    }

    async fn list_at(&self, url: Url) -> Result<Option<Listing>> {
        match self.call_list(url).await {
            Ok(answer) => self.listing(&answer).map(Some),
            Err(error) if error.is_gone() || error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                Ok(None)
            }
            Err(error) => Err(self.environment.named(error)),
        }
    }

    async fn call_list(&self, url: Url) -> Result<Answer, HttpError> {
        self.environment.call(Request::get_json(url).at_most(MAX_LIST_BYTES)).await
    }

    fn listing(&self, answer: &Answer) -> Result<Listing> {
        self.done("listing the repository's files", answer)?;
        let items: Items = answer.json().map_err(|error| self.environment.named(error))?;
        Ok(Listing(items.items))
    }

    /// Opens a file that must still be the one that was listed, and must be it still at its end: another run of the
    /// same period writes to the same name.
    pub(super) async fn open_listed(&self, locator: &Locator, resume: Option<&ResumeAt>) -> Result<Download> {
        let name = self.name_of(locator)?;
        self.must_be_given_out(locator, &name)?;
        if !locator.is_listed {
            return self.open(locator, &name, resume, PREPARED_WITHIN).await;
        }
        self.must_be_same(locator, &name).await?;
        let download = self.open(locator, &name, resume, PREPARED_WITHIN).await?;
        let (repository, locator) = (self.clone(), locator.clone());
        let check = stream::once(async move { repository.must_be_same(&locator, &name).await })
            .filter_map(|checked| future::ready(checked.err().map(Err)));
        Ok(Download { body: download.body.chain(check).boxed(), ..download })
    }

    /// Opens a file that nothing is known of but its name; its preparation is waited for this long.
    pub(super) async fn open_named(&self, name: &FileName, prepared_within: Duration) -> Result<Download> {
        self.open(&Locator::unlisted(name), name, None, prepared_within).await
    }

    /// Refuses, before anything is called, a file that the older API would give out cut.
    fn must_be_given_out(&self, locator: &Locator, name: &FileName) -> Result<()> {
        match (self.api, locator.size) {
            (EpmDownload::V1, Some(size)) if size > MOST_V1_BYTES => Err(Error::limit_exceeded(format!(
                "{:?} has {size} bytes, and EPM's older API sends at most 1 GB per request: set download = \"v2\" in the \
                 connection",
                name.path()
            ))),
            _ => Ok(()),
        }
    }

    fn name_of(&self, locator: &Locator) -> Result<FileName> {
        FileName::parse(&locator.name)
            .ok_or_else(|| Error::contract_broken(format!("{:?} is not a file's name", locator.name)))
    }

    async fn must_be_same(&self, locator: &Locator, name: &FileName) -> Result<()> {
        let Some(listing) = self.list(std::slice::from_ref(name)).await? else { return Ok(()) };
        let now = listing.locate(name).ok_or_else(|| {
            Error::not_found(format!(
                "the repository no longer lists {:?}: it may have been deleted",
                name.path()
            ))
        })?;
        if locator.is_same(&now) {
            return Ok(());
        }
        Err(Error::integrity(format!(
            "{:?} was overwritten since this job's files were listed, perhaps by a later run that writes to the same \
             name: this job's output is lost",
            name.path()
        )))
    }

    async fn open(
        &self,
        locator: &Locator,
        name: &FileName,
        resume: Option<&ResumeAt>,
        prepared_within: Duration,
    ) -> Result<Download> {
        let url = match self.api {
            EpmDownload::V1 => self.contents(&locator.name),
            EpmDownload::V2 => self.prepare(&locator.name, prepared_within).await?,
        };
        let authorizer = Some(self.environment.authorizer());
        let (download, kind) =
            self.environment.client.download_typed(url, authorizer, resume).await.map_err(
                |error| match error.is_gone() {
                    true => Error::not_found(format!("EPM has no file {:?}", name.path())).because(error),
                    false => self.environment.named(error),
                },
            )?;
        let download = download.map_err();
        let download = match kind.as_deref() {
            Some(kind) if is_json(kind) && download.offset == 0 => {
                self.unless_outcome(download, locator, name).await?
            }
            _ => download,
        };
        match locator.size {
            None if download.unverified.is_some() => Ok(unless_cut(download, name.path())),
            _ => Ok(download),
        }
    }

    /// The URL of a file in the older API; its path is one segment, encoded whole.
    pub(super) fn contents(&self, name: &str) -> Url {
        let segments: Vec<&str> = SNAPSHOTS.into_iter().chain([name, "contents"]).collect();
        self.environment.url(&segments)
    }

    fn files(&self, rest: &[&'static str]) -> Url {
        let segments: Vec<&str> = FILES.iter().chain(rest).copied().collect();
        self.environment.url(&segments)
    }

    /// Has a download prepared, and returns the link to its bytes. Links are followed as they come, within the
    /// connection's hosts: a gateway may have put its own path before them.
    async fn prepare(&self, name: &str, within: Duration) -> Result<Url> {
        let doing = format!("preparing the download of {name:?}");
        let named = |error: HttpError| self.environment.named(error).while_doing(&doing);
        // A download that nobody fetches changes nothing: asking for it again is safe.
        let mut url = self.files(&["download"]);
        let request =
            Request::post_json(url.clone(), &json!({ "fileName": name })).map_err(named)?.idempotent();
        let mut answer = self.environment.call(request).await.map_err(named)?;
        let since = self.environment.clock.now();
        let mut wait = FIRST_WAIT;
        loop {
            let outcome: Outcome = answer.json().map_err(named)?;
            let link = |relation: &str| {
                let href = target(&outcome.links, relation)?;
                Some(url.join(href).map_err(|error| answer.malformed("links", &error.to_string())))
            };
            match outcome.progress() {
                Progress::Done => {
                    let found = link("Download link");
                    let missing = || Err(answer.malformed("links", "there is no download link"));
                    return found.unwrap_or_else(missing).map_err(named);
                }
                // A later answer may leave out where to ask next.
                Progress::UnderWay => match link("Job Status") {
                    Some(status) => url = status.map_err(named)?,
                    None if url == self.files(&["download"]) => {
                        return Err(named(answer.malformed("links", "there is no link to the status")));
                    }
                    None => {}
                },
                Progress::Failed(_) | Progress::Unknown => return Err(self.refusal(&doing, &outcome)),
            }
            if elapsed(since, self.environment.clock.now()) >= within {
                let seconds = within.as_secs();
                return Err(Error::source_unavailable(format!("{doing} took longer than {seconds} s")));
            }
            self.environment.clock.sleep(wait).await;
            wait = MAX_WAIT.min(wait * 2);
            answer = self.environment.call(Request::get_json(url.clone())).await.map_err(named)?;
        }
    }

    /// Refuses a body of JSON that is an outcome and no file.
    ///
    /// The older API documents that JSON is an error, always. A job may put JSON out all the same: a body is taken for
    /// the file where its name ends in `.json` and it has either the size that the list names, or another shape than an
    /// outcome's.
    async fn unless_outcome(
        &self,
        mut download: Download,
        locator: &Locator,
        name: &FileName,
    ) -> Result<Download> {
        let mut head: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while length <= MAX_OUTCOME_BYTES {
            let Some(bytes) = download.body.try_next().await? else { break };
            length += bytes.len();
            head.push(bytes);
        }
        let has_listed_size = locator.size.is_some() && locator.size == u64::try_from(length).ok();
        let outcome = if length <= MAX_OUTCOME_BYTES { Outcome::of_shape(&head.concat()) } else { None };
        if name.has_ending(".json") && (has_listed_size || outcome.is_none()) {
            let body = stream::iter(head.into_iter().map(Ok)).chain(download.body).boxed();
            return Ok(Download { body, ..download });
        }
        let doing = format!("downloading {:?}", name.path());
        Err(match outcome {
            Some(outcome) => self.refusal(&doing, &outcome),
            None => Error::contract_broken(format!("{doing}: EPM answered with JSON instead of the file")),
        })
    }

    /// An answer whose body must say that all is done.
    pub(super) fn done(&self, doing: &str, answer: &Answer) -> Result<()> {
        let outcome: Outcome =
            answer.json().map_err(|error| self.environment.named(error).while_doing(doing))?;
        match outcome.progress() {
            Progress::Done => Ok(()),
            _ => Err(self.refusal(doing, &outcome)),
        }
    }

    /// What EPM refused under HTTP 200, in its own words.
    fn refusal(&self, doing: &str, outcome: &Outcome) -> Error {
        let details = self.environment.redacted(outcome.details.as_deref());
        let said = details.as_deref().unwrap_or("it does not say why");
        match outcome.progress() {
            Progress::Failed(_) if is_about_a_missing_file(said) => {
                Error::not_found(format!("{doing}: EPM has no such file: {said}"))
            }
            Progress::Failed(_) if said.to_ascii_lowercase().contains("already exist") => Error::conflict(
                format!("{doing}: EPM has such a file already, and overwrites nothing: {said}"),
            ),
            Progress::Failed(status) => {
                Error::rejected(format!("{doing}: EPM refused with status {status}: {said}"))
            }
            _ => Error::contract_broken(format!("{doing}: EPM's answer has no outcome: {said}")),
        }
    }
}

fn is_json(kind: &str) -> bool {
    matches!(kind, "application/json" | "text/json") || kind.ends_with("+json")
}

fn is_about_a_missing_file(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["not found", "does not exist", "doesn't exist", "no such"].iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap: older documents write names with backslashes; and a name leads nowhere but into the repository.
    #[test]
    fn a_name_is_the_same_with_either_slash() {
        let parse = |name: &str| FileName::parse(name).map(|name| name.path().to_owned());
        assert_eq!(parse("inbox\\s 112.csv").as_deref(), Some("inbox/s 112.csv"));
        assert_eq!(parse(" /outbox/logs/a.log ").as_deref(), Some("outbox/logs/a.log"));
        assert_eq!(FileName::parse("outbox\\x.csv").unwrap().label(), "x.csv");
        for bad in ["", "/", "outbox/", "outbox//x", "outbox/../x", "..", "a\u{0}b", &"x".repeat(1025)] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    /// What is listed now is another file where its size or its time differs; a value that is missing tells nothing.
    #[test]
    fn a_file_that_was_overwritten_is_told() {
        let of = |size, modified| Locator { name: "x".to_owned(), size, modified, is_listed: true };
        assert!(of(Some(1), Some(2)).is_same(&of(Some(1), Some(2))));
        assert!(of(None, Some(2)).is_same(&of(Some(1), None)));
        assert!(!of(Some(1), Some(2)).is_same(&of(Some(1), Some(3))));
        assert!(!of(Some(1), None).is_same(&of(Some(2), None)));
    }
}
