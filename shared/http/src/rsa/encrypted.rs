//! Keys that a passphrase encrypts, as OpenSSL writes them: ring reads plain ones alone.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use md5::{Digest as _, Md5};
use rsa::pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::error::RsaKeyError;

type Plain = Zeroizing<Vec<u8>>;

/// The PKCS #8 that is in an encrypted one (RFC 5958, RFC 8018).
pub(super) fn decrypt_pkcs8(der: &[u8], passphrase: &SecretString) -> Result<Plain, RsaKeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| RsaKeyError::OtherCipher)?;
    let plain = info.encryption_algorithm.decrypt(passphrase.expose_secret(), info.encrypted_data.as_bytes());
    plain.map(Zeroizing::new).map_err(|error| match error {
        pkcs5::Error::DecryptFailed => RsaKeyError::WrongPassphrase,
        _ => RsaKeyError::OtherCipher,
    })
}

/// The PKCS #1 that OpenSSL encrypted before PKCS #8: `info` is its header `DEK-Info`, a cipher in CBC mode and its first
/// vector, which is the salt, too.
pub(super) fn decrypt_traditional(
    info: &str,
    der: &[u8],
    passphrase: &SecretString,
) -> Result<Plain, RsaKeyError> {
    let (name, iv) = info.split_once(',').ok_or(RsaKeyError::OtherCipher)?;
    let iv = hex::decode(iv).ok().and_then(|iv| <[u8; 16]>::try_from(iv).ok());
    let iv = iv.ok_or(RsaKeyError::OtherCipher)?;
    let key = |length| key_of(passphrase, &iv, length);
    let plain = match name.to_ascii_uppercase().as_str() {
        "AES-128-CBC" => cbc_decrypted::<cbc::Decryptor<aes::Aes128>>(&key(16), &iv, der),
        "AES-192-CBC" => cbc_decrypted::<cbc::Decryptor<aes::Aes192>>(&key(24), &iv, der),
        "AES-256-CBC" => cbc_decrypted::<cbc::Decryptor<aes::Aes256>>(&key(32), &iv, der),
        _ => return Err(RsaKeyError::OtherCipher),
    };
    plain.map(Zeroizing::new).ok_or(RsaKeyError::WrongPassphrase)
}

fn cbc_decrypted<C: BlockModeDecrypt + KeyIvInit>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    C::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(bytes).ok()
}

/// The key that OpenSSL derives from a passphrase (`EVP_BytesToKey` with MD5 and one round).
fn key_of(passphrase: &SecretString, iv: &[u8; 16], length: usize) -> Plain {
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    use rsa::pkcs8::der::asn1::OctetStringRef;
    use rsa::pkcs8::pkcs5::pbes2::Parameters;
    use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding, SecretDocument};

    use super::*;
    use crate::rsa::RsaKey;
    use crate::rsa::tests::TEST_KEY;

    const WORD: &str = "correct horse";

    fn key() -> rsa::PrivateKey {
        rsa::PrivateKey::from_pkcs8_pem(TEST_KEY).unwrap()
    }

    /// The key as OpenSSL encrypted keys before PKCS #8.
    fn traditional() -> String {
        use aes::cipher::BlockModeEncrypt as _;
        let iv = [0x26; 16];
        let cipher =
            cbc::Encryptor::<aes::Aes256>::new_from_slices(&key_of(&WORD.into(), &iv, 32), &iv).unwrap();
        let der = cipher.encrypt_padded_vec::<Pkcs7>(key().to_pkcs1_der().unwrap().as_bytes());
        let body = BASE64.encode(der);
        let lines: Vec<_> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{}\n\n{}\n-----END RSA PRIVATE KEY-----\n",
            hex::encode_upper(iv),
            lines.join("\n")
        )
    }

    /// The key as OpenSSL encrypts keys by now: PBKDF2 with HMAC-SHA-256, and AES-256 in CBC mode.
    fn pkcs8() -> String {
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(2048, &[7; 16], [9; 16]).unwrap();
        let encrypted = parameters.encrypt(WORD, key().to_pkcs8_der().unwrap().as_bytes()).unwrap();
        let info = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetStringRef::new(&encrypted).unwrap(),
        };
        let document = SecretDocument::try_from(info).unwrap();
        document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap().to_string()
    }

    fn read(pem: &str, word: Option<&str>) -> Result<Vec<u8>, RsaKeyError> {
        let key = RsaKey::from_pem_with(&pem.into(), word.map(SecretString::from).as_ref());
        key?.sign_sha256(b"a message")
    }

    /// A passphrase gives the key that OpenSSL derives from it: `openssl enc -aes-256-cbc -md md5 -P -S 0011223344556677`.
    #[test]
    fn a_passphrase_gives_openssls_key() {
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&[0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
        let key = key_of(&WORD.into(), &salt, 32);
        assert_eq!(hex::encode(&*key), "13f757c8d3e8d3f88716b4a4e35a2e671708580c6252587bc7bc0a45e92f453f");
    }

    /// An encrypted key signs as the plain one does, however it has been passed on; one that cannot be decrypted says why.
    #[test]
    fn encrypted_keys_are_read_by_their_passphrase() {
        let signature = read(TEST_KEY, None).unwrap();
        assert_eq!(read(TEST_KEY, Some("of another profile")).unwrap(), signature);
        for pem in [traditional(), pkcs8()] {
            for pem in [pem.clone(), pem.replace('\n', "\r\n"), pem.replace('\n', " ")] {
                assert_eq!(read(&pem, Some(WORD)).unwrap(), signature, "{pem}");
            }
            assert_eq!(read(&pem, None), Err(RsaKeyError::Encrypted));
            assert_eq!(read(&pem, Some("wrong")), Err(RsaKeyError::WrongPassphrase));
        }
        let des = traditional().replace("AES-256-CBC", "DES-EDE3-CBC");
        assert_eq!(read(&des, Some(WORD)), Err(RsaKeyError::OtherCipher));
    }
}
