//! Whether a connection and its stores do what landfall needs, found out without changing anything at the source.

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{Error, ErrorType, Result};
use landfall_store::{BucketRules, ChecksumKind, Condition, ObjectInfo, Store, StoreError, Written};

/// Clocks that differ by more seconds than this make signatures and tokens fail here and there.
const DOUBTFUL_SKEW: i64 = 30;
/// Clocks that differ by more seconds than this make them fail: AWS and Oracle refuse at five minutes.
const FATAL_SKEW: i64 = 300;

/// What one look has found.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: Found,
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// It is as it should be.
    Well(String),
    /// It works, and may not always.
    Doubtful(String),
    /// It does not work.
    Broken(Error),
}

impl Finding {
    /// A finding from what a look came to.
    pub fn of(what: impl Into<String>, came: Result<String>) -> Self {
        Self { what: what.into(), found: came.map_or_else(Found::Broken, Found::Well) }
    }
}

/// How far a server's clock is from ours, by the time in its last answer.
pub fn clock_skew(server_time: Option<Timestamp>, now: Timestamp) -> Finding {
    let what = "clock";
    let Some(theirs) = server_time else {
        return Finding {
            what: what.to_owned(),
            found: Found::Well("no answer of the source had a time".to_owned()),
        };
    };
    let seconds = now.as_second() - theirs.as_second();
    let said = match seconds {
        0 => "this machine's clock and the source's agree".to_owned(),
        1.. => format!("this machine's clock is {seconds} s ahead of the source's"),
        ..0 => format!("this machine's clock is {} s behind the source's", -seconds),
    };
    let found = match seconds.abs() {
        ..=DOUBTFUL_SKEW => Found::Well(said),
        seconds if seconds <= FATAL_SKEW => Found::Doubtful(format!(
            "{said}: synchronise it by NTP, since tokens and signatures depend on it"
        )),
        _ => Found::Broken(Error::invalid_config(format!(
            "{said}: with such a difference tokens and signatures are refused; synchronise the clock by NTP"
        ))),
    };
    Finding { what: what.to_owned(), found }
}

/// What a bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketUse {
    /// Objects land there.
    Destination,
    /// landfall keeps its state there.
    Work,
}

/// Tries what landfall does with a bucket, on a probe object below `prefix` that is gone afterwards.
pub async fn bucket(name: &str, store: &Store, prefix: &str, bucket_use: BucketUse) -> Vec<Finding> {
    let key = format!("{prefix}_landfall-check-{}", Uuid::new_v4());
    let look = |what: Look, came: Result<String>| {
        let came = came.map_err(|error| what.with_what_is_missing(store.is_oci(), error));
        Finding::of(format!("{name}: {}", what.name()), came)
    };
    let mut findings = own_rules(name, store, bucket_use).await;
    if findings.iter().any(|finding| matches!(finding.found, Found::Broken(_))) {
        return findings;
    }
    let written = write(store, &key).await;
    let is_written = written.is_ok();
    findings.push(look(Look::Write, written));
    if !is_written {
        return findings;
    }
    match store.holds_conditions() || !store.is_oci() {
        true => {
            findings.push(conditional_write(name, store, &key).await);
            findings.push(conditional_change(name, store, &key, bucket_use).await);
        }
        false => findings.push(look(Look::Overwrite, overwrite(store, &key).await)),
    }
    findings.push(look(Look::Read, read(store, &key).await));
    findings.push(look(Look::List, list(store, &key).await));
    let parts = multipart(store, &key).await;
    let doubtful = |what: Look, said: &str| Finding {
        what: format!("{name}: {}", what.name()),
        found: Found::Doubtful(said.to_owned()),
    };
    findings.push(match parts {
        Ok(PartsListed::No) if bucket_use == BucketUse::Work => doubtful(
            Look::Multipart,
            "the parts of an upload are not listed: an interrupted transfer begins anew",
        ),
        parts => look(Look::Multipart, parts.map(|_| "begun, completed and aborted".to_owned())),
    });
    let uploads = uploads(store, &key).await;
    findings.push(match store.lists_uploads() {
        true => look(Look::Uploads, uploads),
        false => doubtful(
            Look::Uploads,
            "they are not listed: let a lifecycle rule of the bucket abort what interrupted runs leave",
        ),
    });
    findings.push(look(Look::Delete, delete(store, &key).await));
    findings
}

/// Tries what landfall does with a bucket that others put files into: it lists what begins with a prefix, and reads. Nothing
/// is written.
pub async fn source_bucket(name: &str, store: &Store, prefix: &str) -> Vec<Finding> {
    let look = |what: Look, came: Result<String>| {
        let came = came.map_err(|error| what.with_what_is_missing(store.is_oci(), error));
        Finding::of(format!("{name}: {}", what.name()), came)
    };
    let mut findings: Vec<_> = principal(name, store).await.into_iter().collect();
    if findings.iter().any(|finding| matches!(finding.found, Found::Broken(_))) {
        return findings;
    }
    let place = store.object(prefix);
    let first = store.list(prefix).try_next().await.map_err(Error::from);
    let (listed, first) = match first {
        Ok(Some(first)) => (Ok(format!("{place} is listed")), Some(first)),
        Ok(None) => (Ok(format!("{place} is listed, and nothing is there yet")), None),
        Err(error) => (Err(error), None),
    };
    findings.push(look(Look::List, listed));
    if let Some(first) = first {
        findings.push(look(Look::Read, read_first_byte(store, &first).await));
    }
    findings
}

async fn read_first_byte(store: &Store, object: &ObjectInfo) -> Result<String> {
    let mut body = store.read_range(&object.key, &object.etag, 0..object.size.min(1)).await?;
    while body.try_next().await?.is_some() {}
    Ok(format!("{} is read", object.key))
}

/// Of a bucket that is called by OCI's own API: who calls, and where to.
async fn principal(name: &str, store: &Store) -> Option<Finding> {
    let tenancy = store.tenancy().await?.map_err(Error::from).map(|tenancy| {
        format!("namespace {} at {}, signed by {}", tenancy.namespace, tenancy.endpoint, tenancy.principal)
    });
    Some(Finding::of(format!("{name}: principal"), tenancy))
}

/// Of a bucket that is called by OCI's own API: who calls and where to, and what the bucket does with objects by itself
/// that would break what landfall promises.
async fn own_rules(name: &str, store: &Store, bucket_use: BucketUse) -> Vec<Finding> {
    let Some(principal) = principal(name, store).await else { return Vec::new() };
    let is_found = !matches!(principal.found, Found::Broken(_));
    let mut findings = vec![principal];
    if let Some(rules) = store.bucket_rules().await.filter(|_| is_found) {
        findings.push(Finding { what: format!("{name}: own rules"), found: judged(rules, bucket_use) });
    }
    findings
}

fn judged(rules: Result<BucketRules, StoreError>, bucket_use: BucketUse) -> Found {
    let rules = match rules {
        Ok(rules) => rules,
        Err(error @ StoreError::Denied { .. }) => {
            return Found::Doubtful(format!(
                "who calls may not read what the bucket does by itself (BUCKET_READ): {}",
                Error::from(error).line()
            ));
        }
        Err(error) => return Found::Broken(error.into()),
    };
    let tier = rules.storage_tier.as_deref().unwrap_or("Standard");
    let retention = rules.retention_rules.join(", ");
    match (tier.eq_ignore_ascii_case("Archive"), rules.retention_rules.is_empty(), bucket_use) {
        (true, ..) => Found::Broken(Error::invalid_config(
            "its tier is Archive, from which nothing can be read at once: name a bucket of the tier Standard",
        )),
        (false, false, BucketUse::Work) => Found::Broken(Error::invalid_config(format!(
            "its retention rules ({retention}) keep records from being changed, as claims must be: name another bucket"
        ))),
        (false, false, BucketUse::Destination) => Found::Doubtful(format!(
            "its retention rules ({retention}) keep whatever lands, also what a run has to write again"
        )),
        (false, true, _) if rules.auto_tiering => Found::Doubtful(
            "OCI moves objects to the tier InfrequentAccess by itself, where reading them costs".to_owned(),
        ),
        _ => Found::Well("no retention rules, and no tier but Standard".to_owned()),
    }
}

/// What is tried with a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Write,
    Overwrite,
    Read,
    List,
    Multipart,
    Uploads,
    Delete,
}

impl Look {
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Overwrite => "overwrite",
            Self::Read => "read",
            Self::List => "list",
            Self::Multipart => "multipart upload",
            Self::Uploads => "unfinished uploads",
            Self::Delete => "delete",
        }
    }

    /// The permission that it takes in a policy of OCI's (Oracle: policy reference, "Details for Object Storage").
    fn oci_permission(self) -> &'static str {
        match self {
            Self::Write => "OBJECT_CREATE",
            Self::Overwrite => "OBJECT_OVERWRITE",
            Self::Read => "OBJECT_READ",
            Self::List => "OBJECT_INSPECT",
            Self::Multipart => "OBJECT_CREATE, OBJECT_OVERWRITE, OBJECT_INSPECT and OBJECT_DELETE",
            Self::Uploads => "BUCKET_READ",
            Self::Delete => "OBJECT_DELETE",
        }
    }

    /// The same error, saying what may be missing. OCI answers alike for a bucket that is not there and for one that
    /// the key may not see.
    fn with_what_is_missing(self, is_oci: bool, error: Error) -> Error {
        let is_about_access = matches!(error.error_type(), ErrorType::AuthRejected | ErrorType::NotFound);
        if !is_oci || !is_about_access {
            return error;
        }
        let permission = self.oci_permission();
        error.while_doing(format_args!(
            "whoever calls needs {permission} by a policy, and bucket, namespace and region must be right"
        ))
    }
}

const PROBE: &[u8] = b"landfall was here\n";

async fn write(store: &Store, key: &str) -> Result<String> {
    store.put(key, Bytes::from_static(PROBE), Condition::Absent).await?;
    let verified = match store.checksum() {
        ChecksumKind::Md5 => ", verified by MD5",
        ChecksumKind::Crc32c => ", verified by CRC-32C",
        ChecksumKind::Crc64Nvme => "",
    };
    Ok(format!("{}{verified}", store.object(key)))
}

/// The same object is written again on the condition that it is not there.
async fn conditional_write(name: &str, store: &Store, key: &str) -> Finding {
    let found = match store.put(key, Bytes::from_static(PROBE), Condition::Absent).await {
        Ok(Written::NotWritten) if store.holds_conditions() => {
            Found::Well("If-None-Match: * is honoured".to_owned())
        }
        Ok(_) => Found::Doubtful(
            "If-None-Match: * is not honoured: two processes that start the same run at the same instant may both \
             submit it; start runs from one place only"
                .to_owned(),
        ),
        Err(error) => Found::Broken(error.into()),
    };
    Finding { what: format!("{name}: conditional write"), found }
}

/// The same object is changed on the condition that it is as it was, and then on one that does not hold.
async fn conditional_change(name: &str, store: &Store, key: &str, bucket_use: BucketUse) -> Finding {
    let found = match changed(store, key).await {
        Ok((true, false)) => Found::Well("If-Match is honoured".to_owned()),
        Ok((true, true)) => Found::Doubtful(
            "If-Match is ignored: of two processes that change the same record, the second undoes the first one's \
             change; start runs from one place only"
                .to_owned(),
        ),
        Ok((false, _)) => Found::Broken(Error::store_unavailable(format!(
            "{key} cannot be changed by If-Match with its own ETag: no run can be claimed in this store"
        ))),
        // Only the store's own refusal says that a configuration cannot be.
        Err(error) if bucket_use == BucketUse::Destination && error.error_type() == ErrorType::InvalidConfig => {
            Found::Well("If-Match is not supported: the bucket can be a destination, but not the work bucket".to_owned())
        }
        Err(error) => Found::Broken(error),
    };
    Finding { what: format!("{name}: conditional change"), found }
}

/// Whether a change by the right `ETag` was made, and one by an `ETag` that has passed.
async fn changed(store: &Store, key: &str) -> Result<(bool, bool)> {
    let there = store.read(key, 1 << 10).await?;
    let there =
        there.ok_or_else(|| Error::store_unavailable(format!("{key} was written, but is not there")))?;
    let other = Bytes::from_static(b"landfall was here twice\n");
    let by_right = store.put(key, other, Condition::Unchanged(&there.etag)).await?;
    let by_wrong = store.put(key, Bytes::from_static(PROBE), Condition::Unchanged(&there.etag)).await?;
    if matches!(by_wrong, Written::NotWritten) {
        store.put(key, Bytes::from_static(PROBE), Condition::Always).await?;
    }
    Ok((matches!(by_right, Written::Done(_)), matches!(by_wrong, Written::Done(_))))
}

/// The same object is written again, whatever is there.
async fn overwrite(store: &Store, key: &str) -> Result<String> {
    store.put(key, Bytes::from_static(PROBE), Condition::Always).await?;
    Ok("the same bytes may be written again: conditional writes are not relied on".to_owned())
}

async fn read(store: &Store, key: &str) -> Result<String> {
    match store.read(key, 1 << 10).await? {
        Some(object) if object.bytes == PROBE => Ok("the object is read as it was written".to_owned()),
        Some(_) => Err(Error::integrity(format!("{key} does not hold the bytes that were written"))),
        None => Err(Error::store_unavailable(format!("{key} was written, but is not there"))),
    }
}

async fn list(store: &Store, key: &str) -> Result<String> {
    let listed: Vec<_> = store.list(key).try_collect().await?;
    match listed.iter().any(|object| object.key == key) {
        true => Ok("the object is listed".to_owned()),
        false => Err(Error::store_unavailable(format!("{key} was written, but is not listed"))),
    }
}

/// Whether the store lists the parts of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartsListed {
    Yes,
    No,
}

/// One upload is completed, another aborted.
async fn multipart(store: &Store, key: &str) -> Result<PartsListed> {
    let key = format!("{key}-in-parts");
    let upload = store.create_upload(&key).await?;
    let uploaded = match in_one_part(store, &key, &upload).await {
        Ok(listed) => Ok(listed),
        Err(error) => {
            store.abort_upload(&key, &upload).await?;
            Err(error)
        }
    };
    let deleted = store.delete(&key).await;
    let listed = uploaded?;
    deleted?;
    let upload = store.create_upload(&key).await?;
    store.abort_upload(&key, &upload).await?;
    Ok(listed)
}

async fn in_one_part(store: &Store, key: &str, upload: &str) -> Result<PartsListed> {
    let part = store.upload_part(key, upload, 1, Bytes::from_static(PROBE)).await?;
    let listed = match store.list_parts(key, upload).await? {
        None => PartsListed::No,
        Some(parts) if parts.len() == 1 => PartsListed::Yes,
        Some(_) => {
            let said = "an uploaded part is not listed: interrupted transfers cannot be continued";
            return Err(Error::store_unavailable(said));
        }
    };
    store.complete(key, upload, &[part], Condition::Always).await?;
    read(store, key).await.map(|_| listed)
}

async fn uploads(store: &Store, key: &str) -> Result<String> {
    store.list_uploads(key).await?;
    Ok("unfinished uploads are found".to_owned())
}

async fn delete(store: &Store, key: &str) -> Result<String> {
    store.delete(key).await?;
    match store.head(key).await? {
        None => Ok("the probe object is gone".to_owned()),
        Some(_) => Err(Error::store_unavailable(format!("{key} was deleted, but is still there"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(seconds: i64) -> Found {
        let theirs: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        clock_skew(Some(theirs), theirs + jiff::SignedDuration::from_secs(seconds)).found
    }

    /// What a bucket of OCI does by itself and would break what landfall promises is told, and stops where it must.
    #[test]
    fn a_buckets_own_rules_are_judged() {
        let rules = |tier: &str, auto_tiering, retention: &[&str]| {
            Ok(BucketRules {
                storage_tier: Some(tier.to_owned()),
                auto_tiering,
                retention_rules: retention.iter().map(|rule| (*rule).to_owned()).collect(),
            })
        };
        let retained = || rules("Standard", false, &["seven years"]);
        let broken = judged(retained(), BucketUse::Work);
        assert!(matches!(broken, Found::Broken(error) if error.line().contains("seven years")));
        assert!(matches!(judged(retained(), BucketUse::Destination), Found::Doubtful(_)));
        assert!(matches!(judged(rules("Archive", false, &[]), BucketUse::Destination), Found::Broken(_)));
        assert!(matches!(judged(rules("Standard", true, &[]), BucketUse::Work), Found::Doubtful(_)));
        assert!(matches!(judged(rules("Standard", false, &[]), BucketUse::Work), Found::Well(_)));
    }

    /// Oracle's identity domains and AWS refuse what is signed five minutes off.
    #[test]
    fn a_clock_that_is_off_is_told() {
        assert!(matches!(skew(0), Found::Well(said) if said.contains("agree")));
        assert!(matches!(skew(-30), Found::Well(said) if said.contains("30 s behind")));
        assert!(matches!(skew(31), Found::Doubtful(said) if said.contains("31 s ahead")));
        assert!(matches!(skew(-301), Found::Broken(error) if error.line().contains("NTP")));
        assert!(matches!(clock_skew(None, Timestamp::UNIX_EPOCH).found, Found::Well(_)));
    }
}
