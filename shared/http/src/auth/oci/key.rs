//! RSA keys: read from PEM as OpenSSL and Oracle's own tools write it, made, and signed with.

use std::fmt;
use std::sync::Arc;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{self, DecodePrivateKey as _, EncodePublicKey as _, EncryptedPrivateKeyInfoRef, pkcs5};
use rsa::sha2::Sha256;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

/// The size of a session key, in bits: what Oracle's own clients make.
const SESSION_KEY_BITS: usize = 2048;

/// A private key that signs.
#[derive(Clone)]
pub(super) struct PrivateKey(Arc<rsa::PrivateKey>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey")
    }
}

/// Why a text is no key that signs.
pub(super) type Unusable = &'static str;

const NO_KEY: Unusable = "is no RSA private key in PEM";
const ENCRYPTED: Unusable = "is encrypted: its passphrase is missing (`pass_phrase` of the profile)";
const WRONG_PASSPHRASE: Unusable = "cannot be decrypted: the passphrase is wrong";
const OTHER_CIPHER: Unusable =
    "is encrypted in a way that is not supported: convert it by `openssl pkcs8 -topk8`";

impl PrivateKey {
    /// A key in PEM: PKCS#1 or PKCS#8, each plain or encrypted. A passphrase that is not needed does no harm.
    pub(super) fn from_pem(pem: &SecretString, passphrase: Option<&SecretString>) -> Result<Self, Unusable> {
        let pem = Pem::parse(pem.expose_secret()).ok_or(NO_KEY)?;
        let key = match (pem.label, pem.cipher) {
            ("PRIVATE KEY", _) => rsa::PrivateKey::from_pkcs8_der(&pem.der).map_err(|_| NO_KEY),
            ("RSA PRIVATE KEY", None) => rsa::PrivateKey::from_pkcs1_der(&pem.der).map_err(|_| NO_KEY),
            ("RSA PRIVATE KEY", Some(cipher)) => {
                let der = cipher.decrypt(&pem.der, passphrase.ok_or(ENCRYPTED)?)?;
                rsa::PrivateKey::from_pkcs1_der(&der).map_err(|_| WRONG_PASSPHRASE)
            }
            ("ENCRYPTED PRIVATE KEY", _) => decrypted(&pem.der, passphrase.ok_or(ENCRYPTED)?),
            ("PUBLIC KEY" | "RSA PUBLIC KEY", _) => Err("is a public key: name the private one"),
            _ => Err(NO_KEY),
        };
        key.map(|key| Self(Arc::new(key)))
    }

    /// A new key for one session.
    pub(super) fn generate() -> Result<Self, Unusable> {
        let key = rsa::PrivateKey::new(&mut getrandom::SysRng, SESSION_KEY_BITS);
        key.map(|key| Self(Arc::new(key))).map_err(|_| "cannot be made")
    }

    /// The public key as DER (`SubjectPublicKeyInfo`).
    pub(super) fn public_der(&self) -> Vec<u8> {
        self.0.to_public_key().to_public_key_der().map(|der| der.into_vec()).unwrap_or_default()
    }

    /// What OCI calls the key: the MD5 of the public key's DER, in hex with colons.
    pub(super) fn fingerprint(&self) -> String {
        with_colons(&Md5::digest(self.public_der()))
    }

    /// The signature of a text: RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn sign(&self, text: &str) -> Result<Vec<u8>, Unusable> {
        self.0.pkcs1v15_sign::<Sha256>(text.as_bytes()).map_err(|_| "cannot sign")
    }
}

/// Bytes in lower-case hex with colons between.
pub(super) fn with_colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The DER of the first block of a PEM with this label.
pub(super) fn der_of(pem: &str, label: &str) -> Option<Vec<u8>> {
    Pem::parse(pem).filter(|pem| pem.label == label).map(|pem| pem.der.to_vec())
}

fn decrypted(der: &[u8], passphrase: &SecretString) -> Result<rsa::PrivateKey, Unusable> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| OTHER_CIPHER)?;
    let plain = info.decrypt(passphrase.expose_secret()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) => WRONG_PASSPHRASE,
        _ => OTHER_CIPHER,
    })?;
    rsa::PrivateKey::from_pkcs8_der(plain.as_bytes()).map_err(|_| WRONG_PASSPHRASE)
}

/// The first block of a PEM. What follows it, as the line `OCI_API_KEY` that Oracle's tools write, is not looked at.
struct Pem<'a> {
    label: &'a str,
    /// How it is encrypted, where its headers say so.
    cipher: Option<TraditionalCipher>,
    der: Zeroizing<Vec<u8>>,
}

impl<'a> Pem<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (_, text) = text.split_once("-----BEGIN ")?;
        let (label, text) = text.split_once("-----")?;
        let (body, _) = text.split_once("-----END ")?;
        let (headers, body): (Vec<&str>, Vec<&str>) = body.lines().partition(|line| line.contains(':'));
        let cipher = headers.iter().find_map(|line| line.trim().strip_prefix("DEK-Info:"));
        let base64: Zeroizing<String> =
            Zeroizing::new(body.iter().flat_map(|line| line.split_whitespace()).collect());
        Some(Self {
            label,
            cipher: cipher.map(TraditionalCipher::parse),
            der: Zeroizing::new(BASE64.decode(base64.as_bytes()).ok()?),
        })
    }
}

/// How OpenSSL encrypted keys before PKCS#8: a cipher in CBC mode, and its first vector, which is the salt, too.
struct TraditionalCipher {
    name: String,
    iv: Option<[u8; 16]>,
}

impl TraditionalCipher {
    fn parse(info: &str) -> Self {
        let (name, iv) = info.trim().split_once(',').unwrap_or((info.trim(), ""));
        let iv = hex::decode(iv.trim()).ok().and_then(|iv| iv.try_into().ok());
        Self { name: name.trim().to_ascii_uppercase(), iv }
    }

    fn decrypt(&self, der: &[u8], passphrase: &SecretString) -> Result<Zeroizing<Vec<u8>>, Unusable> {
        let iv = self.iv.ok_or(OTHER_CIPHER)?;
        let key_bytes = match self.name.as_str() {
            "AES-128-CBC" => 16,
            "AES-192-CBC" => 24,
            "AES-256-CBC" => 32,
            _ => return Err(OTHER_CIPHER),
        };
        let key = key_of(passphrase, &iv, key_bytes);
        let plain = match key_bytes {
            16 => cbc_decrypted::<cbc::Decryptor<aes::Aes128>>(&key, &iv, der),
            24 => cbc_decrypted::<cbc::Decryptor<aes::Aes192>>(&key, &iv, der),
            _ => cbc_decrypted::<cbc::Decryptor<aes::Aes256>>(&key, &iv, der),
        };
        plain.map(Zeroizing::new).ok_or(WRONG_PASSPHRASE)
    }
}

fn cbc_decrypted<C: BlockModeDecrypt + KeyIvInit>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    C::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(bytes).ok()
}

/// The key that OpenSSL derives from a passphrase (`EVP_BytesToKey` with MD5 and one round).
pub(super) fn key_of(passphrase: &SecretString, iv: &[u8; 16], length: usize) -> Zeroizing<Vec<u8>> {
    let salt = iv.get(..8).unwrap_or_default();
    let mut key = Zeroizing::new(Vec::with_capacity(length.saturating_add(16)));
    let mut block = Vec::new();
    while key.len() < length {
        let mut md5 = Md5::new();
        md5.update(&block);
        md5.update(passphrase.expose_secret().as_bytes());
        md5.update(salt);
        block = md5.finalize().to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    key
}
