//! One job: its manifest against its receipts, and its objects against its manifest.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::checksum::Hasher;
use landfall::job::{JobRecord, LandedObject, Totals};
use landfall::state::{JobObjects, WorkState, keys};
use landfall::{Error, Result};
use landfall_store::{ObjectInfo, Store, StoreError};
use publish::ManifestReader;

use super::finding::Finding;
use crate::machine::LocalRuntime;

/// How many objects are looked at at once.
const AT_ONCE: usize = 16;

/// What has become of a job.
pub(crate) enum Look {
    /// It has not landed: there is nothing to verify.
    NotLanded,
    /// It has landed.
    Landed(Box<Looked>),
}

/// What is there of a landed job.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// What its manifest names.
    pub(crate) totals: Totals,
    /// How many of the objects were held against their sizes alone.
    pub(crate) by_size: u64,
    /// What is gone or changed.
    pub(crate) findings: Vec<Finding>,
}

/// Looks at a job and at all that it has landed.
pub(crate) async fn look_at(
    machine: &LocalRuntime,
    work: &WorkState,
    record: &JobRecord,
    objects: &JobObjects,
    read: bool,
) -> Result<Look> {
    let landing = machine.context().landing(&record.destination).await?.store;
    let key = keys::manifest(&record.landing_prefix);
    let Some(reader) = ManifestReader::open(&landing, &key).await? else {
        return Ok(match had_landed(work, objects).await? {
            true => {
                let findings = vec![Finding::ManifestGone { object: landing.object(&key) }];
                Look::Landed(Box::new(Looked { findings, ..Looked::default() }))
            }
            false => Look::NotLanded,
        });
    };
    let mut looked = Looked::default();
    let changed = |reason: String| Finding::ManifestChanged { object: landing.object(&key), reason };
    match hold(&landing, reader, Receipts::of(work, objects), read, &mut looked).await {
        Ok(None) => {}
        Ok(Some(reason)) => looked.findings.push(changed(reason)),
        Err(error) if error.error_type() == landfall::ErrorType::IntegrityError => {
            looked.findings.push(changed(error.line()));
        }
        Err(error) => return Err(error),
    }
    Ok(Look::Landed(Box::new(looked)))
}

/// Whether a job without a manifest has had one: the bytes of its files are deleted only then, and all of them are
/// unpacked.
async fn had_landed(work: &WorkState, objects: &JobObjects) -> Result<bool> {
    if objects.bodies > 0 || objects.unpacked.is_empty() {
        return Ok(false);
    }
    let files = work.files(&objects.job).await?;
    Ok(files.is_some_and(|list| list.files.len() == objects.unpacked.len()))
}

/// Holds the manifest against the receipts, and the objects against the manifest; in what the manifest differs.
async fn hold(
    landing: &Store,
    mut reader: ManifestReader,
    mut receipts: Receipts<'_>,
    read: bool,
    looked: &mut Looked,
) -> Result<Option<String>> {
    let mut totals = Totals::default();
    let mut differs = None;
    let mut named = stream::try_unfold(&mut reader, async |reader| {
        Ok::<_, Error>(reader.next().await?.map(|object| (object, reader)))
    })
    .boxed_local()
    .chunks(AT_ONCE);
    while let Some(some) = named.next().await {
        let some: Vec<LandedObject> = some.into_iter().collect::<Result<_>>()?;
        for object in &some {
            totals.add(object);
            if differs.is_none() {
                differs = receipts.differs_from(object).await?;
            }
        }
        let looks = some.iter().map(|object| look_for(landing, object, read));
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        while let Some(found) = looks.try_next().await? {
            match found {
                Found::Whole => {}
                Found::AsLarge => looked.by_size += 1,
                Found::Not(finding) => looked.findings.push(finding),
            }
        }
    }
    drop(named);
    looked.totals = totals;
    let said = reader.finish()?.totals;
    if differs.is_none() {
        differs = receipts.rest().await?;
    }
    Ok(differs.or_else(|| {
        (said != totals).then(|| "its totals are not those of the objects that it names".to_owned())
    }))
}

/// What is there of an object.
enum Found {
    /// What landed.
    Whole,
    /// As many bytes as landed; its store keeps no checksum.
    AsLarge,
    /// Nothing, or something else.
    Not(Finding),
}

async fn look_for(landing: &Store, object: &LandedObject, read: bool) -> Result<Found> {
    let (place, key) = (landing.object(&object.key), object.key.clone());
    let Some(found) = landing.head(&object.key).await? else {
        return Ok(Found::Not(Finding::ObjectGone { object: place, key }));
    };
    let reason = match read {
        true => match read_whole(landing, &found, object).await {
            Ok(reason) => reason,
            Err(StoreError::NoSuchObject { .. }) => {
                return Ok(Found::Not(Finding::ObjectGone { object: place, key }));
            }
            Err(error) => return Err(error.into()),
        },
        false => difference(found.size, found.crc64nvme, object),
    };
    Ok(match reason {
        Some(reason) => Found::Not(Finding::ObjectChanged { object: place, key, reason }),
        None if !read && found.crc64nvme.is_none() => Found::AsLarge,
        None => Found::Whole,
    })
}

/// In what an object's bytes differ from those that landed.
async fn read_whole(
    landing: &Store,
    found: &ObjectInfo,
    object: &LandedObject,
) -> Result<Option<String>, StoreError> {
    let mut hasher = Hasher::new(object.sha256.is_some());
    if found.size > 0 {
        let mut body = landing.read_range(&found.key, &found.etag, 0..found.size).await?;
        while let Some(bytes) = body.try_next().await? {
            hasher.update(&bytes);
        }
    }
    let size = hasher.size();
    let read = hasher.finish();
    Ok(difference(size, Some(read.crc64nvme), object).or_else(|| match (&read.sha256, &object.sha256) {
        (Some(is), Some(was)) if is != was => Some(format!("its SHA-256 is {is}, and was {was}")),
        _ => None,
    }))
}

fn difference(
    size: u64,
    crc64nvme: Option<landfall::checksum::Crc64Nvme>,
    object: &LandedObject,
) -> Option<String> {
    if size != object.size {
        return Some(format!("it has {size} bytes, and had {}", object.size));
    }
    let was = object.crc64nvme;
    crc64nvme.filter(|is| *is != was).map(|is| format!("its CRC-64/NVME is {is}, and was {was}"))
}

/// What the receipts say has landed, in the manifest's order. Those of a job may have been deleted by now: then they say
/// nothing.
struct Receipts<'a> {
    objects: Option<stream::BoxStream<'a, Result<LandedObject>>>,
}

impl<'a> Receipts<'a> {
    fn of(work: &'a WorkState, objects: &'a JobObjects) -> Self {
        let files = stream::iter(objects.unpacked.iter().copied().map(Ok::<_, Error>));
        let receipts = files.and_then(async |ordinal| {
            let receipt = work.receipt(&objects.job, ordinal).await?;
            Ok(receipt
                .map_or_else(|| stream::empty().boxed(), |receipt| receipt.map_err(Error::from).boxed()))
        });
        let is_there = !objects.unpacked.is_empty();
        Self { objects: is_there.then(|| receipts.try_flatten().boxed()) }
    }

    /// In what an object differs from the one that landed in its place.
    async fn differs_from(&mut self, object: &LandedObject) -> Result<Option<String>> {
        let Some(objects) = &mut self.objects else { return Ok(None) };
        let landed = objects.try_next().await?;
        Ok(match landed {
            Some(landed) if landed.key != object.key => {
                Some(format!("it names {} where {} has landed", object.key, landed.key))
            }
            Some(landed) if (landed.size, landed.crc64nvme) != (object.size, object.crc64nvme) => {
                Some(format!("what it says of {} is not what has landed", object.key))
            }
            Some(_) => None,
            None => Some(format!("it names {}, which has not landed", object.key)),
        })
    }

    /// What the manifest does not name.
    async fn rest(&mut self) -> Result<Option<String>> {
        let Some(objects) = &mut self.objects else { return Ok(None) };
        Ok(objects
            .try_next()
            .await?
            .map(|landed| format!("it does not name {}, which has landed", landed.key)))
    }
}
