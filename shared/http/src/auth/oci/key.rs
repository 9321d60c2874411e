//! The keys of principals: what OCI calls them, and what is done about those that do not sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use secrecy::SecretString;

use super::error::PrincipalError;
use crate::rsa::{RsaKey, RsaKeyError};

/// The key of somebody, from PEM. A passphrase that is not needed does no harm.
pub(super) fn read(
    pem: &SecretString,
    passphrase: Option<&SecretString>,
    of: &str,
) -> Result<RsaKey, PrincipalError> {
    RsaKey::from_pem_with(pem, passphrase).map_err(|error| {
        let reason = match error {
            RsaKeyError::Encrypted => {
                "it is encrypted: its passphrase is missing (`pass_phrase` of the profile)".to_owned()
            }
            error => error.to_string(),
        };
        PrincipalError::Key { of: of.to_owned(), reason }
    })
}

/// A new key for one session of somebody.
pub(super) async fn generate(of: &str) -> Result<RsaKey, PrincipalError> {
    // That takes a tenth of a second, for which others would wait.
    let key = tokio::task::spawn_blocking(RsaKey::generate).await.ok().flatten();
    let reason = || "one for this session cannot be made".to_owned();
    key.ok_or_else(|| PrincipalError::Key { of: of.to_owned(), reason: reason() })
}

/// What OCI calls a key: the MD5 of the public key's DER, in hex with colons.
pub(super) fn fingerprint(key: &RsaKey) -> String {
    with_colons(&Md5::digest(key.public_der()))
}

/// Bytes in lower-case hex with colons between.
pub(super) fn with_colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The DER of the first block of a PEM, if it has this label.
pub(super) fn der_of(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, body) = crate::rsa::blocks(pem).next().filter(|(found, _)| *found == label)?;
    BASE64.decode(body.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::oci::testing::PEM;

    /// A key is called what Oracle's console calls it: `openssl rsa -pubout -outform DER | openssl md5 -c`.
    #[test]
    fn a_fingerprint_is_oracles() {
        let print = fingerprint(&RsaKey::from_pem(&PEM.into()).unwrap());
        assert_eq!(print, "e7:e4:f0:6a:bc:77:17:8f:09:d1:40:05:83:9a:7c:c7");
    }
}
