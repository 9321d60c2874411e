//! The description that a connection goes by: one that comes with landfall, or its own.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use landfall::error::{Error, Result};

use super::builtin;
use super::description::{Description, parse};
use super::settings::DeclaredConnection;

/// The largest description that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The description of a connection; `InvalidConfig` says what is wrong with it, all of it.
pub(super) fn description(connection: &DeclaredConnection) -> Result<Arc<Description>> {
    let DeclaredConnection { system, description, description_file, .. } = connection;
    let text = match (description, description_file) {
        (None, None) => return builtin::named(system),
        (Some(text), None) => text.clone(),
        (None, Some(file)) => read(file)?,
        (Some(_), Some(_)) => {
            return Err(Error::invalid_config("at most one of description and description_file is given"));
        }
    };
    let description = own(system, &text)?;
    if description.name != *system {
        return Err(Error::invalid_config(format!(
            "system is {system:?}, and the description is called {:?}",
            description.name
        )));
    }
    Ok(description)
}

/// A description that does not come with landfall.
pub(super) fn own(called: &str, text: &str) -> Result<Arc<Description>> {
    let mut description = parse(called, text).map_err(|error| Error::invalid_config(error.to_string()))?;
    description.own_text = Some(text.into());
    Ok(Arc::new(description))
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(file).and_then(|opened| opened.take(MAX_BYTES).read_to_string(&mut text)).map_err(
        |error| {
            Error::invalid_config(format!("description_file {} cannot be read", file.display()))
                .because(error)
        },
    )?;
    Ok(text)
}
