//! What is there of what has landed: a receipt whose objects are gone, or are others by now, does not count.

use std::collections::{HashMap, HashSet};

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use landfall_store::{ObjectDigest, ObjectInfo, Store, StoreError};

use crate::checksum::{Crc64Nvme, Sha256};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::job::{JobRecord, LandedObject, LandingPlace, StagedFile, Totals};
use crate::state::WorkState;
use crate::state::keys::LandingPlaces;

/// How many objects are looked at one by one at the same time.
const LOOKS_AT_ONCE: usize = 16;

/// What a file's receipt says, and what of it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandedFile {
    /// What has landed, summed.
    pub totals: Totals,
    /// The keys of the objects that are gone.
    pub gone: HashSet<String>,
}

/// What has landed of a file of a job; `None` for a file that has not been unpacked. Of a job that has its manifest, what
/// becomes of the objects is their readers' business: they are not looked at.
///
/// # Errors
/// `IntegrityError` where an object holds other bytes than those that landed.
pub async fn of_file(
    context: &Context,
    work: &WorkState,
    job: &JobRecord,
    ordinal: u32,
) -> Result<Option<LandedFile>> {
    let Some(receipt) = work.receipt(&job.job(), ordinal).await? else { return Ok(None) };
    if context.has_landed(&job.destination, &job.landing_prefix).await? {
        let totals = receipt.try_fold(Totals::default(), async |mut totals, object| {
            totals.add(&object);
            Ok(totals)
        });
        return Ok(Some(LandedFile { totals: totals.await?, gone: HashSet::new() }));
    }
    let staged = work.staged(&job.job(), ordinal).await?;
    let Some(place) = place(work, job, ordinal, staged.as_ref()).await? else { return Ok(None) };
    let landing = context.landing(&job.destination).await?;
    looked_at(work, &landing.store, job, ordinal, &place, receipt).await.map(Some)
}

/// Where a file of a job lands: as it was recorded with the staged file, or, of one that an earlier release has staged, by
/// the list of all; `None` where that has no such file.
pub async fn place(
    work: &WorkState,
    job: &JobRecord,
    ordinal: u32,
    staged: Option<&StagedFile>,
) -> Result<Option<LandingPlace>> {
    if let Some(place) = staged.and_then(|staged| staged.place.clone()) {
        return Ok(Some(place));
    }
    let files = work.files(&job.job()).await?.map(|list| list.files).unwrap_or_default();
    let places = LandingPlaces::of(&files, job.form.name());
    Ok(files.iter().find(|file| file.ordinal == ordinal).map(|file| places.place(file)))
}

/// The same, of a file that lands at a place that is known.
pub async fn at_place(
    work: &WorkState,
    landing: &Store,
    job: &JobRecord,
    ordinal: u32,
    place: &LandingPlace,
) -> Result<Option<LandedFile>> {
    let Some(receipt) = work.receipt(&job.job(), ordinal).await? else { return Ok(None) };
    looked_at(work, landing, job, ordinal, place, receipt).await.map(Some)
}

/// Holds what a receipt says against what is there.
async fn looked_at(
    work: &WorkState,
    landing: &Store,
    job: &JobRecord,
    ordinal: u32,
    place: &LandingPlace,
    mut receipt: BoxStream<'static, Result<LandedObject, StoreError>>,
) -> Result<LandedFile> {
    let mut file = LandedFile::default();
    let mut expected = HashMap::new();
    while let Some(object) = receipt.try_next().await? {
        file.totals.add(&object);
        expected.insert(KeyDigest::of(&object.key), Expected::of(&object));
    }
    let mut unsure = Vec::new();
    for prefix in [&place.folder, &place.file] {
        let mut listed = landing.list(&format!("{}{prefix}", job.landing_prefix));
        while let Some(found) = listed.try_next().await? {
            match expected.remove(&KeyDigest::of(&found.key)) {
                Some(expected) if !expected.is_surely(&found) => unsure.push((found.key, expected)),
                _ => {}
            }
        }
    }
    let hold = |(key, expected): (String, Expected)| async move { hold(landing, &key, expected).await };
    let mut held = stream::iter(unsure).map(hold).buffer_unordered(LOOKS_AT_ONCE);
    while let Some(gone) = held.try_next().await? {
        file.gone.extend(gone);
    }
    if !expected.is_empty()
        && let Some(mut receipt) = work.receipt(&job.job(), ordinal).await?
    {
        // What was kept of the keys tells them apart, and does not name them.
        while let Some(object) = receipt.try_next().await? {
            if expected.contains_key(&KeyDigest::of(&object.key)) {
                file.gone.insert(object.key);
            }
        }
    }
    Ok(file)
}

/// Holds one object against what landed; its key if it is gone by now.
async fn hold(landing: &Store, key: &str, expected: Expected) -> Result<Option<String>> {
    if landing.head(key).await?.is_none() {
        return Ok(Some(key.to_owned()));
    }
    match landing.expect(key, expected.digest).await {
        Ok(_) => Ok(None),
        Err(error @ StoreError::Occupied { .. }) => Err(Error::integrity(format!(
            "{} is not what landed there: somebody has written over it; delete it, and resume lands it again",
            landing.object(key)
        ))
        .because(error)),
        Err(error) => Err(error.into()),
    }
}

/// A key, in as little memory as tells it from others: an archive may have very many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyDigest([u8; 16]);

impl KeyDigest {
    fn of(key: &str) -> Self {
        let digest = Sha256::of(key.as_bytes());
        Self(digest.bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// What an object is to be.
#[derive(Debug, Clone, Copy)]
struct Expected {
    digest: ObjectDigest,
    /// A digest of its `ETag`, where that was recorded.
    etag: Option<Crc64Nvme>,
}

impl Expected {
    fn of(object: &LandedObject) -> Self {
        Self {
            digest: ObjectDigest { size: object.size, crc64nvme: object.crc64nvme },
            etag: object.etag_digest,
        }
    }

    /// Whether what was listed is the very object that landed. The `ETag` of another may be of the same bytes still.
    fn is_surely(&self, found: &ObjectInfo) -> bool {
        found.size == self.digest.size && self.etag == Some(etag_digest(&found.etag))
    }
}

/// An `ETag`, in as little memory as tells it from others.
pub fn etag_digest(etag: &str) -> Crc64Nvme {
    Crc64Nvme::of(etag.trim_matches('"').as_bytes())
}
