//! Copies inside a store: what spares the way through landfall.

use landfall::checksum::Crc64Nvme;
use landfall_store::{ByteBudget, ObjectDigest, ObjectWriter, StoreError};

use super::bucket::{PART, TestBucket, data};
use super::table::checks;

checks! {
    "copy: an object, to another bucket, if it has not changed": object,
    "copy: an object that has changed is not copied": changed,
    "copy: by ranges, between parts that are uploaded": ranges,
    "copy: by ranges, of an object that has changed, is refused": changed_range,
}

fn sealed(bytes: &[u8]) -> ObjectDigest {
    ObjectDigest { size: bytes.len() as u64, crc64nvme: Crc64Nvme::of(bytes) }
}

async fn object(bucket: TestBucket) {
    let (from, to) = (bucket.open().await, bucket.beside("to").open().await);
    let content = data(1, 3 << 20);
    // A key that a header cannot hold as it is.
    let key = "jobs/pod 1/a+b%20ü/staged/0";
    from.put(key, content.clone()).await;
    let source = from.store.head(key).await.unwrap().unwrap();
    to.store.copy(&from.store, &source, "lake/a.csv").await.unwrap();
    to.store.expect("lake/a.csv", sealed(&content)).await.unwrap();
    assert!(to.get("lake/a.csv").await.unwrap() == content);
    let head = to.client.head_object().bucket(&to.bucket).key("lake/a.csv").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
}

async fn changed(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("a", data(1, 1000)).await;
    let source = open.store.head("a").await.unwrap().unwrap();
    open.put("a", data(2, 1000)).await;
    let copied = open.store.copy(&open.store, &source, "b").await;
    assert!(matches!(copied, Err(StoreError::Changed { .. })), "copied: {copied:?}");
    assert_eq!(open.get("b").await, None);
}

/// The data of a stored member is copied by ranges; the store says what it has copied, and landfall verifies it.
async fn ranges(bucket: TestBucket) {
    let open = bucket.open().await;
    let staged = data(1, 3 * PART);
    open.put("staged", staged.clone()).await;
    let source = open.store.head("staged").await.unwrap().unwrap();
    let budget = ByteBudget::new(64 << 20);
    let mut writer = ObjectWriter::new(&open.store, "a.csv", &budget, None);
    let range = 1_000..2 * PART as u64 + 1_000;
    writer.copy(&open.store, &source, range.clone()).await.unwrap();
    writer.write(b"behind").await.unwrap();
    let content = [&staged[range.start as usize..range.end as usize], b"behind"].concat();
    let landed = writer.seal(|_| Ok::<_, StoreError>(())).await.unwrap().digest;
    assert_eq!(landed, sealed(&content));
    assert!(open.get("a.csv").await.unwrap() == content, "other bytes than were copied");
}

async fn changed_range(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("staged", data(1, 2 * PART)).await;
    let source = open.store.head("staged").await.unwrap().unwrap();
    open.put("staged", data(2, 2 * PART)).await;
    let budget = ByteBudget::new(64 << 20);
    let mut writer = ObjectWriter::new(&open.store, "a.csv", &budget, None);
    writer.copy(&open.store, &source, 0..PART as u64).await.unwrap();
    let settled = writer.settle().await;
    writer.abandon().await;
    assert!(matches!(settled, Err(StoreError::Changed { .. })), "copied: {settled:?}");
}
