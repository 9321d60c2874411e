//! Checksums: what was damaged on its way is not taken, and what is there is known without reading it.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use landfall::checksum::{Crc64Nvme, Md5, Sha256};
use landfall_store::{ByteBudget, Condition, ObjectDigest, ObjectWriter, StoreError};

use super::bucket::{PART, TestBucket, code, data, named};
use super::table::checks;

checks! {
    "checksum: a wrong CRC-64/NVME of an object is refused": wrong_crc64,
    "checksum: a wrong CRC-64/NVME of a part is refused": wrong_crc64_of_part,
    "checksum: a wrong CRC-64/NVME of the whole is refused at completion": wrong_crc64_of_whole,
    "checksum: a wrong SHA-256 is refused": wrong_sha256,
    "checksum: a wrong MD5 is refused, of an object and of a part": wrong_md5,
    "checksum: the CRC-64/NVME of an object is told": told,
    "checksum: the CRC-64/NVME of an object of parts is told": told_of_parts,
    "an object that is there is held against the bytes that should be": expected,
}

async fn wrong_crc64(bucket: TestBucket) {
    let open = bucket.open().await;
    let put =
        open.client.put_object().bucket(&open.bucket).key("a.csv").body(ByteStream::from(data(1, 1000)));
    let sent = put.checksum_crc64_nvme(Crc64Nvme::of(&data(2, 1000)).base64()).send().await;
    assert_ne!(code(sent), "taken", "bytes that do not have their checksum");
    assert_eq!(open.get("a.csv").await, None);
}

async fn wrong_crc64_of_part(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let request =
        open.client.upload_part().bucket(&open.bucket).key("a.csv").upload_id(&upload).part_number(1);
    let request = request.body(ByteStream::from(data(1, 1000)));
    let sent = request.checksum_crc64_nvme(Crc64Nvme::of(&data(2, 1000)).base64()).send().await;
    assert_ne!(code(sent), "taken", "a part that does not have its checksum");
    assert!(open.store.list_parts("a.csv", &upload).await.unwrap().unwrap().is_empty());
}

async fn wrong_crc64_of_whole(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    let request =
        open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv").upload_id(&upload);
    let request = request.checksum_type(ChecksumType::FullObject).multipart_upload(named([&part]));
    let sent = request.checksum_crc64_nvme(Crc64Nvme::of(&data(2, 1000)).base64()).send().await;
    assert_ne!(code(sent), "taken", "parts that do not have the whole's checksum");
    assert_eq!(open.get("a.csv").await, None);
}

async fn wrong_sha256(bucket: TestBucket) {
    let open = bucket.open().await;
    let put =
        open.client.put_object().bucket(&open.bucket).key("a.csv").body(ByteStream::from(data(1, 1000)));
    let sent = put.checksum_sha256(Sha256::of(&data(2, 1000)).base64()).send().await;
    assert_ne!(code(sent), "taken", "bytes that do not have their checksum");
    assert_eq!(open.get("a.csv").await, None);
}

async fn wrong_md5(bucket: TestBucket) {
    let open = bucket.open().await;
    let put = |md5: Md5| {
        let put = open.client.put_object().bucket(&open.bucket).key("a.csv");
        put.body(ByteStream::from(data(1, 1000))).content_md5(md5.base64()).send()
    };
    assert_ne!(code(put(Md5::of(&data(2, 1000))).await), "taken", "bytes that do not have their MD5");
    assert_eq!(open.get("a.csv").await, None);
    let upload =
        open.client.create_multipart_upload().bucket(&open.bucket).key("b.csv").send().await.unwrap();
    let upload = upload.upload_id().unwrap();
    let part = |md5: Md5| {
        let part =
            open.client.upload_part().bucket(&open.bucket).key("b.csv").upload_id(upload).part_number(1);
        part.body(ByteStream::from(data(1, 1000))).content_md5(md5.base64()).send()
    };
    assert_ne!(code(part(Md5::of(&data(2, 1000))).await), "taken", "a part that does not have its MD5");
    assert_eq!(code(put(Md5::of(&data(1, 1000))).await), "taken");
    assert_eq!(code(part(Md5::of(&data(1, 1000))).await), "taken");
}

async fn told(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("a.csv", data(1, 1000)).await;
    let head = open.store.head("a.csv").await.unwrap().unwrap();
    assert_eq!(head.crc64nvme, Some(Crc64Nvme::of(&data(1, 1000))));
}

async fn told_of_parts(bucket: TestBucket) {
    let open = bucket.open().await;
    let budget = ByteBudget::new(64 << 20);
    let content = data(1, 3 * PART + 77);
    let mut writer = ObjectWriter::new(&open.store, "a.csv", &budget, None);
    writer.write(&content).await.unwrap();
    let sealed = writer.seal(|_| Ok::<_, StoreError>(())).await.unwrap().digest;
    assert_eq!(sealed, ObjectDigest { size: content.len() as u64, crc64nvme: Crc64Nvme::of(&content) });
    assert!(open.get("a.csv").await.unwrap() == content, "other bytes than were sent");
    let head = open.store.head("a.csv").await.unwrap().unwrap();
    assert_eq!(head.crc64nvme, Some(sealed.crc64nvme));
}

/// Promise 4: landing again finds out that the same bytes are there, or that others are.
async fn expected(bucket: TestBucket) {
    let open = bucket.open().await;
    let content = data(1, 100_000);
    open.store.put("a.csv", content.clone(), Condition::Absent).await.unwrap();
    let right = ObjectDigest { size: 100_000, crc64nvme: Crc64Nvme::of(&content) };
    open.store.expect("a.csv", right).await.unwrap();
    let other = ObjectDigest { crc64nvme: Crc64Nvme::of(&data(2, 100_000)), ..right };
    for wrong in [other, ObjectDigest { size: 99_999, ..right }] {
        let held = open.store.expect("a.csv", wrong).await;
        assert!(matches!(held, Err(StoreError::Occupied { .. })), "{held:?}");
    }
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let begun =
        open.client.create_multipart_upload().bucket(&open.bucket).key("b").checksum_algorithm(algorithm);
    assert_eq!(code(begun.checksum_type(ChecksumType::FullObject).send().await), "taken");
}
