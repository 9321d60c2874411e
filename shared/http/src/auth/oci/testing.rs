//! For tests: somebody who signs by a key that was made for them.

#![expect(clippy::unwrap_used, reason = "a test's helper says what is wrong by panicking")]

use std::fs;
use std::path::Path;

use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};

use super::{Environment, PrincipalSettings};
use crate::rsa::RsaKey;

/// The tenancy, the user and the region of a test's profile.
pub const TENANCY: &str = "ocid1.tenancy.oc1..test";
/// The user of a test's profile.
pub const USER: &str = "ocid1.user.oc1..test";
/// The region of a test's profile.
pub const REGION: &str = "us-phoenix-1";

/// A key of nobody's in PEM (PKCS #8): making one takes the longest of all.
pub const PEM: &str = include_str!("../../test_key.pem");

fn key() -> RsaKey {
    RsaKey::from_pem(&PEM.into()).unwrap()
}

/// The public key as DER, which whoever verifies is given.
pub fn public_der() -> Vec<u8> {
    key().public_der()
}

/// The public key in PEM, which whoever verifies is given.
pub fn public_pem() -> String {
    rsa::PublicKey::from_public_key_der(&public_der()).unwrap().to_public_key_pem(LineEnding::LF).unwrap()
}

/// The key's fingerprint.
pub fn fingerprint() -> String {
    super::key::fingerprint(&key())
}

/// A file of profiles and its key in a folder, as `oci setup config` writes them; the file's path.
pub fn config_file(folder: &Path) -> String {
    let (config, key_file) = (folder.join("config"), folder.join("key.pem"));
    fs::write(&key_file, PEM).unwrap();
    let text = format!(
        "[DEFAULT]\nuser={USER}\ntenancy={TENANCY}\nregion={REGION}\nfingerprint={}\nkey_file={}\n",
        fingerprint(),
        key_file.display()
    );
    fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

/// The principal of such a profile, whatever the environment says.
pub fn api_key(folder: &Path) -> PrincipalSettings {
    PrincipalSettings {
        config_file: Some(config_file(folder).into()),
        environment: Environment::of([]),
        ..PrincipalSettings::default()
    }
}
