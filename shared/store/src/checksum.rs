//! Checksums as values, and a hasher that computes them as bytes pass.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};

/// Text that is not a checksum of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {digits} hex digits of a {kind}")]
pub struct InvalidChecksum {
    kind: &'static str,
    digits: usize,
    value: String,
}

macro_rules! checksum {
    ($(#[$doc:meta])+ $name:ident, $bytes:literal, $kind:literal) => {
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The checksum's bytes, most significant first.
            pub fn bytes(&self) -> &[u8] {
                &self.0
            }

            /// The checksum as S3's headers have it.
            pub fn base64(&self) -> String {
                BASE64.encode(self.0)
            }
        }

        impl From<[u8; $bytes]> for $name {
            fn from(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }
        }

        impl FromStr for $name {
            type Err = InvalidChecksum;

            fn from_str(value: &str) -> Result<Self, InvalidChecksum> {
                let mut bytes = [0; $bytes];
                match hex::decode_to_slice(value, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => Err(InvalidChecksum {
                        kind: $kind,
                        digits: 2 * $bytes,
                        value: value.chars().take(80).collect(),
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidChecksum;

            fn try_from(value: String) -> Result<Self, InvalidChecksum> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(checksum: $name) -> String {
                checksum.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

checksum! {
    /// CRC-32 (ISO-HDLC): what ZIP and gzip keep of their content.
    Crc32, 4, "CRC-32"
}
checksum! {
    /// CRC-64/NVME: what S3 keeps of every object.
    Crc64Nvme, 8, "CRC-64/NVME"
}
checksum! {
    /// SHA-256.
    Sha256, 32, "SHA-256"
}
checksum! {
    /// MD5: what stores without CRC-64/NVME hold bytes against on their way. It proves nothing against malice.
    Md5, 16, "MD5"
}

impl From<u32> for Crc32 {
    fn from(value: u32) -> Self {
        Self(value.to_be_bytes())
    }
}

impl From<Crc32> for u32 {
    fn from(checksum: Crc32) -> u32 {
        u32::from_be_bytes(checksum.0)
    }
}

impl From<u64> for Crc64Nvme {
    fn from(value: u64) -> Self {
        Self(value.to_be_bytes())
    }
}

impl Crc64Nvme {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).into()
    }

    /// The checksum of two runs of bytes, one behind the other, from the checksum of each.
    #[must_use]
    pub fn followed_by(self, next: Self, next_length: u64) -> Self {
        let (this, next) = (u64::from_be_bytes(self.0), u64::from_be_bytes(next.0));
        crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, this, next, next_length).into()
    }
}

impl Sha256 {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl Md5 {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(md5::Md5::digest(bytes).into())
    }
}

/// Computes an MD5 as bytes pass.
#[derive(Debug, Clone, Default)]
pub struct Md5Hasher(md5::Md5);

impl Md5Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that it has seen.
    pub fn finish(self) -> Md5 {
        Md5(self.0.finalize().into())
    }
}

/// Computes a CRC-64/NVME as bytes pass.
#[derive(Debug, Clone)]
pub(crate) struct Crc64NvmeHasher(CrcDigest);

impl Default for Crc64NvmeHasher {
    fn default() -> Self {
        Self(CrcDigest::new(CrcAlgorithm::Crc64Nvme))
    }
}

impl Crc64NvmeHasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that it has seen.
    pub(crate) fn finish(&self) -> Crc64Nvme {
        self.0.finalize().into()
    }
}

/// The CRC-32C (iSCSI) of these bytes, as S3's headers have it.
pub(crate) fn crc32c_base64(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes);
    // The algorithm has 32 bits: the others are zero.
    BASE64.encode(crc.to_be_bytes().get(4..).unwrap_or_default())
}

/// Computes an object's checksums as its bytes pass.
#[derive(Clone)]
pub struct Hasher {
    size: u64,
    crc32: crc32fast::Hasher,
    /// The checksum of what was seen before `crc64nvme` began.
    crc64nvme_before: Crc64Nvme,
    crc64nvme: CrcDigest,
    sha256: Option<sha2::Sha256>,
}

/// What a [`Hasher`] has seen, of bytes of which more come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HasherState {
    size: u64,
    crc32: Crc32,
    crc64nvme: Crc64Nvme,
    /// The state between two blocks and what has come of the next, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// What a [`Hasher`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksums {
    /// How many bytes.
    pub size: u64,
    /// Their CRC-32.
    pub crc32: Crc32,
    /// Their CRC-64/NVME.
    pub crc64nvme: Crc64Nvme,
    /// Their SHA-256, where it was asked for.
    pub sha256: Option<Sha256>,
}

impl Hasher {
    /// A hasher that has seen nothing. SHA-256 costs a third of what landing costs, so it is asked for.
    pub fn new(with_sha256: bool) -> Self {
        Self {
            size: 0,
            crc32: crc32fast::Hasher::new(),
            crc64nvme_before: Crc64Nvme::of(&[]),
            crc64nvme: CrcDigest::new(CrcAlgorithm::Crc64Nvme),
            sha256: with_sha256.then(sha2::Sha256::new),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.crc32.update(bytes);
        self.crc64nvme.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// How many bytes it has seen.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it has seen, for another invocation to go on with.
    pub fn state(&self) -> HasherState {
        HasherState {
            size: self.size,
            crc32: self.crc32.clone().finalize().into(),
            crc64nvme: self.seen_crc64nvme(),
            sha256: self.sha256.as_ref().map(|sha256| hex::encode(sha256.serialize())),
        }
    }

    /// A hasher that goes on where another has stopped; `None` where its state is no state.
    pub fn resumed(state: &HasherState) -> Option<Self> {
        let sha256 = state.sha256.as_ref().map(|text| {
            let bytes = hex::decode(text).ok()?;
            let state = SerializedState::<sha2::Sha256>::try_from(bytes.as_slice()).ok()?;
            sha2::Sha256::deserialize(&state).ok()
        });
        Some(Self {
            size: state.size,
            crc32: crc32fast::Hasher::new_with_initial_len(state.crc32.into(), state.size),
            crc64nvme_before: state.crc64nvme,
            crc64nvme: CrcDigest::new(CrcAlgorithm::Crc64Nvme),
            sha256: match sha256 {
                Some(None) => return None,
                sha256 => sha256.flatten(),
            },
        })
    }

    fn seen_crc64nvme(&self) -> Crc64Nvme {
        self.crc64nvme_before.followed_by(self.crc64nvme.finalize().into(), self.crc64nvme.get_amount())
    }

    /// The checksums of everything that it has seen.
    pub fn finish(self) -> Checksums {
        Checksums {
            size: self.size,
            crc64nvme: self.seen_crc64nvme(),
            crc32: self.crc32.finalize().into(),
            sha256: self.sha256.map(|sha256| Sha256(sha256.finalize().into())),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hasher").field("size", &self.size).finish_non_exhaustive()
    }
}

/// An object as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectDigest {
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-64/NVME.
    pub crc64nvme: Crc64Nvme,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 4: the checksums are the standard ones (check values of the CRC catalogue and of FIPS 180).
    #[test]
    fn checksums_have_their_published_check_values() {
        let mut hasher = Hasher::new(true);
        hasher.update(b"1234");
        hasher.update(b"56789");
        let sums = hasher.finish();
        assert_eq!(sums.size, 9);
        assert_eq!(sums.crc32.to_string(), "cbf43926");
        assert_eq!(sums.crc64nvme.to_string(), "ae8b14860a799888");
        assert_eq!(
            sums.sha256.unwrap().to_string(),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        // RFC 1321, A.5.
        assert_eq!(Md5::of(b"message digest").to_string(), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    /// Promise 2: a hasher that goes on where another stopped, anywhere, sees what one sees; what is no state is none.
    #[test]
    fn a_hasher_goes_on_from_a_state_that_was_kept() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let whole = |with_sha256| {
            let mut hasher = Hasher::new(with_sha256);
            hasher.update(&bytes);
            hasher.finish()
        };
        for (with_sha256, cut) in [(true, 0), (true, 63), (true, 64), (true, 700), (false, 700), (true, 1000)]
        {
            let (first, second) = bytes.split_at(cut);
            let mut hasher = Hasher::new(with_sha256);
            hasher.update(first);
            let kept = serde_json::to_string(&hasher.state()).unwrap();
            let mut hasher = Hasher::resumed(&serde_json::from_str(&kept).unwrap()).unwrap();
            assert_eq!(hasher.size(), u64::try_from(cut).unwrap());
            hasher.update(second);
            assert_eq!(hasher.finish(), whole(with_sha256), "cut at {cut}");
        }
        for sha256 in ["zz", "00"] {
            let state = HasherState { sha256: Some(sha256.to_owned()), ..Hasher::new(true).state() };
            assert!(Hasher::resumed(&state).is_none(), "{sha256}");
        }
    }

    /// A multipart object's checksum comes from its parts', without reading them again.
    #[test]
    fn crc64_of_two_parts_is_that_of_the_whole() {
        let whole = Crc64Nvme::of(b"123456789");
        assert_eq!(Crc64Nvme::of(b"1234").followed_by(Crc64Nvme::of(b"56789"), 5), whole);
    }

    /// A server's checksum is parsed, not trusted: anything but hex of the right length is refused.
    #[test]
    fn malformed_checksums_are_refused() {
        assert!("zz".parse::<Crc32>().is_err());
        assert!("cbf439261".parse::<Crc32>().is_err());
        assert_eq!("CBF43926".parse::<Crc32>().unwrap().to_string(), "cbf43926");
    }
}
