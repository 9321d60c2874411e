//! Telling of a fact: to each who is to know it and has not been told, at the same time and within a few seconds; then the
//! marks.

use std::collections::HashSet;
use std::time::Duration;

use futures::TryStreamExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use landfall_store::{Condition, Store};
use uuid::Uuid;

use super::fact::{Fact, Landed, Subject};
use super::forms;
use super::lineage::{LineageEvent, run_id};
use super::message::Notification;
use super::post::{Post, TOLD_WITHIN};
use super::receivers::Receivers;
use crate::clock::elapsed;
use crate::config::{Lineage, Notify};
use crate::context::{Context, Landing};
use crate::error::{Error, Result, chain};
use crate::job::{ConnectionName, FailedRun, Failure, JobRecord, JobState, ParentRun, RunKey, Totals};
use crate::rows::ColumnType;
use crate::state::{Mark, Told, WorkState, keys};

/// The longest that all of it takes: reading who is to be told, telling them, and keeping the marks.
const WITHIN: Duration = Duration::from_secs(20);

/// What has landed so long ago is no news, where nobody has failed meanwhile: whoever calls a step again then has other
/// reasons, or nobody was to be told when it landed. No execution lasts longer.
const NEWS_FOR: Duration = Duration::from_secs(86_400);

/// A job whose manifest is there.
#[derive(Debug)]
pub struct FreshLanding<'a> {
    /// Where it landed.
    pub landing: &'a Landing,
    /// The manifest's key.
    pub manifest_key: &'a str,
    /// How the job ended.
    pub state: JobState,
    /// What has landed.
    pub totals: Totals,
    /// Whether this very call has written the manifest.
    pub is_new: bool,
}

/// Tells that a run has its job.
pub async fn submitted(context: &Context, job: &JobRecord) {
    within(async {
        // Nobody but a collector of events wants to know.
        if let Ok(Some(lineage)) = context.config().lineage().await {
            let receivers = Receivers { people: Vec::new(), lineage: Some(lineage) };
            tell(context, &receivers, &Subject::job(context, job), &Fact::Submitted, None).await;
        }
    })
    .await;
}

/// Tells that a job has landed.
pub async fn landed(context: &Context, job: &JobRecord, landed: FreshLanding<'_>) {
    within(async {
        let mut subject = Subject::job(context, job);
        let FreshLanding { landing, manifest_key, state, totals, is_new } = landed;
        let receivers = Receivers::of(context, &subject).await;
        if receivers.is_empty() {
            return;
        }
        subject.folder = context.spec(&job.export).ok().and_then(|spec| {
            let schemas = landing.destination.schema_prefix(&job.connection, spec.as_ref()).ok()?;
            Some(schemas.trim_end_matches('/').trim_end_matches("/_schema").to_owned())
        });
        let kept = kept_of(context, job).await.unwrap_or_default();
        let fact = Landed {
            state,
            totals,
            files: kept.files,
            manifest: landing.store.object(manifest_key),
            schema_changes: kept.schema_changes,
            columns: kept.columns,
            bucket: landing.store.object("").trim_end_matches('/').to_owned(),
        };
        let written = match is_new {
            true => None,
            false => Some((&landing.store, manifest_key)),
        };
        tell(context, &receivers, &subject, &Fact::Landed(Box::new(fact)), written).await;
    })
    .await;
}

/// Tells that a step has failed over a job, and is not called again by itself.
pub async fn failed_job(context: &Context, job: &JobRecord, failure: Failure) {
    within(tell_failure(context, Subject::job(context, job), failure)).await;
}

/// Tells that a run has failed before it had a job.
pub async fn failed_run(
    context: &Context,
    (connection, run_key): (&ConnectionName, &RunKey),
    failed: FailedRun,
    parent: Option<ParentRun>,
) {
    within(async {
        let FailedRun { failure, export, destination } = failed;
        let subject = Subject {
            connection: connection.clone(),
            run_key: Some(run_key.clone()),
            job_request_id: None,
            export,
            destination,
            folder: None,
            window: None,
            since: Some(failure.since),
            lineage: context.lineage_of(connection, parent).await,
        };
        tell_failure(context, subject, failure).await;
    })
    .await;
}

async fn tell_failure(context: &Context, subject: Subject, failure: Failure) {
    let receivers = Receivers::of(context, &subject).await;
    tell(context, &receivers, &subject, &Fact::Failed(Box::new(failure)), None).await;
}

async fn within(telling: impl Future<Output = ()>) {
    // On the heap: a step's future would hold it by value.
    if tokio::time::timeout(WITHIN, Box::pin(telling)).await.is_err() {
        tracing::warn!(seconds = WITHIN.as_secs(), "not all were told of the run: it took too long");
    }
}

/// What is kept of a job that has landed, as far as it is to be told.
#[derive(Debug, Default)]
struct Kept {
    files: Option<u64>,
    schema_changes: u64,
    columns: Vec<(String, ColumnType)>,
}

async fn kept_of(context: &Context, job: &JobRecord) -> Result<Kept> {
    let work = context.work().await?;
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let files = work.files(&job.job()).await?.map(|files| count(files.files.len()));
    let Some(told_by) = work.job_schema(&job.job()).await? else {
        return Ok(Kept { files, ..Kept::default() });
    };
    let version = context.kept_schema(job, told_by.schema_version).await?;
    let columns = told_by.tables.iter().filter_map(|table| version.table(table.table));
    // Several tables may have columns of one name.
    let mut names = HashSet::new();
    let columns = columns
        .flat_map(|table| &table.columns)
        .filter(|column| names.insert(&column.name))
        .map(|column| (column.name.clone(), column.r#type.unwrap_or(ColumnType::Text)))
        .collect();
    Ok(Kept { files, schema_changes: count(told_by.changes.len()), columns })
}

/// Tells of a fact, and keeps that it was told. What was `written` before this call may be no news.
async fn tell(
    context: &Context,
    receivers: &Receivers,
    subject: &Subject,
    fact: &Fact,
    written: Option<(&Store, &str)>,
) {
    if receivers.is_empty() {
        return;
    }
    let told = async {
        let work = context.work().await?;
        let key = keys::told(&subject.connection, subject.run_key.as_ref(), subject.job_request_id.as_ref());
        let Some(key) = key else { return Ok(()) };
        let told = work.told(&key).await?;
        let telling = Telling { context, work: &work, subject, fact, told: &told };
        let marks = telling.tell_all(receivers, written).await?;
        if marks.is_empty() {
            return Ok(());
        }
        work.mark_told(&key, &marks, context.clock().as_ref()).await
    };
    if let Err(error) = told.await {
        let error: Error = error;
        tracing::warn!(error = error.line(), "who was told of the run is not kept, or cannot be read");
    }
}

struct Telling<'a> {
    context: &'a Context,
    work: &'a WorkState,
    subject: &'a Subject,
    fact: &'a Fact,
    told: &'a Told,
}

impl Telling<'_> {
    fn now(&self) -> Timestamp {
        self.context.clock().now()
    }

    async fn tell_all(&self, receivers: &Receivers, written: Option<(&Store, &str)>) -> Result<Vec<Mark>> {
        let mut people: Vec<&Notify> = receivers.people.iter().filter(|one| self.is_for(one)).collect();
        let mut lineage = receivers.lineage.as_ref().filter(|lineage| !self.has_been_told(&lineage.digest()));
        if people.is_empty() && lineage.is_none() {
            return Ok(Vec::new());
        }
        if let Some((store, key)) = written
            && !self.is_news(store, key).await?
        {
            people.retain(|one| self.has_recovered(&one.digest()));
            lineage = lineage.filter(|lineage| self.has_recovered(&lineage.digest()));
        }
        let people = join_all(people.into_iter().map(|one| self.tell_one(one)));
        let lineage = async {
            match lineage {
                Some(lineage) => self.tell_lineage(lineage).await,
                None => Vec::new(),
            }
        };
        let (people, lineage) = futures::future::join(people, lineage).await;
        Ok(people.into_iter().flatten().chain(lineage).collect())
    }

    /// Whether the manifest was written not long ago.
    async fn is_news(&self, store: &Store, key: &str) -> Result<bool> {
        let first = store.list(key).try_next().await?;
        let modified = first.filter(|object| object.key == key).and_then(|object| object.modified);
        Ok(modified.is_none_or(|modified| elapsed(modified, self.now()) < NEWS_FOR))
    }

    fn has_been_told(&self, to: &str) -> bool {
        self.told.has(to, &self.fact.name(self.subject))
    }

    /// Whether this is to be told to somebody who has not been told it.
    fn is_for(&self, one: &Notify) -> bool {
        let to = one.digest();
        let is_wanted = self.fact.events(self.now()).iter().any(|event| one.on.contains(event));
        (is_wanted || self.has_recovered(&to)) && !self.has_been_told(&to)
    }

    /// Whether somebody was told that the run had failed, which has landed.
    fn has_recovered(&self, to: &str) -> bool {
        matches!(self.fact, Fact::Landed(_)) && self.told.last(to, Fact::is_failure).is_some()
    }

    fn mark(&self, to: String, fact: &Fact) -> Mark {
        Mark { to, fact: fact.name(self.subject), at: self.now() }
    }

    async fn tell_one(&self, one: &Notify) -> Option<Mark> {
        let to = one.digest();
        let told = Notification::about(self.subject, self.fact, self.has_recovered(&to), self.now())?;
        let post = Post { url: &one.webhook, http: &one.http, token: None };
        let sent = self.send(&post, &forms::body(one.form, &told)).await;
        sent.then(|| self.mark(to, self.fact))
    }

    /// Tells a collector of events, first that the run has begun, where it has not heard of that.
    async fn tell_lineage(&self, lineage: &Lineage) -> Vec<Mark> {
        let to = lineage.digest();
        let id = run_id(&self.work.store().object(""), self.subject);
        let has_begun = matches!(self.fact, Fact::Submitted)
            || self.told.last(&to, |fact| fact == Fact::Submitted.name(self.subject)).is_some();
        let begun = (!has_begun).then_some(&Fact::Submitted);
        let mut marks = Vec::new();
        for fact in begun.into_iter().chain([self.fact]) {
            let event = LineageEvent::of(self.subject, fact, id, self.now());
            let sent = match &lineage.url {
                Some(url) => {
                    let post = Post { url, http: &lineage.http, token: lineage.token.as_ref() };
                    self.send(&post, &event).await
                }
                None => self.keep_event(&event, &id).await,
            };
            if !sent {
                break;
            }
            marks.push(self.mark(to.clone(), fact));
        }
        marks
    }

    async fn send(&self, post: &Post<'_>, body: &impl serde::Serialize) -> bool {
        let reason = match tokio::time::timeout(TOLD_WITHIN, post.send(self.context, body)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("{} was not told within {} s", post.url.host(), TOLD_WITHIN.as_secs()),
        };
        tracing::warn!(error = reason, "somebody was not told of the run");
        false
    }

    async fn keep_event(&self, event: &LineageEvent, id: &Uuid) -> bool {
        let key = keys::lineage(&self.subject.connection, id, event.name());
        let kept = async {
            let json = serde_json::to_vec(event).map_err(|error| {
                Error::contract_broken("an event cannot be written as JSON").because(error)
            })?;
            Ok::<_, Error>(self.work.store().put(&key, json.into(), Condition::Always).await?)
        };
        match kept.await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = error.line(), "an event of OpenLineage is not kept");
                false
            }
        }
    }
}
