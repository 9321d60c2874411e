//! A profile of Oracle's own configuration file: an API key, or the token of a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;
use super::error::PrincipalError;
use super::identity::Identity;
use super::key::{self, fingerprint};
use super::region::Region;

/// The profile whose keys all others inherit.
const DEFAULT: &str = "DEFAULT";

/// Where a profile is.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    path: PathBuf,
    name: String,
    environment: Environment,
}

type Result<T, E = PrincipalError> = std::result::Result<T, E>;

impl Profile {
    /// The profile that configuration and environment name.
    pub(super) fn named(file: Option<&Path>, name: Option<&str>, environment: &Environment) -> Self {
        let told = ["OCI_CONFIG_FILE", "OCI_CONFIG_PATH"].into_iter().find_map(|name| environment.get(name));
        let path = match (file, told) {
            (Some(file), _) => environment.path(&file.to_string_lossy()),
            (None, told) => environment.path(told.as_deref().unwrap_or("~/.oci/config")),
        };
        let of_environment =
            || environment.get("OCI_CONFIG_PROFILE").or_else(|| environment.get("OCI_CLI_PROFILE"));
        let name = name.map(str::to_owned).or_else(of_environment);
        Self { path, name: name.unwrap_or_else(|| DEFAULT.to_owned()), environment: environment.clone() }
    }

    /// Where the file is, or would be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> String {
        format!("profile [{}] of {}", self.name, self.path.display())
    }

    /// Reads it: who signs, and where to call.
    pub(super) fn load(&self, now: Timestamp) -> Result<(Identity, Option<Region>)> {
        let keys = self.keys()?;
        let region = keys.get("region").map(|written| Region::parse(written.expose_secret())).transpose()?;
        let key_file = self.environment.path(self.need(&keys, "key_file")?);
        let pem = secret_file("key_file", &key_file)?;
        let of = self.shown();
        let key = key::read(&pem, keys.get("pass_phrase"), &of)?;
        if let Some(token_file) = keys.get("security_token_file") {
            let token =
                secret_file("security_token_file", &self.environment.path(token_file.expose_secret()))?;
            let advice = "renew it by `oci session refresh`, or by `oci session authenticate`";
            return Ok((Identity::of_token(&token, key, (&of, advice), now)?, region));
        }
        let told = self.need(&keys, "fingerprint")?;
        let found = fingerprint(&key);
        if !told.eq_ignore_ascii_case(&found) {
            return Err(PrincipalError::Fingerprint { of, found, told: told.to_owned() });
        }
        let (tenancy, user) = (self.need(&keys, "tenancy")?, self.need(&keys, "user")?);
        let key_id = format!("{tenancy}/{user}/{found}").into();
        Ok((Identity { key_id, key: Arc::new(key), life: None }, region))
    }

    fn need<'a>(&self, keys: &'a Keys, key: &'static str) -> Result<&'a str> {
        let missing = || PrincipalError::Missing { path: self.path.clone(), profile: self.name.clone(), key };
        keys.get(key).map(ExposeSecret::expose_secret).ok_or_else(missing)
    }

    fn keys(&self) -> Result<Keys> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => SecretString::from(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(PrincipalError::NoConfigFile(self.path.clone()));
            }
            Err(source) => {
                return Err(PrincipalError::File {
                    what: "the file of profiles",
                    path: self.path.clone(),
                    source,
                });
            }
        };
        let mut profiles = parse(text.expose_secret());
        let inherited = profiles.get(DEFAULT).cloned().unwrap_or_default();
        let names = profiles.keys().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(" ");
        let own = profiles.remove(&self.name).ok_or_else(|| PrincipalError::NoProfile {
            path: self.path.clone(),
            profile: self.name.clone(),
            found: if names.is_empty() { "none".to_owned() } else { names },
        })?;
        Ok(inherited.into_iter().chain(own).collect())
    }
}

/// A profile's keys in lower case; any value may be a secret.
type Keys = BTreeMap<String, SecretString>;

/// The profiles of a file, as Python's `configparser` reads them.
fn parse(text: &str) -> BTreeMap<String, Keys> {
    let mut profiles: BTreeMap<String, Keys> = BTreeMap::new();
    let mut current = None;
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            current = Some(profiles.entry(name.to_owned()).or_default());
        } else if let (Some(keys), Some((key, value))) = (&mut current, line.split_once(['=', ':']))
            && !value.trim().is_empty()
        {
            keys.insert(key.trim().to_ascii_lowercase(), value.trim().into());
        }
    }
    profiles
}

/// A file that holds a secret.
pub(super) fn secret_file(what: &'static str, path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path);
    text.map(SecretString::from).map_err(|source| PrincipalError::File {
        what,
        path: path.to_owned(),
        source,
    })
}
