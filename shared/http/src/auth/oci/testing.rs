//! For tests: somebody who signs by a key that was made for them.

#![expect(clippy::unwrap_used, reason = "a test's helper says what is wrong by panicking")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};

use super::{Environment, PrincipalSettings};

/// The tenancy, the user and the region of a test's profile.
pub const TENANCY: &str = "ocid1.tenancy.oc1..test";
/// The user of a test's profile.
pub const USER: &str = "ocid1.user.oc1..test";
/// The region of a test's profile.
pub const REGION: &str = "us-phoenix-1";

/// A key that is made once a process: making one takes the longest of all.
pub fn key() -> &'static rsa::PrivateKey {
    static KEY: OnceLock<rsa::PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).unwrap())
}

/// The key in PEM (PKCS#8).
pub fn pem() -> String {
    key().to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

/// The public key in PEM, which whoever verifies is given.
pub fn public_pem() -> String {
    key().to_public_key().to_public_key_pem(LineEnding::LF).unwrap()
}

/// The key's fingerprint.
pub fn fingerprint() -> String {
    super::key::PrivateKey::from_pem(&pem().into(), None).unwrap().fingerprint()
}

/// A file of profiles and its key in a folder, as `oci setup config` writes them; the file's path.
pub fn config_file(folder: &Path) -> String {
    let (config, key_file) = (folder.join("config"), folder.join("key.pem"));
    fs::write(&key_file, pem()).unwrap();
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
