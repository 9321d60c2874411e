//! RSA keys as administrators have them, and what is signed with them.

mod encrypted;
mod error;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaEncoding, RsaKeyPair};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

pub use error::RsaKeyError;

/// PKCS #8 (RFC 5958), as `openssl genpkey` writes it.
const PKCS8: &str = "PRIVATE KEY";
/// PKCS #1 (RFC 8017), as older programs write it.
const PKCS1: &str = "RSA PRIVATE KEY";
/// PKCS #8 that a passphrase encrypts.
const ENCRYPTED_PKCS8: &str = "ENCRYPTED PRIVATE KEY";
/// The size of a key that is made here, in bits: what Oracle's own clients make for a session.
const GENERATED_BITS: usize = 2048;

/// A private RSA key.
pub struct RsaKey(RsaKeyPair);

impl fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RsaKey({} bits)", 8 * self.0.public().modulus_len())
    }
}

impl RsaKey {
    /// The first private key of a text in PEM; line ends and what stands around it do not matter.
    pub fn from_pem(pem: &SecretString) -> Result<Self, RsaKeyError> {
        Self::from_pem_with(pem, None)
    }

    /// The same of a key that may be encrypted; a passphrase that is not needed does no harm.
    pub(crate) fn from_pem_with(
        pem: &SecretString,
        passphrase: Option<&SecretString>,
    ) -> Result<Self, RsaKeyError> {
        let text = pem.expose_secret();
        let labelled = |known: &[&str]| blocks(text).find(|(label, _)| known.contains(label));
        let (label, body) = labelled(&[PKCS8, PKCS1])
            .or_else(|| labelled(&[ENCRYPTED_PKCS8]))
            .ok_or_else(|| what_instead(blocks(text).map(|(label, _)| label)))?;
        let is_encrypted = label == ENCRYPTED_PKCS8 || body.contains("ENCRYPTED");
        if !is_encrypted {
            let key = match label {
                PKCS8 => RsaKeyPair::from_pkcs8(&der(body)?),
                _ => RsaKeyPair::from_der(&der(body)?),
            };
            return key.map(Self).map_err(|rejected| why(&rejected));
        }
        let passphrase = passphrase.ok_or(RsaKeyError::Encrypted)?;
        let key = match label {
            ENCRYPTED_PKCS8 => RsaKeyPair::from_pkcs8(&encrypted::decrypt_pkcs8(&der(body)?, passphrase)?),
            _ => {
                let (_, body) = body.split_once("DEK-Info:").ok_or(RsaKeyError::OtherCipher)?;
                let (info, body) =
                    body.trim_start().split_once(char::is_whitespace).ok_or(RsaKeyError::OtherCipher)?;
                RsaKeyPair::from_der(&encrypted::decrypt_traditional(info, &der(body)?, passphrase)?)
            }
        };
        key.map(Self).map_err(|rejected| match why(&rejected) {
            // A wrong passphrase may leave what ends as a plain text does.
            RsaKeyError::Damaged(_) => RsaKeyError::WrongPassphrase,
            other => other,
        })
    }

    /// A new key of 2,048 bits: ring makes none.
    pub(crate) fn generate() -> Option<Self> {
        let key = rsa::PrivateKey::new(&mut getrandom::SysRng, GENERATED_BITS).ok()?;
        let der = key.to_pkcs8_der().ok()?;
        RsaKeyPair::from_pkcs8(der.as_bytes()).ok().map(Self)
    }

    /// The public key as DER (`SubjectPublicKeyInfo`).
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let public = rsa::PublicKey::from_pkcs1_der(self.0.public().as_ref());
        let der = public.ok().and_then(|public| public.to_public_key_der().ok());
        der.map(|der| der.into_vec()).unwrap_or_default()
    }

    /// The signature of a message: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017), which JWS calls RS256.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, RsaKeyError> {
        self.sign(&RSA_PKCS1_SHA256, message)
    }

    /// The same with SHA-384, which JWS calls RS384.
    pub fn sign_sha384(&self, message: &[u8]) -> Result<Vec<u8>, RsaKeyError> {
        self.sign(&RSA_PKCS1_SHA384, message)
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, RsaKeyError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| RsaKeyError::NotSigned)?;
        Ok(signature)
    }
}

/// What stands in a block in base64, its headers left out.
fn der(body: &str) -> Result<Zeroizing<Vec<u8>>, RsaKeyError> {
    let lines = body.lines().filter(|line| !line.contains(':'));
    let base64: Zeroizing<String> = Zeroizing::new(lines.flat_map(str::split_whitespace).collect());
    BASE64.decode(base64.as_bytes()).map(Zeroizing::new).map_err(|_| RsaKeyError::NotBase64)
}

/// The blocks of a text in PEM: what each is called, and what is in it.
///
/// Keys arrive through variables and forms that leave of their line ends what they like, so they are not read by lines.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (label, rest) = block.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        Some((label, body))
    })
}

/// What a text without an RSA key holds instead.
fn what_instead<'a>(labels: impl Iterator<Item = &'a str>) -> RsaKeyError {
    let known = labels.filter_map(|label| match label {
        "EC PRIVATE KEY" | "DSA PRIVATE KEY" | "OPENSSH PRIVATE KEY" => Some(RsaKeyError::OtherKind),
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => Some(RsaKeyError::Public),
        _ => None,
    });
    known.last().unwrap_or(RsaKeyError::NoKey)
}

/// What a person can do about a key that ring rejects.
fn why(rejected: &KeyRejected) -> RsaKeyError {
    match rejected.to_string().as_str() {
        "TooSmall" | "TooLarge" | "PrivateModulusLenNotMultipleOf512Bits" => RsaKeyError::Size,
        "WrongAlgorithm" => RsaKeyError::OtherKind,
        "InconsistentComponents" | "InvalidComponent" => {
            RsaKeyError::Damaged("its numbers do not fit together")
        }
        _ => RsaKeyError::Damaged("its DER cannot be read"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };

    use super::*;

    /// A key of nobody's, for tests, as `openssl genpkey` has made it: ring makes none.
    pub(crate) const TEST_KEY: &str = include_str!("test_key.pem");
    /// What precedes an RSA key of 2048 bits in PKCS #8.
    const PKCS8_HEAD: usize = 26;

    fn base64_of(pem: &str) -> String {
        pem.lines().filter(|line| !line.starts_with('-')).collect()
    }

    fn pem(label: &str, base64: &str, between: &str) -> String {
        format!("-----BEGIN {label}-----{between}{base64}{between}-----END {label}-----{between}")
    }

    fn read(text: impl Into<SecretString>) -> Result<RsaKey, RsaKeyError> {
        RsaKey::from_pem(&text.into())
    }

    /// A message that this key has signed is one that its public half verifies; nothing of the key is shown.
    #[track_caller]
    fn signs(key: &RsaKey) {
        let signature = key.sign_sha256(b"a message").unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.0.public().as_ref());
        public.verify(b"a message", &signature).unwrap();
        public.verify(b"another", &signature).unwrap_err();
        assert_eq!(format!("{key:?}"), "RsaKey(2048 bits)");
    }

    /// RFC 8017: the scheme has one signature for a message, the one that `openssl dgst -sha256 -sign` writes.
    #[test]
    fn a_signature_is_what_openssl_makes_it() {
        let signature = read(TEST_KEY).unwrap().sign_sha256(b"a message").unwrap();
        assert_eq!(BASE64.encode(signature), include_str!("test_signature.txt").trim());
    }

    /// A key is taken in both of its forms, and however a form or a variable has passed it on.
    #[test]
    fn a_key_is_taken_as_it_arrives() {
        let base64 = base64_of(TEST_KEY);
        let pkcs1 = BASE64.encode(&BASE64.decode(&base64).unwrap()[PKCS8_HEAD..]);
        let public = pem("PUBLIC KEY", "AAAA", "\n");
        for text in [
            TEST_KEY.to_owned(),
            TEST_KEY.replace('\n', "\r\n"),
            TEST_KEY.replace('\n', " "),
            TEST_KEY.replace('\n', "\n    "),
            pem(PKCS8, &base64, ""),
            pem(PKCS1, &pkcs1, "\n"),
            format!("Bag Attributes\n    friendlyName: key\n{public}{TEST_KEY}OCI_API_KEY"),
        ] {
            signs(&read(text).unwrap());
        }
    }

    /// Whoever gives the wrong file is told which one it is.
    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let base64 = base64_of(TEST_KEY);
        let mut der = BASE64.decode(&base64).unwrap();
        der[100] ^= 1;
        let old = "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
        for (text, error) in [
            ("no PEM".to_owned(), RsaKeyError::NoKey),
            (TEST_KEY.replace("-----END", ""), RsaKeyError::NoKey),
            (pem("PRIVATE KEYS", &base64, "\n"), RsaKeyError::NoKey),
            (pem("PUBLIC KEY", &base64, "\n"), RsaKeyError::Public),
            (pem("CERTIFICATE", &base64, "\n"), RsaKeyError::Public),
            (pem("ENCRYPTED PRIVATE KEY", &base64, "\n"), RsaKeyError::Encrypted),
            (pem(PKCS1, &base64, old), RsaKeyError::Encrypted),
            (pem("EC PRIVATE KEY", &base64, "\n"), RsaKeyError::OtherKind),
            (pem(PKCS8, &BASE64.encode(ec.as_ref()), "\n"), RsaKeyError::OtherKind),
            (pem(PKCS8, &base64[1..], "\n"), RsaKeyError::NotBase64),
            (pem(PKCS8, &BASE64.encode(&der[..400]), "\n"), RsaKeyError::Damaged("its DER cannot be read")),
            (pem(PKCS8, &BASE64.encode(der), "\n"), RsaKeyError::Damaged("its numbers do not fit together")),
        ] {
            let said = read(text).map(|_| ()).unwrap_err();
            assert_eq!(said, error);
            assert!(!said.to_string().contains(&base64[..8]), "{said}");
        }
    }
}
