use bytes::Bytes;
use landfall::form::ZstdLevel;
use landfall_store::{ByteBudget, PART_BYTES};
use landfall_zip::{Directory, Limits, NameEncoding, read_directory};
use tokio::sync::mpsc;

use super::*;
use crate::parts::{Outgoing, Parts};

/// What has gone to the store: bytes, or a range that it copies.
#[derive(Debug, PartialEq)]
enum Gone {
    Bytes(Vec<u8>),
    Copied(std::ops::Range<u64>),
}

/// Makes parts on a thread that may block, and gathers them.
async fn made(
    max_bytes: u64,
    copy_range: Option<CopyRange>,
    make: impl FnOnce(&mut Parts) -> Result<()> + Send + 'static,
) -> Vec<Gone> {
    let (outgoing, mut gone) = mpsc::channel(1);
    let part_bytes = PART_BYTES.min(usize::try_from(max_bytes).unwrap() + 1);
    let parts = Parts::new(outgoing, &ByteBudget::new(64 << 20), part_bytes, copy_range, true);
    let making = tokio::task::spawn_blocking(move || {
        let mut parts = parts;
        make(&mut parts)?;
        parts.finish().map(|_| ())
    });
    let mut all = Vec::new();
    while let Some(outgoing) = gone.recv().await {
        all.push(match outgoing {
            Outgoing::Part(part) => Gone::Bytes(part.as_bytes().to_vec()),
            Outgoing::Copy(range) => Gone::Copied(range),
        });
    }
    making.await.unwrap().unwrap();
    all
}

fn content(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789,,\n\nAB"[(state >> 28) as usize]
    };
    (0..bytes).map(next).collect()
}

fn digest(content: &[u8]) -> ContentDigest {
    let mut hasher = landfall::checksum::Hasher::new(false);
    hasher.update(content);
    let sums = hasher.finish();
    ContentDigest { size: sums.size, crc32: sums.crc32.into() }
}

async fn encoded(form: JobForm, content: Vec<u8>, piece: usize) -> Vec<u8> {
    let most = max_bytes(form, content.len() as u64);
    let gone = made(most, None, move |parts| {
        let mut encoder = content_encoder(form, content.len() as u64, None)?;
        content.chunks(piece).try_for_each(|piece| encoder.encode(piece, parts))?;
        encoder.finish(digest(&content), None, parts)
    });
    let gone = gone.await;
    assert!(gone.len() <= 1, "what fits into one part became {}", gone.len());
    gone.into_iter().flat_map(|gone| if let Gone::Bytes(bytes) = gone { bytes } else { Vec::new() }).collect()
}

fn encoding_forms() -> [JobForm; 3] {
    let level = |level| JobForm::Zstd { level: ZstdLevel::try_from(level).unwrap() };
    [JobForm::Gzip, level(1), level(9)]
}

/// Promise 4: the same content is the same bytes, in whatever pieces the network gives it.
#[tokio::test]
async fn bytes_do_not_depend_on_the_pieces_that_content_comes_in() {
    let content = content(1_500_000);
    for form in encoding_forms() {
        let whole = encoded(form, content.clone(), content.len()).await;
        for piece in [997, 16 << 10, 256 << 10, 300_001] {
            assert!(encoded(form, content.clone(), piece).await == whole, "{form:?} in pieces of {piece}");
        }
    }
}

/// Promise 3: content that cannot be compressed, and none at all, still fit into what is reserved for them: a part
/// that is full before the end would be one that a store refuses.
#[tokio::test]
async fn what_cannot_be_compressed_fits_into_its_part() {
    let mut random = Vec::new();
    let mut state = 9_u64;
    while random.len() < 3_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.extend_from_slice(&(state >> 16).to_le_bytes()[..5]);
    }
    for form in encoding_forms() {
        for bytes in [0, 1, 5_000, 262_144, 3_000_000] {
            let made = encoded(form, random[..bytes].to_vec(), 16 << 10).await;
            assert!(made.len() as u64 <= max_bytes(form, bytes as u64), "{form:?} of {bytes} bytes");
        }
    }
}

/// RFC 1952, 2.3: no name and no time, so that the bytes follow from the content; CRC-32, then the size.
#[tokio::test]
async fn a_gzip_file_has_the_plainest_frame() {
    let made = encoded(JobForm::Gzip, b"123456789".to_vec(), 4).await;
    assert_eq!(made[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let trailer = [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0];
    assert_eq!(made[made.len() - 8..], trailer);
}

/// RFC 1952, 2.3.1: ISIZE is the size modulo 2^32.
#[test]
fn a_size_from_4_gib_on_is_written_modulo_2_to_the_32() {
    for (size, written) in [(5, 5), ((1 << 32) - 1, u32::MAX), (1 << 32, 0), ((9 << 32) + 77, 77)] {
        let trailer = gzip::trailer(ContentDigest { size, crc32: 0x0403_0201 });
        assert_eq!(trailer[..4], [1, 2, 3, 4]);
        assert_eq!(trailer[4..], u32::to_le_bytes(written), "{size}");
    }
}

async fn directory(method: zip::CompressionMethod, sizes: &[usize]) -> Directory {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (index, size) in sizes.iter().enumerate() {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(index.to_string(), options.compression_level(None)).unwrap();
        // Not compressible: what is deflated is a little larger than what is stored.
        let mut state = 3_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).to_le_bytes()[0]
        })
        .take(*size)
        .collect();
        zip.write_all(&noise).unwrap();
    }
    let bytes = Bytes::from(zip.finish().unwrap().into_inner());
    read_directory(&bytes, &Limits::default(), NameEncoding::default()).await.unwrap()
}

/// S3 takes no part below 5 MiB but the last: what is copied has as much, and so has what is before it.
#[tokio::test]
async fn only_what_a_store_takes_as_a_part_is_copied() {
    let stored = directory(zip::CompressionMethod::Stored, &[MIN_PART_BYTES - 1, MIN_PART_BYTES]).await;
    let [small, large] = stored.members() else { panic!() };
    assert_eq!(copy_range(JobForm::Raw, small), None);
    assert_eq!(copy_range(JobForm::Raw, large), Some(CopyRange { before: 0, range: large.data_range() }));
    assert_eq!(copy_range(JobForm::Gzip, large), None);

    let deflated = directory(zip::CompressionMethod::Deflated, &[9 << 20, 11 << 20]).await;
    let [small, large] = deflated.members() else { panic!() };
    assert_eq!(copy_range(JobForm::Raw, large), None);
    assert_eq!(copy_range(JobForm::Gzip, small), None);
    let Some(CopyRange { before, range }) = copy_range(JobForm::Gzip, large) else { panic!() };
    assert_eq!(before, MIN_PART_BYTES);
    let data = large.data_range();
    assert_eq!(range, data.start + MIN_PART_BYTES as u64 - 10..data.end);
}

/// Promise 4: what is uploaded and what is copied make up the object, each byte once, in whatever pieces it comes.
#[tokio::test]
async fn around_what_is_copied_only_the_edges_are_uploaded() {
    let object = content(MIN_PART_BYTES * 2 + 1_000);
    let copied = 100..100 + (object.len() - MIN_PART_BYTES - 8) as u64;
    for piece in [16 << 10, MIN_PART_BYTES, object.len()] {
        let copy_range = Some(CopyRange { before: MIN_PART_BYTES, range: copied.clone() });
        let whole = object.clone();
        let gone = made(object.len() as u64, copy_range, move |parts| {
            whole.chunks(piece).try_for_each(|piece| parts.write(piece))
        });
        let expected = [
            Gone::Bytes(object[..MIN_PART_BYTES].to_vec()),
            Gone::Copied(copied.clone()),
            Gone::Bytes(object[object.len() - 8..].to_vec()),
        ];
        assert!(gone.await == expected, "in pieces of {piece}");
    }
    let whole = object.clone();
    let all = Some(CopyRange { before: 0, range: 100..100 + object.len() as u64 });
    let gone = made(object.len() as u64, all, move |parts| {
        whole.chunks(16 << 10).try_for_each(|piece| parts.write(piece))
    });
    assert_eq!(gone.await, [Gone::Copied(100..100 + object.len() as u64)]);
}
