//! The description that a connection goes by: one that comes with landfall, or its own.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use landfall::error::{Error, Result};
use landfall::state::{WorkState, keys};

use super::builtin;
use super::description::{Description, parse};
use super::settings::DeclaredConnection;

/// The largest description that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Where a connection has its description.
#[derive(Debug)]
pub(super) enum Chosen {
    /// Here.
    Known(Arc<Description>),
    /// In the work bucket.
    InWork(InWork),
}

/// A description that is an object of the work bucket.
#[derive(Debug)]
pub(super) struct InWork {
    /// The system that it is to be of.
    system: String,
    key: String,
    read: Mutex<Option<Version>>,
}

/// What the object was when it was read last.
#[derive(Debug)]
struct Version {
    etag: String,
    /// The description, or what is wrong with it.
    description: std::result::Result<Arc<Description>, String>,
}

impl Chosen {
    /// The description of a connection; `InvalidConfig` says what is wrong with it, all of it. One in the work bucket is
    /// still to be read.
    pub(super) fn of(connection: &DeclaredConnection) -> Result<Self> {
        let DeclaredConnection { system, description, description_file, description_object, .. } = connection;
        let text = match (description, description_file, description_object) {
            (None, None, None) => return builtin::named(system).map(Self::Known),
            (Some(text), None, None) => text.clone(),
            (None, Some(file), None) => read(file)?,
            (None, None, Some(name)) => {
                let (system, key) = (system.clone(), key(name)?);
                return Ok(Self::InWork(InWork { system, key, read: Mutex::default() }));
            }
            _ => {
                return Err(Error::invalid_config(
                    "at most one of description, description_file and description_object is given",
                ));
            }
        };
        of_system(system, &text).map(Self::Known).map_err(Error::invalid_config)
    }

    /// The description, as it was read last.
    pub(super) fn current(&self) -> Result<Arc<Description>> {
        match self {
            Self::Known(description) => Ok(Arc::clone(description)),
            Self::InWork(object) => object.current(),
        }
    }

    /// Reads it again where it may have changed. What is wrong with it is told where it is needed: a job that runs goes by
    /// what is kept of it.
    pub(super) async fn refresh(&self, work: &WorkState) -> Result<()> {
        match self {
            Self::Known(_) => Ok(()),
            Self::InWork(object) => object.refresh(work).await,
        }
    }
}

impl InWork {
    fn current(&self) -> Result<Arc<Description>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Version { description, .. }) = &*read else {
            return Err(Error::invalid_config(format!(
                "the work bucket has no object {}: put the description of {} there, or name where it is in description_object",
                self.key, self.system
            )));
        };
        description
            .clone()
            .map_err(|reason| Error::invalid_config(format!("{} of the work bucket: {reason}", self.key)))
    }

    async fn refresh(&self, work: &WorkState) -> Result<()> {
        let object = work.store().read(&self.key, MAX_BYTES).await?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(object), Some(known)) = (&object, &*read)
            && object.etag == known.etag
        {
            return Ok(());
        }
        *read = object.map(|object| Version {
            description: std::str::from_utf8(&object.bytes)
                .map_err(|error| error.to_string())
                .and_then(|text| of_system(&self.system, text)),
            etag: object.etag,
        });
        Ok(())
    }
}

/// The key of an object that is named below `systems/`.
fn key(name: &str) -> Result<String> {
    let is_fine =
        |segment: &str| !matches!(segment, "" | "." | "..") && !segment.chars().any(char::is_control);
    match name.len() <= 512 && name.split('/').all(is_fine) {
        true => Ok(format!("{}{name}", keys::SYSTEMS)),
        false => Err(Error::invalid_config(format!(
            "description_object {name:?} is no key below {}: name an object such as {:?}",
            keys::SYSTEMS,
            "things.toml"
        ))),
    }
}

/// A description of a connection's own, which must be of its system; otherwise, what is wrong.
fn of_system(system: &str, text: &str) -> std::result::Result<Arc<Description>, String> {
    let mut description = parse(system, text).map_err(|error| error.to_string())?;
    if description.name != *system {
        return Err(format!("system is {system:?}, and the description is called {:?}", description.name));
    }
    description.own_text = Some(text.into());
    Ok(Arc::new(description))
}

/// A description that was kept with a job.
pub(super) fn kept(system: &str, text: &str) -> Result<Arc<Description>> {
    of_system(system, text).map_err(|reason| {
        Error::invalid_config(format!("the description that is kept with the job cannot be read: {reason}"))
    })
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
