//! Objects: ranges, what is said of them, empty ones, deletes, and who may see them.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::check::{self, Found};
use landfall_store::{Condition, Store, StoreError};

use super::bucket::{TestBucket, code, data};
use super::table::checks;

checks! {
    "GET: ranges at the beginning, the middle and the end": ranges,
    "GET: a range of an object that has changed is refused": changed,
    "GET: a range behind the end is refused": behind_the_end,
    "HEAD: size and ETag as PUT told them; nothing of what is not there": head,
    "an empty object is one": empty,
    "an object that is replaced is the new one, at once": replaced,
    "DELETE: what is not there is no error, and what was is gone at once": deleted,
    "DELETE: 1,000 in one call, and nothing beside them": many_deleted,
    "a wrong signature is refused": wrong_signature,
    "a bucket that is not there is named so": no_bucket,
    "landfall check finds everything well": checked,
}

async fn ranges(bucket: TestBucket) {
    let open = bucket.open().await;
    let content = data(1, 1 << 20);
    let etag = open.put("a.zip", content.clone()).await;
    let size = content.len() as u64;
    for range in [0..1, 0..size, 100..70_000, size - 65_557..size, size - 1..size] {
        let (start, end) = (range.start as usize, range.end as usize);
        assert!(open.range("a.zip", &etag, range.clone()).await == content[start..end], "{range:?}");
    }
    assert!(open.range("a.zip", &etag, 5..5).await.is_empty());
}

/// Promise 5: an archive that is replaced while it is read is not read on.
async fn changed(bucket: TestBucket) {
    let open = bucket.open().await;
    let passed = open.put("a.zip", data(1, 1000)).await;
    open.put("a.zip", data(2, 1000)).await;
    let read = open.store.read_range("a.zip", &passed, 0..10).await;
    let refused = matches!(&read, Err(StoreError::Changed { .. }));
    assert!(refused, "read by an ETag that has passed: {:?}", read.err());
}

async fn behind_the_end(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("a.zip", data(1, 1000)).await;
    let get =
        open.client.get_object().bucket(&open.bucket).key("a.zip").range("bytes=1000-1001").send().await;
    assert_eq!(code(get), "InvalidRange");
}

async fn head(bucket: TestBucket) {
    let open = bucket.open().await;
    let etag = open.put("a.csv", data(1, 12_345)).await;
    let head = open.store.head("a.csv").await.unwrap().unwrap();
    assert_eq!((head.size, head.etag), (12_345, etag.clone()));
    let listed: Vec<_> = open.store.list("").try_collect().await.unwrap();
    assert_eq!((listed[0].size, &listed[0].etag), (12_345, &etag));
    assert_eq!(open.store.head("b.csv").await.unwrap(), None);
    assert_eq!(open.get("b.csv").await, None);
    let raw = open.client.head_object().bucket(&open.bucket).key("a.csv").send().await.unwrap();
    assert_eq!(raw.content_type(), Some("text/csv"));
    assert_eq!(raw.content_encoding(), None, "a reader would decode what is not encoded");
}

async fn empty(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("empty.csv", data(1, 0)).await;
    let head = open.store.head("empty.csv").await.unwrap().unwrap();
    assert_eq!(head.size, 0);
    assert_eq!(open.get("empty.csv").await.unwrap(), b"");
    assert_eq!(open.keys("").await, ["empty.csv"]);
    let again = open.store.put("empty.csv", data(1, 5), Condition::Absent).await.unwrap();
    assert_eq!(again, landfall_store::Written::NotWritten);
}

async fn replaced(bucket: TestBucket) {
    let open = bucket.open().await;
    for round in 0..20_u64 {
        let etag = open.put("a.json", data(round, 100 + round as usize)).await;
        let there = open.store.read("a.json", 1000).await.unwrap().unwrap();
        assert_eq!((there.bytes, there.etag), (data(round, 100 + round as usize), etag), "round {round}");
        let listed: Vec<_> = open.store.list("a").try_collect().await.unwrap();
        assert_eq!(listed[0].size, 100 + round, "listed in round {round}");
    }
}

async fn deleted(bucket: TestBucket) {
    let open = bucket.open().await;
    open.store.delete("never").await.unwrap();
    for round in 0..10 {
        open.put("a/b.csv", data(round, 10)).await;
        open.store.delete("a/b.csv").await.unwrap();
        assert_eq!(open.get("a/b.csv").await, None, "read in round {round}");
        assert!(open.keys("").await.is_empty(), "listed in round {round}");
    }
    open.store.delete("a/b.csv").await.unwrap();
}

async fn many_deleted(bucket: TestBucket) {
    let open = bucket.open().await;
    let key = |number: usize| format!("jobs/1/{number:04}");
    stream::iter(0..=1000)
        .map(|number| {
            let open = open.clone();
            async move { open.store.put(&key(number), data(1, 3), Condition::Always).await }
        })
        .buffer_unordered(16)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    let objects = (0..1000).map(|number| ObjectIdentifier::builder().key(key(number)).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.collect())).build().unwrap();
    let sent = open.client.delete_objects().bucket(&open.bucket).delete(delete).send().await.unwrap();
    assert_eq!((sent.deleted().len(), sent.errors().len()), (1000, 0));
    assert_eq!(open.keys("").await, [key(1000)]);
}

/// Promise 7: a store on a shared machine gives nothing to who does not have its key.
async fn wrong_signature(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("a.csv", data(1, 10)).await;
    let mut settings = bucket.at.settings();
    settings.secret_access_key = Some("another key".into());
    let folder = tempfile::tempdir().unwrap();
    if let Some(oci) = &mut settings.oci {
        let stranger = embedded_store::OciUser::in_folder(folder.path()).unwrap();
        oci.principal.config_file = Some(stranger.config_file);
    }
    let stranger = Store::open(bucket.bucket(), &settings).await;
    let read = stranger.read("a.csv", 100).await;
    assert!(matches!(read, Err(StoreError::Denied { .. })), "read with a wrong key: {read:?}");
    let put = stranger.put("a.csv", data(2, 10), Condition::Always).await;
    assert!(matches!(put, Err(StoreError::Denied { .. })), "written with a wrong key: {put:?}");
    assert_eq!(open.get("a.csv").await.unwrap(), data(1, 10));
}

async fn no_bucket(bucket: TestBucket) {
    let store = bucket.store().await;
    let put = store.put("a.csv", data(1, 10), Condition::Absent).await;
    let is_named = matches!(put, Err(StoreError::NoSuchBucket { .. } | StoreError::HiddenBucket { .. }));
    assert!(is_named, "written into no bucket: {put:?}");
}

async fn checked(bucket: TestBucket) {
    let open = bucket.open().await;
    for finding in check::bucket("work", &open.store, "some/prefix/", check::BucketUse::Work).await {
        assert!(matches!(finding.found, Found::Well(_)), "{}: {:?}", finding.what, finding.found);
    }
    assert!(open.keys("").await.is_empty(), "something of the probe is left");
    assert!(open.store.list_uploads("").await.unwrap().is_empty(), "an upload of the probe is left");
}
