//! A user of a tenancy that there is not, for whoever wants to call OCI's own API here.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use s3s::crypto::{Checksum as _, Md5};

use super::access::OciAccess;
use crate::Error;

const NAMESPACE: &str = "embedded";
const TENANCY: &str = "ocid1.tenancy.oc1..embedded";
const USER: &str = "ocid1.user.oc1..embedded";
const REGION: &str = "us-phoenix-1";
const KEY_BITS: usize = 2048;

/// A user and the file with its profile, `DEFAULT`, which Oracle's own clients read.
#[derive(Debug, Clone)]
pub struct OciUser {
    /// What the store verifies its calls by.
    pub access: OciAccess,
    /// The file with its profile.
    pub config_file: PathBuf,
}

impl OciUser {
    /// The user whose profile and key are in a folder; made there where they are not yet.
    ///
    /// # Errors
    /// [`Error::Folder`], [`Error::PublicKey`].
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        let (config_file, key_file) = (folder.join("config"), folder.join("key.pem"));
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let pem = match fs::read_to_string(&key_file) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = new_key().ok_or(Error::PublicKey)?;
                write_secret(&key_file, &pem).map_err(failed(&key_file))?;
                pem
            }
            Err(error) => return Err(failed(&key_file)(error)),
        };
        let key = rsa::PrivateKey::from_pkcs8_pem(&pem).map_err(|_| Error::PublicKey)?.to_public_key();
        let public_pem = key.to_public_key_pem(LineEnding::LF).map_err(|_| Error::PublicKey)?;
        let der = key.to_public_key_der().map_err(|_| Error::PublicKey)?;
        let print = Md5::checksum(der.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(":");
        let key_path = std::path::absolute(&key_file).map_err(failed(&key_file))?;
        let profile = format!(
            "[DEFAULT]\nuser={USER}\nfingerprint={print}\ntenancy={TENANCY}\nregion={REGION}\nkey_file={}\n",
            key_path.display()
        );
        write_secret(&config_file, &profile).map_err(failed(&config_file))?;
        let access = OciAccess::new(NAMESPACE, &format!("{TENANCY}/{USER}/{print}"), &public_pem)?;
        let config_file = std::path::absolute(&config_file).map_err(failed(&config_file))?;
        Ok(Self { access, config_file })
    }
}

fn new_key() -> Option<String> {
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, KEY_BITS).ok()?;
    Some(key.to_pkcs8_pem(LineEnding::LF).ok()?.to_string())
}

/// Writes what nobody else on this machine may read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user stays who it is: a profile that somebody has taken goes on to work. Promise 7: nobody else reads its key.
    #[test]
    fn a_user_stays_who_it_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let first = OciUser::in_folder(folder.path()).unwrap();
        let profile = fs::read_to_string(&first.config_file).unwrap();
        let second = OciUser::in_folder(folder.path()).unwrap();
        assert_eq!(first.access.key_id, second.access.key_id);
        assert_eq!(fs::read_to_string(&second.config_file).unwrap(), profile);
        let mode = fs::metadata(folder.path().join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
