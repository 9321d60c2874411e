//! The checksums that S3 verifies and keeps: computing, comparing and combining them.
//!
//! Facts: Amazon S3 User Guide, "Checking object integrity". CRC-32, CRC-32C, SHA-1 and SHA-256 of a multipart
//! upload are by default *composite* (the checksum of the parts' checksums, with `-` and the number of parts);
//! the CRCs may be of the *full object* instead, and CRC-64/NVME always is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{ChecksumAlgorithm, ChecksumType};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// A checksum algorithm of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// The request, trailer and response header that carries it.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Its name in S3's API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => ChecksumAlgorithm::CRC32,
            Self::Crc32c => ChecksumAlgorithm::CRC32C,
            Self::Crc64nvme => ChecksumAlgorithm::CRC64NVME,
            Self::Sha1 => ChecksumAlgorithm::SHA1,
            Self::Sha256 => ChecksumAlgorithm::SHA256,
        }
    }

    /// # Errors
    /// `InvalidRequest` for a name that S3 does not know.
    pub(crate) fn parse(name: &ChecksumAlgorithm) -> S3Result<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name.as_str())
            .ok_or_else(|| s3_error!(InvalidRequest, "unknown checksum algorithm {:?}", name.as_str()))
    }

    /// The kind of CRC, for those that can be combined.
    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// How a multipart upload's checksum is made of its parts'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    #[default]
    FullObject,
    Composite,
}

impl Kind {
    /// The kind that an upload with this algorithm asks for, or has by default.
    ///
    /// # Errors
    /// `InvalidRequest` where S3 has no such combination.
    pub(crate) fn of(algorithm: Algorithm, asked: Option<&ChecksumType>) -> S3Result<Self> {
        let kind = match asked.map(ChecksumType::as_str) {
            None if algorithm == Algorithm::Crc64nvme => Self::FullObject,
            None | Some(ChecksumType::COMPOSITE) => Self::Composite,
            Some(ChecksumType::FULL_OBJECT) => Self::FullObject,
            Some(other) => return Err(s3_error!(InvalidRequest, "unknown checksum type {other:?}")),
        };
        let possible = match kind {
            Self::FullObject => algorithm.crc().is_some(),
            Self::Composite => algorithm != Algorithm::Crc64nvme,
        };
        if possible {
            Ok(kind)
        } else {
            let (name, kind) = (algorithm.name(), kind.name());
            Err(s3_error!(
                InvalidRequest,
                "the {kind} checksum type cannot be used with the {name} algorithm"
            ))
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FullObject => ChecksumType::FULL_OBJECT,
            Self::Composite => ChecksumType::COMPOSITE,
        }
    }
}

/// Checksum values by algorithm, in base64 as S3's headers have them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub(crate) fn get(&self, algorithm: Algorithm) -> Option<String> {
        self.0.get(&algorithm).cloned()
    }

    pub(crate) fn set(&mut self, algorithm: Algorithm, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(algorithm, value);
        }
    }

    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.0.keys().copied()
    }

    /// Checks that each value of `expected` is the one here.
    ///
    /// # Errors
    /// `BadDigest` names the first that differs.
    pub(crate) fn verify(&self, expected: &Self) -> S3Result {
        for (algorithm, value) in &expected.0 {
            if self.0.get(algorithm) != Some(value) {
                let name = algorithm.name();
                return Err(s3_error!(
                    BadDigest,
                    "the {name} that you gave is not that of the data received"
                ));
            }
        }
        Ok(())
    }
}

/// What a client says that its data hashes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// `Content-MD5`, base64.
    pub(crate) md5: Option<String>,
    pub(crate) checksums: Checksums,
}

impl Expected {
    /// # Errors
    /// `BadDigest` where a value differs, `InvalidDigest` where `Content-MD5` is none.
    pub(crate) fn verify(&self, content: &Digested) -> S3Result {
        if let Some(md5) = &self.md5 {
            let bytes = BASE64.decode(md5).map_err(|error| s3_error!(error, InvalidDigest))?;
            if bytes.len() != content.md5.len() {
                return Err(s3_error!(InvalidDigest, "Content-MD5 is not 16 bytes in base64"));
            }
            if bytes != content.md5 {
                return Err(s3_error!(
                    BadDigest,
                    "the Content-MD5 that you gave is not that of the data received"
                ));
            }
        }
        content.checksums.verify(&self.checksums)
    }
}

/// Hashes data as it passes: MD5 for the `ETag`, CRC-64/NVME always, others as asked for.
pub(crate) struct Digests {
    md5: Md5,
    hasher: ChecksumHasher,
    size: u64,
}

/// What [`Digests`] found.
#[derive(Debug, Clone)]
pub(crate) struct Digested {
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Checksums,
}

impl Digests {
    pub(crate) fn new(asked: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut hasher = ChecksumHasher::default();
        for algorithm in asked.into_iter().chain([Algorithm::Crc64nvme]) {
            match algorithm {
                Algorithm::Crc32 => hasher.crc32 = Some(Default::default()),
                Algorithm::Crc32c => hasher.crc32c = Some(Default::default()),
                Algorithm::Crc64nvme => hasher.crc64nvme = Some(Default::default()),
                Algorithm::Sha1 => hasher.sha1 = Some(Default::default()),
                Algorithm::Sha256 => hasher.sha256 = Some(Default::default()),
            }
        }
        Self { md5: Md5::new(), hasher, size: 0 }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        self.hasher.update(data);
        self.size = self.size.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
    }

    pub(crate) fn finish(self) -> Digested {
        let found = self.hasher.finalize();
        let mut checksums = Checksums::default();
        checksums.set(Algorithm::Crc32, found.checksum_crc32);
        checksums.set(Algorithm::Crc32c, found.checksum_crc32c);
        checksums.set(Algorithm::Crc64nvme, found.checksum_crc64nvme);
        checksums.set(Algorithm::Sha1, found.checksum_sha1);
        checksums.set(Algorithm::Sha256, found.checksum_sha256);
        Digested { size: self.size, md5: self.md5.finalize(), checksums }
    }
}

/// The `ETag` of an object whose parts have these MD5s: the MD5 of the MD5s, and how many.
pub(crate) fn multipart_etag(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", hex::encode(Md5::checksum(parts.concat().as_slice())), parts.len())
}

/// The checksum of the whole made of `parts`' values and sizes; `None` when a value is missing or malformed.
pub(crate) fn whole(algorithm: Algorithm, kind: Kind, parts: &[(Option<String>, u64)]) -> Option<String> {
    let values: Vec<(Vec<u8>, u64)> = parts
        .iter()
        .map(|(value, size)| Some((decode(algorithm, value.as_deref()?)?, *size)))
        .collect::<Option<_>>()?;
    match kind {
        Kind::FullObject => full_object(algorithm, &values),
        Kind::Composite => {
            let mut digests = Digests::new([algorithm]);
            values.iter().for_each(|(value, _)| digests.update(value));
            Some(format!("{}-{}", digests.finish().checksums.get(algorithm)?, values.len()))
        }
    }
}

fn full_object(algorithm: Algorithm, values: &[(Vec<u8>, u64)]) -> Option<String> {
    let crc = algorithm.crc()?;
    let combined = values
        .iter()
        .map(|(value, size)| {
            (value.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte)), *size)
        })
        .reduce(|(whole, length), (value, size)| {
            (crc_fast::checksum_combine(crc, whole, value, size), length + size)
        })?;
    let bytes = combined.0.to_be_bytes();
    Some(BASE64.encode(bytes.get(bytes.len() - algorithm.length()..)?))
}

fn decode(algorithm: Algorithm, value: &str) -> Option<Vec<u8>> {
    BASE64.decode(value).ok().filter(|bytes| bytes.len() == algorithm.length())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(data: &[u8]) -> Digested {
        let mut digests = Digests::new(Algorithm::ALL);
        digests.update(data);
        digests.finish()
    }

    fn parts_of(data: &[u8], algorithm: Algorithm) -> Vec<(Option<String>, u64)> {
        data.chunks(7).map(digest).map(|part| (part.checksums.get(algorithm), part.size)).collect()
    }

    /// The check values of the CRC catalogue for "123456789", and of RFC 1321 and FIPS 180.
    #[test]
    fn values_are_the_standards() {
        let found = digest(b"123456789");
        let value =
            |algorithm| hex::encode(decode(algorithm, &found.checksums.get(algorithm).unwrap()).unwrap());
        assert_eq!(value(Algorithm::Crc32), "cbf43926");
        assert_eq!(value(Algorithm::Crc32c), "e3069283");
        assert_eq!(value(Algorithm::Crc64nvme), "ae8b14860a799888");
        assert_eq!(hex::encode(found.md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(hex::encode(digest(b"").md5), "d41d8cd98f00b204e9800998ecf8427e");
    }

    /// Promise 5: the whole's CRC made of the parts' is that of the bytes, so nothing need be read again.
    #[test]
    fn full_object_crcs_combine_to_that_of_the_bytes() {
        let data: Vec<u8> = (0..=255).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let combined = whole(algorithm, Kind::FullObject, &parts_of(&data, algorithm));
            assert_eq!(combined, digest(&data).checksums.get(algorithm), "{algorithm:?}");
        }
    }

    #[test]
    fn composite_checksums_are_of_the_parts_checksums_and_count_them() {
        let parts = parts_of(b"0123456789", Algorithm::Sha256);
        let joined: Vec<u8> = parts
            .iter()
            .flat_map(|(value, _)| decode(Algorithm::Sha256, value.as_deref().unwrap()).unwrap())
            .collect();
        let expected = format!("{}-2", digest(&joined).checksums.get(Algorithm::Sha256).unwrap());
        assert_eq!(whole(Algorithm::Sha256, Kind::Composite, &parts), Some(expected));
    }

    #[test]
    fn a_missing_or_malformed_part_value_gives_no_whole() {
        for value in [None, Some("AAAA".to_owned()), Some("?".to_owned())] {
            assert_eq!(whole(Algorithm::Crc32, Kind::FullObject, &[(value, 3)]), None);
        }
    }

    #[test]
    fn impossible_kinds_are_refused() {
        let (full, composite) = (
            ChecksumType::from_static(ChecksumType::FULL_OBJECT),
            ChecksumType::from_static(ChecksumType::COMPOSITE),
        );
        assert!(Kind::of(Algorithm::Sha256, Some(&full)).is_err());
        assert!(Kind::of(Algorithm::Crc64nvme, Some(&composite)).is_err());
        assert_eq!(Kind::of(Algorithm::Crc32, None).unwrap(), Kind::Composite);
        assert_eq!(Kind::of(Algorithm::Crc64nvme, None).unwrap(), Kind::FullObject);
    }

    /// Promise 5: data that is not what its sender says is refused.
    #[test]
    fn wrong_digests_are_refused() {
        let content = digest(b"data");
        let md5 = |bytes: &[u8]| Expected { md5: Some(BASE64.encode(bytes)), ..Expected::default() };
        md5(&content.md5).verify(&content).unwrap();
        assert_eq!(md5(&[0; 16]).verify(&content).unwrap_err().code().as_str(), "BadDigest");
        assert_eq!(md5(&[0; 4]).verify(&content).unwrap_err().code().as_str(), "InvalidDigest");
        let mut expected = Expected::default();
        expected.checksums.set(Algorithm::Crc32, Some("AAAAAA==".to_owned()));
        assert_eq!(expected.verify(&content).unwrap_err().code().as_str(), "BadDigest");
    }
}
