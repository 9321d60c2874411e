//! Where configuration is kept.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use serde_json::{Map, Value};

use super::aws::{CallError, DocumentReader, Service};
use super::oci_vault::VaultReader;
use crate::clock::SystemClock;
use crate::error::{Error, Result};

/// What keeps documents by path: `connections/<name>`, `destinations/<name>`, `work`.
pub enum ConfigProvider {
    /// A TOML file, read whole.
    File {
        /// Its path, for messages.
        label: String,
        /// What it holds.
        tables: SecretBox<Tables>,
    },
    /// AWS Secrets Manager.
    SecretsManager {
        /// What leads the secrets' names.
        prefix: String,
        /// How it is reached.
        reader: DocumentReader,
    },
    /// The SSM parameter store.
    Ssm {
        /// What leads the parameters' names.
        path: String,
        /// How it is reached.
        reader: DocumentReader,
    },
    /// OCI Vault.
    OciVault(Box<VaultReader>),
    /// The process itself, which brings its own systems and stores.
    Made {
        /// What it is called in messages.
        label: String,
        /// Gives the document of a path.
        documents: Documents,
    },
    /// One provider, and another for what the first does not keep.
    Layered {
        /// Asked first.
        first: Box<ConfigProvider>,
        /// Asked for what the first does not keep.
        then: Box<ConfigProvider>,
    },
}

/// Gives the document of a path, where there is one.
type Documents = Box<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// A file's tables. Some of their values are secrets.
pub struct Tables(Map<String, Value>);

impl secrecy::zeroize::Zeroize for Tables {
    fn zeroize(&mut self) {
        self.0.clear();
    }
}

impl fmt::Display for ConfigProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { label, .. } => formatter.write_str(label),
            Self::SecretsManager { prefix, .. } => write!(formatter, "Secrets Manager below {prefix}/"),
            Self::Ssm { path, .. } => write!(formatter, "the SSM parameter store below {path}/"),
            Self::OciVault(reader) => formatter.write_str(&reader.shown()),
            Self::Made { label, .. } => formatter.write_str(label),
            Self::Layered { first, .. } => first.fmt(formatter),
        }
    }
}

impl fmt::Debug for ConfigProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConfigProvider({self})")
    }
}

impl ConfigProvider {
    /// The provider that is named: `file:<path>`, `secretsmanager:<prefix>`, `ssm:<path>` or `ocivault:<vault>/<prefix>`.
    pub async fn named(name: &str) -> Result<Self> {
        match name.split_once(':') {
            Some(("file", path)) => Self::from_file(Path::new(path)),
            Some(("secretsmanager", prefix)) if !prefix.is_empty() => {
                let reader = reader(name, Service::SecretsManager).await?;
                Ok(Self::SecretsManager { prefix: prefix.trim_end_matches('/').to_owned(), reader })
            }
            Some(("ssm", path)) if path.starts_with('/') => {
                let reader = reader(name, Service::Ssm).await?;
                Ok(Self::Ssm { path: path.trim_end_matches('/').to_owned(), reader })
            }
            Some(("ocivault", place)) => {
                let reader = VaultReader::named(place, Arc::new(SystemClock));
                let reader = reader.map_err(|wrong| {
                    Error::invalid_config(format!("LANDFALL_CONFIG is {name:?}: {wrong}"))
                })?;
                Ok(Self::OciVault(Box::new(reader)))
            }
            _ => Err(Error::invalid_config(format!(
                "LANDFALL_CONFIG is {name:?}: it takes file:<path>, secretsmanager:<prefix>, ssm:/<path> or \
                 ocivault:<vault>/<prefix>"
            ))),
        }
    }

    /// Reads a TOML file.
    pub fn from_file(path: &Path) -> Result<Self> {
        let label = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::invalid_config(format!("cannot read {label}")).because(error))?;
        Self::from_toml(SecretString::from(text).expose_secret(), &label)
    }

    /// Reads the text of a TOML file; `label` names it in messages.
    pub fn from_toml(text: &str, label: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            // The error's own text quotes the line, which may hold a secret.
            let line = error
                .span()
                .map_or(0, |span| text.get(..span.start).map_or(0, |read| read.lines().count().max(1)));
            Error::invalid_config(format!("{label} is not TOML at line {line}: {}", error.message()))
        })?;
        let mut tables = Map::new();
        for (name, value) in table {
            if !["connections", "destinations", "catalogs", "lineage", "work"].contains(&name.as_str()) {
                let known = "connections, destinations, catalogs, lineage, work";
                return Err(Error::invalid_config(format!(
                    "unknown section `{name}` in {label}: it takes {known}"
                )));
            }
            tables.insert(name.clone(), with_variables(value, &name, label)?);
        }
        Ok(Self::File { label: label.to_owned(), tables: SecretBox::new(Box::new(Tables(tables))) })
    }

    /// Documents that the process makes itself; `label` names it in messages.
    pub fn made(label: &str, documents: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        Self::Made { label: label.to_owned(), documents: Box::new(documents) }
    }

    /// The same provider; what it does not keep is looked for in another.
    #[must_use]
    pub fn or(self, then: ConfigProvider) -> Self {
        Self::Layered { first: Box::new(self), then: Box::new(then) }
    }

    /// Whether a file has a section, `connections`, `destinations` or `work`; unknown of other providers.
    pub fn has_section(&self, section: &str) -> Option<bool> {
        match self {
            Self::File { tables, .. } => Some(tables.expose_secret().0.contains_key(section)),
            _ => None,
        }
    }

    /// Reads a document; `None` where there is none.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Value>> {
        match self {
            Self::File { tables, .. } => Ok(path
                .split('/')
                .try_fold(None, |found: Option<&Value>, segment| {
                    match found {
                        None => tables.expose_secret().0.get(segment),
                        Some(table) => table.get(segment),
                    }
                    .map(Some)
                })
                .flatten()
                .cloned()),
            Self::SecretsManager { prefix, reader } | Self::Ssm { path: prefix, reader } => {
                let name = format!("{prefix}/{path}");
                let text = reader.read(&name).await.map_err(|error| self.unreadable(&name, &error))?;
                text.map(|text| self.parse(text.expose_secret(), &name)).transpose()
            }
            Self::OciVault(reader) => {
                let secret = reader.secret_name(path);
                let text = reader.read(&secret).await;
                let text = text.map_err(|error| error.named(&format!("cannot read {secret} in {self}")))?;
                text.map(|text| self.parse(text.expose_secret(), &secret)).transpose()
            }
            Self::Made { documents, .. } => Ok(documents(path)),
            Self::Layered { first, then } => match Box::pin(first.read(path)).await? {
                Some(document) => Ok(Some(document)),
                None => Box::pin(then.read(path)).await,
            },
        }
    }

    /// What is said of a document that is not there, where that is not all that it can mean.
    pub(super) fn missing(&self, path: &str) -> Option<String> {
        match self {
            Self::OciVault(reader) => Some(reader.missing(path)),
            Self::Layered { first, .. } => first.missing(path),
            _ => None,
        }
    }

    fn parse(&self, text: &str, name: &str) -> Result<Value> {
        // Serde's text may quote the document: only where it broke is kept.
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::invalid_config(format!("{name} in {self} is not JSON at line {line}, column {column}"))
        })
    }

    fn unreadable(&self, name: &str, error: &CallError) -> Error {
        Error::invalid_config(format!("cannot read {name} in {self}: {}", crate::error::chain(error)))
    }
}

async fn reader(name: &str, service: Service) -> Result<DocumentReader> {
    let environment = Box::pin(landfall_store::aws::environment(None)).await;
    DocumentReader::new(service, &environment, Arc::new(SystemClock)).map_err(|error| {
        Error::invalid_config(format!("LANDFALL_CONFIG is {name:?}, which cannot be read")).because(error)
    })
}

fn with_variables(value: toml::Value, key: &str, label: &str) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(expand(&text, key, label)?),
        toml::Value::Array(items) => Value::Array(
            items.into_iter().map(|item| with_variables(item, key, label)).collect::<Result<_>>()?,
        ),
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(name, value)| {
                    let value = with_variables(value, &format!("{key}.{name}"), label)?;
                    Ok((name, value))
                })
                .collect::<Result<_>>()?,
        ),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
    })
}

fn expand(text: &str, key: &str, label: &str) -> Result<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else { break };
        let value = std::env::var(variable).map_err(|_| {
            let message = format!("{key} in {label}: the environment variable {variable} is not set");
            Error::invalid_config(message)
        })?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
