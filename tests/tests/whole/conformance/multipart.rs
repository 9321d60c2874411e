//! Objects that are written in parts, and uploads that somebody else goes on with.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall_store::{ByteBudget, Condition, ObjectWriter, Part, StoreError, Written};

use super::bucket::{MIN_PART, PART, TestBucket, code, data, named};
use super::table::checks;

checks! {
    "multipart: parts in any order make the object, and nothing before": any_order,
    "multipart: a part that is sent again replaces the one before": sent_again,
    "multipart: a part that is sent again is listed once": listed_once,
    "multipart: gone on with by another, from what ListParts says": resumed,
    "multipart: ListParts of 1,001 parts, by pages": many_parts,
    "multipart: ListParts by pages of 2": pages_of_parts,
    "multipart: a wrong ETag at completion is refused": wrong_etag,
    "multipart: a part that is too small is refused": too_small,
    "multipart: parts that are out of order at completion are refused": out_of_order,
    "multipart: a completion that names no part is refused": no_part,
    "multipart: an aborted upload takes no parts, and is gone": aborted,
    "multipart: completed twice, the object stays": completed_twice,
    "multipart: unfinished uploads are listed by prefix": listed,
    "multipart: unfinished uploads are listed by pages of 2": pages_of_uploads,
}

/// Promise 3: an object is there whole, or not at all.
async fn any_order(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let mut parts = Vec::new();
    for number in [3, 1, 2] {
        let bytes = data(number as u64, if number == 3 { 7 } else { PART });
        parts.push(open.store.upload_part("a.csv", &upload, number, bytes).await.unwrap());
        assert_eq!(open.get("a.csv").await, None, "visible before it is completed");
        assert!(open.keys("").await.is_empty(), "listed before it is completed");
    }
    parts.sort_by_key(|part| part.number);
    let listed = open.store.list_parts("a.csv", &upload).await.unwrap().unwrap();
    let sent: Vec<_> = parts.iter().map(|part| (part.number, part.etag.clone(), part.size)).collect();
    assert_eq!(listed, sent);
    let completed = open.store.complete("a.csv", &upload, &parts, Condition::Absent).await.unwrap();
    let Written::Done(etag) = completed else { panic!("{completed:?}") };
    let whole = [data(1, PART), data(2, PART), data(3, 7)].concat();
    let head = open.store.head("a.csv").await.unwrap().unwrap();
    assert_eq!((head.size, &head.etag), (whole.len() as u64, &etag));
    assert!(open.get("a.csv").await.unwrap() == whole, "other bytes than were sent");
    assert!(open.store.list_uploads("").await.unwrap().is_empty());
}

async fn sent_again(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(2, 900)).await.unwrap();
    open.store.complete("a.csv", &upload, &[part], Condition::Absent).await.unwrap();
    assert_eq!(open.get("a.csv").await.unwrap(), data(2, 900));
}

async fn listed_once(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(2, 900)).await.unwrap();
    let listed = open.store.list_parts("a.csv", &upload).await.unwrap().unwrap();
    assert_eq!(listed, [(1, part.etag, 900)]);
}

/// Promise 2: whoever goes on needs nothing but what the store says.
async fn resumed(bucket: TestBucket) {
    let open = bucket.open().await;
    let (budget, content) = (ByteBudget::new(64 << 20), data(7, 3 * PART + 100));
    let (upload, part_bytes) = {
        let mut writer = ObjectWriter::new(&open.store, "a.csv", &budget, None);
        writer.write(&content[..writer.part_bytes() + 100]).await.unwrap();
        writer.settle().await.unwrap();
        (writer.upload_id().unwrap().to_owned(), writer.part_bytes())
    };
    let store = bucket.store().await;
    let listed = store.list_parts("a.csv", &upload).await.unwrap().unwrap();
    let parts: Vec<Part> =
        listed.into_iter().map(|(number, etag, size)| Part { number, etag, size, crc64nvme: None }).collect();
    let at = parts.iter().map(|part| part.size).sum::<u64>() as usize;
    assert_eq!((parts.len(), at), (1, part_bytes));
    let mut writer = ObjectWriter::new(&store, "a.csv", &budget, None).resuming(upload, parts, part_bytes);
    writer.write(&content[at..]).await.unwrap();
    assert!(matches!(writer.finish().await.unwrap(), Written::Done(_)));
    assert!(open.get("a.csv").await.unwrap() == content, "other bytes than were sent");
}

/// S3 shows 1,000 parts a page: the resumption of a large file depends on the second.
async fn many_parts(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let sent: Vec<Part> = stream::iter(1..=1001)
        .map(|number| {
            let (open, upload) = (open.clone(), upload.clone());
            async move { open.store.upload_part("a.csv", &upload, number, data(number as u64, 10)).await }
        })
        .buffered(16)
        .try_collect()
        .await
        .unwrap();
    let sent: Vec<_> = sent.into_iter().map(|part| (part.number, part.etag, part.size)).collect();
    let listed = open.store.list_parts("a.csv", &upload).await.unwrap().unwrap();
    assert_eq!(listed.len(), 1001);
    assert!(listed == sent, "other parts than were sent, or in another order");
    open.store.abort_upload("a.csv", &upload).await.unwrap();
}

async fn pages_of_parts(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    for number in 1..=5 {
        open.store.upload_part("a.csv", &upload, number, data(1, 10)).await.unwrap();
    }
    let (mut marker, mut pages) = (None, Vec::new());
    loop {
        let request = open.client.list_parts().bucket(&open.bucket).key("a.csv").upload_id(&upload);
        let page = request.max_parts(2).set_part_number_marker(marker).send().await.unwrap();
        pages.push(page.parts().iter().filter_map(|part| part.part_number()).collect::<Vec<_>>());
        if page.is_truncated() != Some(true) {
            break;
        }
        marker = page.next_part_number_marker().map(str::to_owned);
    }
    assert_eq!(pages, [vec![1, 2], vec![3, 4], vec![5]]);
}

/// Promise 3: a part that is not the one which was sent makes no object.
async fn wrong_etag(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    let other = Part { etag: "\"00000000000000000000000000000000\"".to_owned(), ..part };
    let request = open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv");
    let sent = request.upload_id(&upload).multipart_upload(named([&other])).send().await;
    assert_eq!(code(sent), "InvalidPart");
    assert_eq!(open.get("a.csv").await, None);
}

async fn too_small(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let first = open.store.upload_part("a.csv", &upload, 1, data(1, MIN_PART - 1)).await.unwrap();
    let last = open.store.upload_part("a.csv", &upload, 2, data(2, 10)).await.unwrap();
    let request = open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv");
    let sent = request.upload_id(&upload).multipart_upload(named([&first, &last])).send().await;
    assert_eq!(code(sent), "EntityTooSmall");
    assert_eq!(open.get("a.csv").await, None);
}

async fn out_of_order(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let first = open.store.upload_part("a.csv", &upload, 1, data(1, PART)).await.unwrap();
    let last = open.store.upload_part("a.csv", &upload, 2, data(2, PART)).await.unwrap();
    let request = open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv");
    let sent = request.upload_id(&upload).multipart_upload(named([&last, &first])).send().await;
    assert_eq!(code(sent), "InvalidPartOrder");
    assert_eq!(open.get("a.csv").await, None);
}

async fn aborted(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    open.store.abort_upload("a.csv", &upload).await.unwrap();
    let late = open.store.upload_part("a.csv", &upload, 2, data(2, 1000)).await;
    assert!(matches!(late, Err(StoreError::NoSuchUpload { .. })), "a part after the abort: {late:?}");
    let completed = open.store.complete("a.csv", &upload, &[part], Condition::Absent).await;
    assert!(matches!(completed, Err(StoreError::NoSuchUpload { .. })), "completed: {completed:?}");
    assert_eq!(open.store.list_parts("a.csv", &upload).await.unwrap(), None);
    open.store.abort_upload("a.csv", &upload).await.expect("aborted once more");
    assert_eq!(open.get("a.csv").await, None);
    assert!(open.store.list_uploads("").await.unwrap().is_empty());
}

/// The answer to a completion may be lost: whoever completes again is not told of another object.
async fn completed_twice(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    let parts = [part];
    open.store.complete("a.csv", &upload, &parts, Condition::Absent).await.unwrap();
    let head = open.store.head("a.csv").await.unwrap();
    match open.store.complete("a.csv", &upload, &parts, Condition::Absent).await {
        Ok(_) | Err(StoreError::NoSuchUpload { .. }) => {}
        Err(other) => panic!("completed again: {other:?}"),
    }
    assert_eq!(open.store.head("a.csv").await.unwrap(), head);
    assert_eq!(open.get("a.csv").await.unwrap(), data(1, 1000));
}

async fn listed(bucket: TestBucket) {
    let open = bucket.open().await;
    let mut wanted = Vec::new();
    for key in ["jobs/1/staged/0", "jobs/1/staged/1", "jobs/2/staged/0", "jobs/10/staged/0"] {
        let upload = open.store.create_upload(key).await.unwrap();
        if key.starts_with("jobs/1/") {
            wanted.push((key.to_owned(), upload));
        }
    }
    let found = open.store.list_uploads("jobs/1/").await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|upload| (upload.key, upload.upload_id)).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    open.store.abort_uploads("jobs/1/", |key| key.ends_with('0')).await.unwrap();
    let left = open.store.list_uploads("jobs/1/").await.unwrap();
    assert_eq!(left.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), ["jobs/1/staged/1"]);
}

async fn pages_of_uploads(bucket: TestBucket) {
    let open = bucket.open().await;
    let mut wanted = Vec::new();
    for key in ["a", "b", "b", "b", "c"] {
        wanted.push((key.to_owned(), open.store.create_upload(key).await.unwrap()));
    }
    let (mut key, mut id, mut found, mut pages) = (None, None, Vec::new(), 0);
    loop {
        let request = open.client.list_multipart_uploads().bucket(&open.bucket).max_uploads(2);
        let page = request.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
        pages += 1;
        assert!(pages <= 5, "the pages do not come to an end");
        let line = |upload: &aws_sdk_s3::types::MultipartUpload| {
            (upload.key().unwrap_or_default().to_owned(), upload.upload_id().unwrap_or_default().to_owned())
        };
        found.extend(page.uploads().iter().map(line));
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        id = page.next_upload_id_marker().map(str::to_owned);
    }
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(pages, 3);
}

async fn no_part(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let none = CompletedMultipartUpload::builder().set_parts(Some(Vec::<CompletedPart>::new())).build();
    let request = open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv");
    let sent = request.upload_id(&upload).multipart_upload(none).send().await;
    assert_ne!(code(sent), "taken", "completed without a part");
}
