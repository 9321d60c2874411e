//! What has landed of an archive, recorded as it lands, so that whoever goes on need not look for it.
//!
//! A checkpoint is a log of segments, which are only ever added: each is an object of its own and says what has landed
//! since the one before it, so that saving costs what there is to save, however much has landed before. A segment holds
//! of a member what its directory does not say; in memory a member takes some 60 bytes.

use std::collections::HashSet;
use std::ops::Range;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::Result;
use landfall::checksum::{Crc64Nvme, Sha256};
use landfall::form::JobForm;
use landfall::job::{LandedObject, Totals};
use landfall::rows::{BrokenRecords, TableId, Tables};
use landfall::state::Document;
use landfall_store::StoreError;
use landfall_zip::{Directory, Member};
use serde::{Deserialize, Serialize};

use super::attempt::{ArchiveState, Attempt, SegmentKeys};
use crate::form;
use crate::tables::SeenTables;
use crate::task::Task;

/// How much may have landed without being recorded: what a dead invocation's successor lands again.
const MAX_UNSAVED_BYTES: u64 = 1 << 30;
const MAX_UNSAVED_MEMBERS: usize = 1_000;

/// How many segments are read at once.
const READS_AT_ONCE: usize = 8;

/// What has landed since the segment before this one.
#[derive(Debug, Serialize, Deserialize)]
struct Segment {
    /// The encoding that the members' names were read in, where one is configured: their keys follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name_encoding: Option<String>,
    landed: Vec<LandedMember>,
    /// Those that have landed as they are, compressed already, in a form that is not raw. A program that does not know of
    /// them lands them again, in the form, which is what it would have done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    landed_as_they_are: Vec<LandedMember>,
    /// The tables that have been seen so far, of these members at least.
    #[serde(default, skip_serializing_if = "Tables::is_empty")]
    tables: Tables,
}

/// A member that has landed: what its directory does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LandedMember {
    /// Its place in the directory.
    member: u32,
    /// The object's size in bytes.
    size: u64,
    /// The object's CRC-64/NVME.
    crc64nvme: Crc64Nvme,
    /// The object's SHA-256, where the destination asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Box<Sha256>>,
    /// The rows of its content, where that has rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// The table that these are of, where columns are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<TableId>,
    /// A digest of the object's `ETag`, where the store said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag_digest: Option<Crc64Nvme>,
    /// The broken records of its content, where it has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broken_records: Option<Box<BrokenRecords>>,
    /// Whether it has landed as it is, and not in the job's form.
    #[serde(skip)]
    is_as_it_is: bool,
}

impl Document for Segment {}

impl Segment {
    fn of(name_encoding: Option<&str>, members: &[LandedMember], tables: Tables) -> Self {
        let (landed_as_they_are, landed) = members.iter().cloned().partition(|member| member.is_as_it_is);
        Self { name_encoding: name_encoding.map(ToOwned::to_owned), landed, landed_as_they_are, tables }
    }

    fn members(self) -> impl Iterator<Item = LandedMember> {
        let as_they_are = self.landed_as_they_are.into_iter();
        let as_they_are = as_they_are.map(|member| LandedMember { is_as_it_is: true, ..member });
        self.landed.into_iter().chain(as_they_are)
    }
}

impl LandedMember {
    fn of(form: JobForm, member: &Member, object: &LandedObject) -> Self {
        Self {
            member: member.index(),
            size: object.size,
            crc64nvme: object.crc64nvme,
            sha256: object.sha256.map(Box::new),
            rows: object.rows,
            table: object.table,
            etag_digest: object.etag_digest,
            broken_records: object.broken_records.clone(),
            is_as_it_is: object.form.is_none() && !form.is_raw(),
        }
    }

    /// The object, as it was when it landed: its content is known to be what the directory declares.
    fn object(&self, task: &Task<'_>, member: &Member) -> LandedObject {
        let (key, form) = match self.is_as_it_is {
            true => (task.member_key_as_it_is(member.name()), JobForm::Raw),
            false => (task.member_key(member.name()), task.job.form),
        };
        let (form, content_size) = form::recorded(form, member.size());
        LandedObject {
            key,
            size: self.size,
            form,
            content_size,
            crc32: member.crc32().into(),
            crc64nvme: self.crc64nvme,
            sha256: self.sha256.as_deref().copied(),
            rows: self.rows,
            table: self.table,
            broken_records: self.broken_records.clone(),
            unverified: None,
            file: task.file.name.clone(),
            member: Some(member.name().to_owned()),
            etag_digest: self.etag_digest,
        }
    }
}

/// What has landed of some neighbouring members.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    attempt: Attempt,
    form: JobForm,
    name_encoding: Option<&'static str>,
    folder: String,
    next_number: u32,
    first: u32,
    landed: Vec<Option<LandedMember>>,
    totals: Totals,
    tables: SeenTables,
    unsaved: Vec<LandedMember>,
    unsaved_bytes: u64,
}

impl Checkpoint {
    /// Reads what is recorded of these members of a task, given by their places in the directory. What has landed under
    /// names in another encoding, before that was configured, does not count.
    pub(crate) async fn read(task: &Task<'_>, state: &ArchiveState, members: Range<u32>) -> Result<Self> {
        let keys = state.segments(task.range);
        let mut this = Self::empty(task, state, &keys, members);
        let name_encoding = this.name_encoding;
        let segments =
            stream::iter(&keys.existing).map(|key| state.attempt.work().checkpoint::<Segment>(key));
        let mut segments = segments.buffer_unordered(READS_AT_ONCE);
        while let Some(segment) = segments.try_next().await? {
            let segment = segment.filter(|segment| segment.name_encoding.as_deref() == name_encoding);
            segment.iter().for_each(|segment| task.tables.join(&segment.tables));
            segment.into_iter().flat_map(Segment::members).for_each(|landed| this.count(landed));
        }
        Ok(this)
    }

    /// What the receipt of a task's archive names and is not gone: nothing else that is recorded counts then.
    pub(crate) async fn of_receipt(
        task: &Task<'_>,
        state: &ArchiveState,
        directory: &Directory,
        gone: &HashSet<String>,
    ) -> Result<Self> {
        let members = u32::try_from(directory.members().len()).unwrap_or(u32::MAX);
        let mut this = Self::empty(task, state, &state.segments(None), 0..members);
        let receipt = task.work.receipt(&task.job.job(), task.file.ordinal).await?;
        let Some(mut receipt) = receipt else { return Ok(this) };
        for member in directory.files() {
            let Some(object) = receipt.try_next().await? else { break };
            let keys = [task.member_key(member.name()), task.member_key_as_it_is(member.name())];
            let is_its = keys.contains(&object.key) && object.crc32 == member.crc32().into();
            if is_its && !gone.contains(&object.key) {
                this.count(LandedMember::of(this.form, member, &object));
            }
        }
        Ok(this)
    }

    fn empty(task: &Task<'_>, state: &ArchiveState, keys: &SegmentKeys, members: Range<u32>) -> Self {
        let SegmentKeys { existing, folder } = keys;
        let number_of =
            |key: &String| -> Option<u32> { key.strip_prefix(folder)?.strip_suffix(".json")?.parse().ok() };
        let last_number = existing.iter().filter_map(number_of).max();
        Self {
            attempt: state.attempt.clone(),
            form: task.job.form,
            name_encoding: task.landing.destination.archive.name_encoding.name(),
            next_number: last_number.map_or(0, |last| last.saturating_add(1)),
            folder: folder.clone(),
            first: members.start,
            landed: vec![None; members.len()],
            totals: Totals::default(),
            tables: task.tables.clone(),
            unsaved: Vec::new(),
            unsaved_bytes: 0,
        }
    }

    /// Counts a member once, whoever has recorded it; one that is none of these is not counted.
    fn count(&mut self, landed: LandedMember) {
        let place = self.place(landed.member).and_then(|place| self.landed.get_mut(place));
        if let Some(place @ None) = place {
            self.totals.objects += 1;
            self.totals.bytes = self.totals.bytes.saturating_add(landed.size);
            self.totals.add_rows(landed.rows);
            *place = Some(landed);
        }
    }

    fn place(&self, member: u32) -> Option<usize> {
        usize::try_from(member.checked_sub(self.first)?).ok()
    }

    fn get(&self, member: &Member) -> Option<&LandedMember> {
        self.landed.get(self.place(member.index())?)?.as_ref()
    }

    /// The attempt at the archive in which all this has landed.
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Whether a member has landed.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.get(member).is_some()
    }

    /// What has landed, summed.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// What has landed of these members, in their order.
    pub(crate) fn objects<'a>(
        &'a self,
        task: &'a Task<'_>,
        members: impl Iterator<Item = &'a Member> + 'a,
    ) -> impl Iterator<Item = LandedObject> + 'a {
        members.filter_map(|member| Some(self.get(member)?.object(task, member)))
    }

    /// Takes a member that has landed, and saves what has landed if that is enough by now.
    pub(crate) async fn add(&mut self, member: &Member, object: &LandedObject) -> Result<()> {
        let landed = LandedMember::of(self.form, member, object);
        self.count(landed.clone());
        self.unsaved_bytes = self.unsaved_bytes.saturating_add(landed.size);
        self.unsaved.push(landed);
        match self.unsaved_bytes >= MAX_UNSAVED_BYTES || self.unsaved.len() >= MAX_UNSAVED_MEMBERS {
            true => self.save().await,
            false => Ok(()),
        }
    }

    /// Saves what has landed and is not recorded yet.
    ///
    /// # Errors
    /// The refusal of the archive, if somebody has refused it meanwhile.
    pub(crate) async fn save(&mut self) -> Result<()> {
        if !self.unsaved.is_empty() {
            let segment = Segment::of(self.name_encoding, &self.unsaved, self.tables.all());
            self.write(&segment).await?;
            self.unsaved.clear();
            self.unsaved_bytes = 0;
        }
        self.attempt.goes_on().await
    }

    /// Writes a segment under the next number that no other invocation has taken.
    async fn write(&mut self, segment: &Segment) -> Result<(), StoreError> {
        loop {
            let key = format!("{}{:06}.json", self.folder, self.next_number);
            self.next_number = self.next_number.saturating_add(1);
            if self.attempt.work().create(&key, segment).await? {
                return Ok(());
            }
        }
    }
}
