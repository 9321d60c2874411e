//! What a process that was killed leaves, and what becomes of it.

use std::fs;
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumMode, CompletedPart};
use embedded_store::{Credentials, EmbeddedStore, Options};

use crate::support::{BUCKET, PART, Served, begin, config, data, files, get, parts, put};

/// Promise 3, at the instants between the two renames of a write: with the new record but the old bytes, the old
/// object is there as it was; the record's file is the one that the write left, the bytes are put back.
#[tokio::test]
async fn a_record_that_came_before_its_bytes_changes_nothing() {
    let served = Served::start().await;
    let put = served.client.put_object().bucket(BUCKET).key("k").metadata("version", "old");
    put.body(b"old".to_vec().into()).send().await.unwrap();
    let saved = served.folder().join("saved");
    fs::rename(served.file("k"), &saved).unwrap();
    fs::hard_link(&saved, served.file("k")).unwrap();
    let put = served.client.put_object().bucket(BUCKET).key("k").metadata("version", "new");
    put.body(b"new".to_vec().into()).send().await.unwrap();
    // As if killed before the last rename.
    fs::rename(&saved, served.file("k")).unwrap();

    let served = served.restart().await;
    let head = served.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("version").map(String::as_str), Some("old"));
    assert_eq!(served.get("k").await, b"old");
    // And a write over it works as ever.
    served.put("k", "next").await;
    assert_eq!(served.get("k").await, b"next");
}

/// The same when there was no object before: a record alone is no object.
#[tokio::test]
async fn a_record_without_bytes_is_no_object() {
    let served = Served::start().await;
    served.put("k", "x").await;
    fs::remove_file(served.file("k")).unwrap();
    assert!(served.keys().await.is_empty());
    let put = served.client.put_object().bucket(BUCKET).key("k").if_none_match("*");
    put.body(b"claimed".to_vec().into()).send().await.unwrap();
    assert_eq!(served.get("k").await, b"claimed");
}

/// Records that are lost or damaged (by a power cut without fsync) are made anew from the bytes.
#[tokio::test]
async fn objects_without_records_are_described_by_their_bytes() {
    let served = Served::start().await;
    let etag = served.put("k", "body").await;
    let head =
        || served.client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send();
    let crc = head().await.unwrap().checksum_crc64_nvme;
    let [record] = &files(&served.folder().join(".store/records"))[..] else { panic!("one record") };
    for damage in [None, Some(""), Some("{\"name\":\"k\",\"records\":[{\"gen")] {
        match damage {
            None => fs::remove_file(record).unwrap(),
            Some(damage) => fs::write(record, damage).unwrap(),
        }
        let head = head().await.unwrap();
        assert_eq!((head.e_tag(), &head.checksum_crc64_nvme), (Some(etag.as_str()), &crc), "{damage:?}");
    }
}

/// Promise 6: a new store deletes what a killed one had in the making, but not the uploads, nor what is a live
/// one's.
#[tokio::test]
async fn only_unfinished_files_of_the_dead_are_deleted() {
    let served = Served::start().await;
    let sessions = served.folder().join(".store/sessions");
    let dead = sessions.join("0123456789abcdef0123456789abcdef");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), b"").unwrap();
    fs::write(dead.join("0"), data(1, 1_000)).unwrap();
    let id = served.begin("m").await;
    let part = served.part("m", &id, 1, data(2, PART)).await;
    let live: Vec<_> = fs::read_dir(&sessions).unwrap().map(|entry| entry.unwrap().path()).collect();

    let other = served.beside().await;
    assert!(!dead.exists());
    assert!(live.iter().filter(|path| **path != dead).all(|path| path.exists()));
    let complete = other.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    complete.multipart_upload(parts([part])).send().await.unwrap();
    assert_eq!(served.get("m").await, data(2, PART));
}

/// Promise 2: killed between the object's appearing and the upload's end, the completion can be asked for again.
#[tokio::test]
async fn a_completion_can_be_repeated_while_the_upload_is_there() {
    let served = Served::start().await;
    let id = served.begin("m").await;
    let part = served.part("m", &id, 1, data(1, PART)).await;
    let (upload, saved) = (served.folder().join(".store/uploads").join(&id), served.folder().join("saved"));
    copy_folder(&upload, &saved);
    let complete = || {
        let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
        complete.multipart_upload(parts([part.clone()])).send()
    };
    let first = complete().await.unwrap();
    assert!(!upload.exists());
    fs::rename(&saved, &upload).unwrap();
    let second = complete().await.unwrap();
    assert_eq!(first.e_tag(), second.e_tag());
    assert_eq!(served.get("m").await, data(1, PART));
    assert!(!upload.exists());
}

/// With times, as they tell versions apart.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in files(from) {
        let copy = to.join(file.file_name().unwrap());
        fs::copy(&file, &copy).unwrap();
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
    }
}

/// The way of the command line, where every write is flushed, is the same to a client.
#[tokio::test]
async fn a_store_that_flushes_works_alike() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    store.ensure_bucket(BUCKET).unwrap();
    let credentials = Credentials::random();
    let handle = store.serve(0, &credentials).await.unwrap();
    let client = Client::from_conf(config(&handle, &credentials).build());
    for key in ["a/b/c", "a/b", "x//y"] {
        put(&client, key, key).await;
        assert_eq!(get(&client, key).await, key.as_bytes());
    }
    let id = begin(&client, "m").await;
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    let part =
        CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).set_checksum_crc32(part.checksum_crc32);
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    complete.multipart_upload(parts([part.build()])).send().await.unwrap();
    assert_eq!(get(&client, "m").await, b"part");
    client.delete_object().bucket(BUCKET).key("a/b/c").send().await.unwrap();
    handle.shutdown().await;
    assert!(!dir.path().join(BUCKET).join("a").join("b/c").exists());
}
