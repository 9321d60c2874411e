//! Ids, as FOLIO has them.

use sha2::{Digest, Sha256};

/// A UUID that a text alone decides.
pub(super) fn uuid_of(text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
