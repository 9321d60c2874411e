//! One job: its manifest against what is kept of it, and what is there of its objects against the manifest.

mod kept;
mod object;
mod unnamed;

use std::pin::pin;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use landfall::context::Context;
use landfall::export::Export;
use landfall::failure::shortened;
use landfall::job::{
    ConnectionName, DestinationName, JobRecord, JobRequestId, JobState, LandedObject, RunKey, Totals, Window,
};
use landfall::manifest::ManifestReader;
use landfall::state::{JobObjects, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use landfall_store::Store;
use serde::Deserialize;

use crate::finding::Finding;
use kept::Kept;
pub(crate) use kept::had_landed;
use object::{Found, look_for};

/// How many objects are looked at at once.
const AT_ONCE: usize = 16;

/// So many characters are told of why a manifest is none.
const MAX_REASON: usize = 2000;

/// What has become of a job.
pub enum Look {
    /// It has not landed: there is nothing to verify.
    NotLanded,
    /// It has landed.
    Landed(Box<Looked>),
}

/// What is there of a landed job.
#[derive(Debug, Default)]
pub struct Looked {
    /// What its manifest names.
    pub totals: Totals,
    /// How many of the objects were held against their sizes alone.
    pub by_size: u64,
    /// What is gone or changed, and what else was found.
    pub findings: Vec<Finding>,
}

impl Looked {
    /// How many of the objects that the manifest names are there, whatever they hold.
    fn objects_there(&self) -> u64 {
        let is_gone = |finding: &&Finding| matches!(finding, Finding::ObjectGone { .. });
        let gone = u64::try_from(self.findings.iter().filter(is_gone).count()).unwrap_or(u64::MAX);
        self.totals.objects.saturating_sub(gone)
    }
}

/// What a manifest says beside its lists, as far as something else tells the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Said {
    connection: ConnectionName,
    job_request_id: JobRequestId,
    #[serde(default)]
    run_key: Option<RunKey>,
    export: Export,
    #[serde(default)]
    window: Option<Window>,
    destination: DestinationName,
    submitted_at: Timestamp,
    state: JobState,
    native_status: String,
    #[serde(default)]
    message: Option<String>,
    totals: Totals,
}

/// Looks at a job and at all that it has landed; with `read`, at every byte.
///
/// # Errors
/// What keeps it from being looked at.
pub async fn look_at(
    context: &Context,
    work: &WorkState,
    record: &JobRecord,
    objects: &JobObjects,
    read: bool,
) -> Result<Look> {
    let landing = context.landing(&record.destination).await?.store;
    let key = keys::manifest(&record.landing_prefix);
    let Some(reader) = ManifestReader::open(&landing, &key).await? else {
        return Ok(match had_landed(context, work, record, objects).await? {
            true => {
                let findings = vec![Finding::ManifestGone { object: landing.object(&key) }];
                Look::Landed(Box::new(Looked { findings, ..Looked::default() }))
            }
            false => Look::NotLanded,
        });
    };
    let mut look = Held { context, landing: &landing, record, read, looked: Looked::default() };
    let mut kept = Kept::of(work, objects).await?;
    let differs = match look.hold(reader, &mut kept).await {
        Err(error) if error.error_type() == ErrorType::IntegrityError => {
            Some(shortened(&error.line(), MAX_REASON))
        }
        differs => differs?,
    };
    let is_as_written = differs.is_none();
    let mut looked = look.looked;
    let object = landing.object(&key);
    looked.findings.extend(differs.map(|reason| Finding::ManifestChanged { object, reason }));
    looked.findings.extend(kept.gone());
    if is_as_written {
        looked.findings.extend(unnamed::look_for(&landing, record, looked.objects_there()).await?);
    }
    Ok(Look::Landed(Box::new(looked)))
}

/// A job that is being held against its manifest.
struct Held<'a> {
    context: &'a Context,
    landing: &'a Store,
    record: &'a JobRecord,
    read: bool,
    looked: Looked,
}

impl Held<'_> {
    /// Holds the manifest against what is kept of the job, and the objects against the manifest; in what the manifest
    /// differs.
    async fn hold(&mut self, mut reader: ManifestReader, kept: &mut Kept<'_>) -> Result<Option<String>> {
        let mut totals = Totals::default();
        let mut differs = None;
        {
            let named = stream::try_unfold(&mut reader, async |reader| {
                Ok::<_, Error>(reader.next().await?.map(|object| (object, reader)))
            });
            let mut named = pin!(named.chunks(AT_ONCE));
            while let Some(some) = named.next().await {
                let some: Vec<LandedObject> = some.into_iter().collect::<Result<_>>()?;
                for object in &some {
                    totals.add(object);
                    if differs.is_none() {
                        differs = kept.differs_from(object).await?;
                    }
                }
                self.look_for(&some).await?;
            }
        }
        self.looked.totals = totals;
        let said: Said = reader.finish()?;
        if differs.is_none() {
            differs = kept.rest().await?;
        }
        let differs = differs.or_else(|| self.differs(&said, kept));
        if differs.is_none() {
            self.looked.findings.extend(kept.count_differs());
        }
        Ok(differs)
    }

    async fn look_for(&mut self, some: &[LandedObject]) -> Result<()> {
        let looks = some.iter().map(|object| look_for(self.landing, object, self.read));
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        while let Some(found) = looks.try_next().await? {
            match found {
                Found::Whole => {}
                Found::AsLarge => self.looked.by_size += 1,
                Found::Not(finding) => self.looked.findings.push(finding),
            }
        }
        Ok(())
    }

    /// In what the manifest differs beside its objects.
    fn differs(&self, said: &Said, kept: &Kept<'_>) -> Option<String> {
        let JobRecord { connection, job_request_id, run_key, export, window, destination, since, .. } =
            self.record;
        let name = |export: &Export| self.context.systems().name(export);
        let is_of_the_job = said.connection == *connection && said.job_request_id == *job_request_id;
        // What an export says of how it may land can be changed by a person.
        let is_of_the_export = said.export.kind() == export.kind() && name(&said.export) == name(export);
        let is_of_the_run = said.run_key == *run_key && said.submitted_at == *since;
        if !is_of_the_job {
            return Some(format!("it is that of job {} on {}", said.job_request_id, said.connection));
        }
        if !is_of_the_export || said.destination != *destination {
            return Some(format!("it is that of {} into {}", name(&said.export), said.destination));
        }
        if !is_of_the_run {
            return Some("it is that of another run".to_owned());
        }
        if said.window != *window {
            return Some("its window is not that of the job".to_owned());
        }
        if said.totals != self.looked.totals {
            return Some("its totals are not those of the objects that it names".to_owned());
        }
        kept.ended_otherwise(said.state, &said.native_status, said.message.as_deref())
    }
}
