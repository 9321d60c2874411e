//! Multipart uploads.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;

use crate::support::{BUCKET, PART, Served, code, data, parts};

/// Promise 3: nothing is visible before completion, and then all of it is.
#[tokio::test]
async fn an_upload_becomes_one_object() {
    let served = Served::start().await;
    let id = served.begin("m").await;
    // Out of order, and the second one twice: the last one counts.
    let second = served.part("m", &id, 20, b"to be replaced".to_vec()).await;
    let first = served.part("m", &id, 3, data(1, PART)).await;
    let again = served.part("m", &id, 20, data(2, 77)).await;
    assert!(served.keys().await.is_empty());
    let complete = || served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    assert_eq!(code(complete().multipart_upload(parts([first.clone(), second])).send().await), "InvalidPart");
    let done = complete().multipart_upload(parts([first, again])).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""), "{:?}", done.e_tag());
    assert_eq!(served.get("m").await, [data(1, PART), data(2, 77)].concat());
    assert_eq!(code(complete().multipart_upload(parts([])).send().await), "NoSuchUpload");
    assert_eq!(std::fs::read_dir(served.folder().join(".store/uploads")).unwrap().count(), 0);
}

/// Promise 5: a list of parts that is not the upload's is refused, and the upload can still be completed.
#[tokio::test]
async fn wrong_lists_of_parts_are_refused() {
    let served = Served::start().await;
    let id = served.begin("m").await;
    let small = served.part("m", &id, 1, data(1, PART - 1)).await;
    let last = served.part("m", &id, 2, b"last".to_vec()).await;
    let wrong = CompletedPart::builder().part_number(2).e_tag("\"00\"").build();
    let missing = CompletedPart::builder().part_number(3).e_tag(last.e_tag().unwrap()).build();
    for (list, expected) in [
        (vec![], "MalformedXML"),
        (vec![small.clone(), last.clone()], "EntityTooSmall"),
        (vec![last.clone(), small.clone()], "InvalidPartOrder"),
        (vec![last.clone(), last.clone()], "InvalidPartOrder"),
        (vec![wrong], "InvalidPart"),
        (vec![missing], "InvalidPart"),
    ] {
        let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
        assert_eq!(code(complete.multipart_upload(parts(list)).send().await), expected);
    }
    let complete = || served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    let sized = complete().multipart_upload(parts([last.clone()])).mpu_object_size(5).send().await;
    assert_eq!(code(sized), "InvalidRequest");
    // Parts that are not named are left out.
    complete().multipart_upload(parts([last])).mpu_object_size(4).send().await.unwrap();
    assert_eq!(served.get("m").await, b"last");
}

#[tokio::test]
async fn completion_is_conditional() {
    let served = Served::start().await;
    served.put("m", "there").await;
    let id = served.begin("m").await;
    let part = served.part("m", &id, 1, b"new".to_vec()).await;
    let complete = || {
        let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
        complete.multipart_upload(parts([part.clone()]))
    };
    assert_eq!(code(complete().if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(code(complete().if_match("\"00\"").send().await), "PreconditionFailed");
    assert_eq!(served.get("m").await, b"there");
    served.client.delete_object().bucket(BUCKET).key("m").send().await.unwrap();
    complete().if_none_match("*").send().await.unwrap();
    assert_eq!(served.get("m").await, b"new");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let served = Served::start().await;
    let client = &served.client;
    let id = served.begin("m").await;
    let part = served.part("m", &id, 1, b"x".to_vec()).await;
    let other = client.abort_multipart_upload().bucket(BUCKET).key("other").upload_id(&id).send().await;
    assert_eq!(code(other), "NoSuchUpload");
    client.abort_multipart_upload().bucket(BUCKET).key("m").upload_id(&id).send().await.unwrap();
    let late = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(2);
    assert_eq!(code(late.body(ByteStream::from(data(1, PART))).send().await), "NoSuchUpload");
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    assert_eq!(code(complete.multipart_upload(parts([part])).send().await), "NoSuchUpload");
    let abort = || client.abort_multipart_upload().bucket(BUCKET).key("m");
    assert_eq!(code(abort().upload_id(&id).send().await), "NoSuchUpload");
    assert_eq!(code(abort().upload_id("../../landing").send().await), "NoSuchUpload");
    assert_eq!(code(client.list_parts().bucket(BUCKET).key("m").upload_id(&id).send().await), "NoSuchUpload");
    assert_eq!(std::fs::read_dir(served.folder().join(".store/uploads")).unwrap().count(), 0);
    assert!(served.keys().await.is_empty());
}

/// Promise 2: what was stored of an upload is there for whoever goes on with it, after a restart too.
#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let served = Served::start().await;
    let id = served.begin("m").await;
    served.part("m", &id, 1, data(1, PART)).await;
    let served = served.restart().await;
    let uploads = served.client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    let [upload] = uploads.uploads() else { panic!("one upload") };
    assert_eq!((upload.key(), upload.upload_id()), (Some("m"), Some(id.as_str())));
    let stored = served.client.list_parts().bucket(BUCKET).key("m").upload_id(&id).send().await.unwrap();
    let [stored] = stored.parts() else { panic!("one part") };
    assert_eq!((stored.part_number(), stored.size()), (Some(1), i64::try_from(PART).ok()));
    let first = CompletedPart::builder().part_number(1).e_tag(stored.e_tag().unwrap());
    let first = first.set_checksum_crc32(stored.checksum_crc32().map(str::to_owned)).build();
    let second = served.part("m", &id, 2, b"end".to_vec()).await;
    let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    complete.multipart_upload(parts([first, second])).send().await.unwrap();
    assert_eq!(served.get("m").await, [data(1, PART), b"end".to_vec()].concat());
}

/// Promise 5: pages of parts add up to all of them.
#[tokio::test]
async fn parts_are_listed_in_pages() {
    let served = Served::start().await;
    let id = served.begin("m").await;
    let numbers = [1, 2, 3, 9, 10, 100, 9_999, 10_000];
    for number in numbers {
        served.part("m", &id, number, vec![0; usize::try_from(number).unwrap()]).await;
    }
    for size in 1..=9 {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let list = served.client.list_parts().bucket(BUCKET).key("m").upload_id(&id).max_parts(size);
            let page = list.set_part_number_marker(marker).send().await.unwrap();
            assert!(page.parts().len() <= usize::try_from(size).unwrap());
            found.extend(page.parts().iter().map(|part| part.part_number().unwrap()));
            marker = page.next_part_number_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        assert_eq!(found, numbers, "{size} a page");
    }
    for number in [0, 10_001] {
        let part = served.client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(number);
        assert_eq!(code(part.body(ByteStream::from_static(b"x")).send().await), "InvalidArgument");
    }
}

/// Promise 5: an orphan must not hide on a later page.
#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let served = Served::start().await;
    let mut begun = Vec::new();
    for key in ["a/1", "a/1", "a/2", "b", "c/d", "c/e", "c/e", "c/e"] {
        begun.push((key.to_owned(), served.begin(key).await));
    }
    for size in 1..=9 {
        let (mut found, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let list = served.client.list_multipart_uploads().bucket(BUCKET).max_uploads(size);
            let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
            let line = |upload: &aws_sdk_s3::types::MultipartUpload| {
                (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned())
            };
            found.extend(page.uploads().iter().map(line));
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        assert_eq!(found, begun, "{size} a page");
    }
    let narrowed = served.client.list_multipart_uploads().bucket(BUCKET).prefix("c/").send().await.unwrap();
    assert_eq!(narrowed.uploads().len(), 4);
    let grouped = served.client.list_multipart_uploads().bucket(BUCKET).delimiter("/").send().await.unwrap();
    assert_eq!((grouped.uploads().len(), grouped.common_prefixes().len()), (1, 2));
    served.client.create_bucket().bucket("other").send().await.unwrap();
    let other = served.client.list_multipart_uploads().bucket("other").send().await.unwrap();
    assert!(other.uploads().is_empty());
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let served = Served::start().await;
    let source = data(5, PART + 100);
    let etag = served.put("source", source.clone()).await;
    let id = served.begin("m").await;
    let copy = |number: i32, range: &str| {
        let copy =
            served.client.upload_part_copy().bucket(BUCKET).key("m").upload_id(&id).part_number(number);
        copy.copy_source("landing/source").copy_source_range(range)
    };
    let mut sent = Vec::new();
    for (number, range) in [(1, format!("bytes=50-{}", PART + 49)), (2, "bytes=0-9".to_owned())] {
        let part = copy(number, &range).copy_source_if_match(&etag).send().await.unwrap();
        let result = part.copy_part_result().unwrap();
        let part = CompletedPart::builder().part_number(number).set_e_tag(result.e_tag.clone());
        sent.push(part.set_checksum_crc32(result.checksum_crc32.clone()).build());
    }
    assert_eq!(code(copy(3, &format!("bytes=0-{}", source.len())).send().await), "InvalidRange");
    assert_eq!(code(copy(3, "bytes=-5").send().await), "InvalidArgument");
    assert_eq!(code(copy(3, "bytes=0-1").copy_source_if_match("\"00\"").send().await), "PreconditionFailed");
    let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    complete.multipart_upload(parts(sent)).send().await.unwrap();
    assert_eq!(served.get("m").await, [&source[50..PART + 50], &source[..10]].concat());
}
