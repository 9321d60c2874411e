//! The resource principal, version 2.2: what functions, data flows and notebooks have in their environment.

use std::path::Path;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::environment::Environment;
use super::error::PrincipalError;
use super::identity::Identity;
use super::key;
use super::profile::secret_file;
use super::region::Region;

const VERSION: &str = "OCI_RESOURCE_PRINCIPAL_VERSION";
const TOKEN: &str = "OCI_RESOURCE_PRINCIPAL_RPST";
const KEY: &str = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM";
const PASSPHRASE: &str = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE";
const REGION: &str = "OCI_RESOURCE_PRINCIPAL_REGION";

/// What it is called in messages.
pub(super) const SHOWN: &str = "the resource principal";

/// Whether there is one.
pub(super) fn is_here(environment: &Environment) -> bool {
    environment.get(VERSION).is_some()
}

/// Reads it: who signs, and where to call. What is given by files is read anew each time, since they are rewritten.
pub(super) fn load(
    environment: &Environment,
    now: Timestamp,
) -> Result<(Identity, Option<Region>), PrincipalError> {
    match environment.get(VERSION).as_deref() {
        Some("2.2") => {}
        Some(other) => {
            let reason = format!("is {other:?}, and 2.2 is what is supported");
            return Err(PrincipalError::Variable { name: VERSION, reason });
        }
        None => {
            let reason = "is not set: no resource principal is here".to_owned();
            return Err(PrincipalError::Variable { name: VERSION, reason });
        }
    }
    let (token, pem) = (needed(environment, TOKEN)?, needed(environment, KEY)?);
    let passphrase = value(environment, PASSPHRASE)?;
    // A file ends with a line's end, which a passphrase does not.
    let passphrase =
        passphrase.map(|text| SecretString::from(text.expose_secret().trim_end_matches(['\r', '\n'])));
    let key = key::read(&pem, passphrase.as_ref(), SHOWN)?;
    let advice = "what runs this program has not renewed it; start it anew";
    let region = environment.get(REGION).map(|written| Region::parse(&written)).transpose()?;
    Ok((Identity::of_token(&token, key, (SHOWN, advice), now)?, region))
}

fn needed(environment: &Environment, name: &'static str) -> Result<SecretString, PrincipalError> {
    let missing = || PrincipalError::Variable { name, reason: "is not set".to_owned() };
    value(environment, name)?.ok_or_else(missing)
}

/// A variable's value; where that is an absolute path, what the file there holds.
fn value(environment: &Environment, name: &'static str) -> Result<Option<SecretString>, PrincipalError> {
    let Some(value) = environment.get(name) else { return Ok(None) };
    match Path::new(&value).is_absolute() {
        true => secret_file(name, Path::new(&value)).map(Some),
        false => Ok(Some(value.into())),
    }
}
