//! One object against what its manifest says of it.

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::checksum::{Crc64Nvme, Hasher};
use landfall::job::LandedObject;
use landfall_store::{ObjectInfo, Store, StoreError};

use crate::finding::Finding;

/// What is there of an object.
pub(super) enum Found {
    /// What landed.
    Whole,
    /// As many bytes as landed; its store keeps no checksum.
    AsLarge,
    /// Nothing, or something else.
    Not(Finding),
}

pub(super) async fn look_for(landing: &Store, object: &LandedObject, read: bool) -> Result<Found> {
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

fn difference(size: u64, crc64nvme: Option<Crc64Nvme>, object: &LandedObject) -> Option<String> {
    if size != object.size {
        return Some(format!("it has {size} bytes, and had {}", object.size));
    }
    let was = object.crc64nvme;
    crc64nvme.filter(|is| *is != was).map(|is| format!("its CRC-64/NVME is {is}, and was {was}"))
}
