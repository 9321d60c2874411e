//! Checksums: verified when data comes in, given back when it goes out.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};

use crate::support::{BUCKET, PART, Served, code, data, parts};

const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32C,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// Promise 5: every algorithm's trailer is verified, and its value and CRC-64/NVME are given back.
#[tokio::test]
async fn every_algorithm_is_verified_and_kept() {
    let served = Served::start().await;
    for algorithm in ALGORITHMS {
        let put = served.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from(data(3, 200_000)));
        put.checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let head = served.client.head_object().bucket(BUCKET).key("k");
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let kept = match algorithm {
            ChecksumAlgorithm::Crc32 => head.checksum_crc32(),
            ChecksumAlgorithm::Crc32C => head.checksum_crc32_c(),
            ChecksumAlgorithm::Sha1 => head.checksum_sha1(),
            ChecksumAlgorithm::Sha256 => head.checksum_sha256(),
            _ => head.checksum_crc64_nvme(),
        };
        assert!(kept.is_some(), "{algorithm}");
        assert!(head.checksum_crc64_nvme().is_some(), "{algorithm}");
        assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
        assert_eq!(head.content_encoding(), None, "the framing of the body is not the object's encoding");
        let without = served.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
        assert_eq!(without.checksum_crc64_nvme(), None);
        // The SDK verifies what it gets.
        assert_eq!(served.get("k").await, data(3, 200_000));
    }
}

/// Promise 5: data that is not what its sender said leaves nothing behind.
#[tokio::test]
async fn wrong_checksums_are_refused() {
    let served = Served::start().await;
    let client = served.client_without_checksums();
    let put = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"data"));
    assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc32_c("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(code(put().checksum_sha256("AAAA").send().await), "BadDigest");
    assert_eq!(code(put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await), "BadDigest");
    assert_eq!(code(put().content_md5("AAAA").send().await), "InvalidDigest");
    assert!(served.keys().await.is_empty());
    put().content_md5("jXd/OF09/siBXSD3SWAm3A==").send().await.unwrap();
    put().checksum_crc32("rfPzYw==").send().await.unwrap();

    let id = served.begin("m").await;
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let part = part.body(ByteStream::from_static(b"data")).checksum_crc32("AAAAAA==").send().await;
    assert_eq!(code(part), "BadDigest");
}

/// Promise 5: a multipart object's full-object CRC is that of its bytes, although they are never read again.
#[tokio::test]
async fn the_crc_of_a_multipart_object_is_that_of_its_bytes() {
    let served = Served::start().await;
    let client = served.client_without_checksums();
    let bodies = [data(1, PART), data(2, PART + 7), data(3, 11)];
    let begun = client.create_multipart_upload().bucket(BUCKET).key("m").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let mut sent = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        sent.push(served.part("m", id, number, body.clone()).await);
    }
    let whole = bodies.concat();
    let put = served.client.put_object().bucket(BUCKET).key("p").body(ByteStream::from(whole.clone()));
    put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).send().await.unwrap();
    let head =
        |key: &'static str| client.head_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled);
    let expected = head("p").send().await.unwrap().checksum_crc64_nvme.unwrap();

    let complete = || client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(id);
    let wrong =
        complete().multipart_upload(parts(sent.clone())).checksum_crc64_nvme("AAAAAAAAAAA=").send().await;
    assert_eq!(code(wrong), "BadDigest");
    let done = complete().multipart_upload(parts(sent)).checksum_crc64_nvme(&expected).send().await.unwrap();
    assert_eq!(done.checksum_crc64_nvme(), Some(expected.as_str()));
    assert_eq!(head("m").send().await.unwrap().checksum_crc64_nvme(), Some(expected.as_str()));
    assert_eq!(served.get("m").await, whole);
}

/// S3 User Guide, "Checking object integrity": the kinds of checksum of a multipart upload.
#[tokio::test]
async fn multipart_checksums_are_composite_or_of_the_full_object() {
    let served = Served::start().await;
    for (algorithm, kind, expected) in [
        (ChecksumAlgorithm::Crc32, None, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject), ChecksumType::FullObject),
        (ChecksumAlgorithm::Sha256, None, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc64Nvme, None, ChecksumType::FullObject),
    ] {
        let create = served.client.create_multipart_upload().bucket(BUCKET).key("m");
        let begun = create
            .checksum_algorithm(algorithm.clone())
            .set_checksum_type(kind.clone())
            .send()
            .await
            .unwrap();
        let id = begun.upload_id().unwrap();
        let mut sent = Vec::new();
        for number in 1..=2 {
            let part = served.client.upload_part().bucket(BUCKET).key("m").upload_id(id).part_number(number);
            let part = part.checksum_algorithm(algorithm.clone()).body(ByteStream::from(data(7, PART)));
            let part = part.send().await.unwrap();
            let done = aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
            sent.push(
                done.set_checksum_crc32(part.checksum_crc32)
                    .set_checksum_sha256(part.checksum_sha256)
                    .build(),
            );
        }
        let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(id);
        let done = complete.multipart_upload(parts(sent)).send().await.unwrap();
        assert_eq!(done.checksum_type(), Some(&expected), "{algorithm} {kind:?}");
        let value = done.checksum_crc32().or(done.checksum_sha256()).or(done.checksum_crc64_nvme()).unwrap();
        assert_eq!(value.ends_with("-2"), expected == ChecksumType::Composite, "{value}");
        assert_eq!(served.get("m").await.len(), 2 * PART);
    }
}

/// As S3 does: a part without the checksum that the upload was begun with, or a completion without those of a
/// composite one, is refused.
#[tokio::test]
async fn an_upload_with_a_checksum_asks_for_it() {
    let served = Served::start().await;
    let client = served.client_without_checksums();
    let create = client.create_multipart_upload().bucket(BUCKET).key("m");
    let begun = create.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(id).part_number(1);
    assert_eq!(code(part.body(ByteStream::from_static(b"x")).send().await), "InvalidRequest");
    let mut part = served.part("m", id, 1, b"x".to_vec()).await;
    part.checksum_crc32 = None;
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(id);
    assert_eq!(code(complete.multipart_upload(parts([part])).send().await), "InvalidRequest");
}
