//! An Iceberg catalog, by its REST API: tables are loaded, made, and committed to.
//!
//! Why not by Iceberg's own client: it signs no call for AWS, its errors do not tell whether a commit may have been taken, and
//! it brings an HTTP client of its own, without limits, redaction or a policy of hosts.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{Schema, TableMetadata};
use iceberg::{TableIdent, TableRequirement, TableUpdate};
use landfall::clock::Clock;
use landfall::config::{Catalog as Settings, CatalogLogin};
use landfall::{Error, Result};
use landfall_http::auth::{Authorizer, FixedCredential, OAuthTokens};
use landfall_http::{Client, ErrorKind, HostPolicy, HttpError, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::signing::Signer;

/// What a table's metadata may take: it lists every snapshot.
const MAX_METADATA: u64 = 256 << 20;

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    name: String,
    client: Client,
    authorizer: Option<Arc<dyn Authorizer>>,
    /// What leads every path but that of its configuration.
    base: String,
}

/// What a catalog answers with a table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Loaded {
    /// Where its metadata is.
    #[serde(default)]
    pub metadata_location: Option<String>,
    /// All that is known of it.
    pub metadata: TableMetadata,
}

/// What came of a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// It is made, and the table is this.
    Done,
    /// It is not: the table is not what the commit goes by.
    Conflict(Error),
    /// The answer is lost, or it was turned away.
    Unclear(Error),
}

/// A table that is to be made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Creation<'a> {
    pub name: &'a str,
    pub schema: &'a Schema,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_spec: Option<Value>,
    pub properties: HashMap<&'a str, String>,
    pub stage_create: bool,
}

#[derive(Serialize)]
struct Commit<'a> {
    identifier: &'a TableIdent,
    requirements: &'a [TableRequirement],
    updates: &'a [TableUpdate],
}

#[derive(Default, Deserialize)]
struct Configured {
    #[serde(default)]
    defaults: HashMap<String, Value>,
    #[serde(default)]
    overrides: HashMap<String, Value>,
}

impl Catalog {
    /// Opens a catalog: asks it how its paths begin.
    pub(crate) async fn open(name: &str, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let invalid =
            |reason: &dyn std::fmt::Display| Error::invalid_config(format!("catalogs.{name}: {reason}"));
        let policy =
            HostPolicy::new(&settings.uri, &settings.http.allowed_hosts).map_err(|error| invalid(&error))?;
        let client =
            Client::new(policy, &settings.http, Arc::clone(&clock)).map_err(|error| invalid(&error))?;
        let authorizer: Option<Arc<dyn Authorizer>> = match &settings.login {
            None => None,
            Some(CatalogLogin::Bearer { token }) => Some(
                FixedCredential::bearer(token, &settings.uri, client.redactor())
                    .map_err(|error| invalid(&error))?,
            ),
            Some(CatalogLogin::Oauth { client: oauth, scope }) => {
                let hosts = &settings.http.allowed_hosts;
                let policy = HostPolicy::new(&oauth.token_url, hosts).map_err(|error| invalid(&error))?;
                let tokens = Client::new(policy, &settings.http, Arc::clone(&clock));
                let tokens = tokens.map_err(|error| invalid(&error))?.beside(&client);
                let tokens = OAuthTokens::new(oauth, tokens).map_err(|error| invalid(&error))?;
                Some(tokens.scope("login.scope", scope, &settings.uri))
            }
            Some(CatalogLogin::Sigv4 { service, region }) => {
                Some(Signer::new(service, region.as_deref(), &settings.uri, clock).await?)
            }
        };
        let root = format!("{}/v1/", settings.uri.as_str().trim_end_matches('/'));
        let mut catalog = Self { name: name.to_owned(), client, authorizer, base: root };
        catalog.base = catalog.configured_base(settings.warehouse.as_deref()).await?;
        Ok(catalog)
    }

    async fn configured_base(&self, warehouse: Option<&str>) -> Result<String> {
        let mut url = self.url("config")?;
        if let Some(warehouse) = warehouse {
            url.query_pairs_mut().append_pair("warehouse", warehouse);
        }
        let configured: Configured =
            self.ask(&Request::get_json(url)).await.map_err(|error| self.failed(error))?;
        let prefix = configured.overrides.get("prefix").or_else(|| configured.defaults.get("prefix"));
        Ok(match prefix.and_then(Value::as_str).map(|prefix| prefix.trim_matches('/')) {
            // It comes as it is to be in the path.
            Some(prefix) if !prefix.is_empty() => format!("{}{prefix}/", self.base),
            _ => self.base.clone(),
        })
    }

    /// A table; `None` where there is none of this name.
    pub(crate) async fn load(&self, table: &TableIdent) -> Result<Option<Loaded>> {
        let request = Request::get_json(self.table(table)?).at_most(MAX_METADATA);
        match self.ask(&request).await {
            Ok(loaded) => Ok(Some(loaded)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Makes a table, unless there is one by then. It counts once it is loaded.
    pub(crate) async fn create(&self, table: &TableIdent, creation: &Creation<'_>) -> Result<Committed> {
        let url = self.url(&format!("{}/tables", self.namespace(table)))?;
        let request = Request::post_json(url, creation).map_err(|error| self.failed(error))?;
        match self.send(request).await {
            Ok(committed) => Ok(committed),
            Err(error) if error.is_gone() => Err(Error::not_found(format!(
                "catalog {} has no namespace {}: make it there",
                self.name, table.namespace
            ))
            .because(error)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Commits to a table, once.
    pub(crate) async fn commit(
        &self,
        table: &TableIdent,
        requirements: &[TableRequirement],
        updates: &[TableUpdate],
    ) -> Result<Committed> {
        let commit = Commit { identifier: table, requirements, updates };
        let request = Request::post_json(self.table(table)?, &commit).map_err(|error| self.failed(error))?;
        self.send(request).await.map_err(|error| self.failed(error))
    }

    async fn send(&self, request: Request) -> std::result::Result<Committed, HttpError> {
        let request = self.authorized(request.once().at_most(MAX_METADATA));
        match self.client.call(&request).await {
            Ok(_) => Ok(Committed::Done),
            Err(error) if error.status() == Some(http::StatusCode::CONFLICT) => {
                Ok(Committed::Conflict(self.failed(error)))
            }
            Err(error) if error.outcome_is_unknown() || may_pass(&error) => {
                Ok(Committed::Unclear(self.failed(error)))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request,
    ) -> std::result::Result<T, HttpError> {
        self.client.json(&self.authorized(request.clone())).await
    }

    fn authorized(&self, request: Request) -> Request {
        match &self.authorizer {
            Some(authorizer) => request.authorized_by(Arc::clone(authorizer)),
            None => request,
        }
    }

    fn failed(&self, error: HttpError) -> Error {
        Error::from(error).while_doing(format!("catalog {}", self.name))
    }

    fn table(&self, table: &TableIdent) -> Result<Url> {
        self.url(&format!("{}/tables/{}", self.namespace(table), segment(&table.name)))
    }

    fn namespace(&self, table: &TableIdent) -> String {
        format!("namespaces/{}", segment(&table.namespace.to_url_string()))
    }

    fn url(&self, path: &str) -> Result<Url> {
        let url = format!("{}{path}", self.base);
        Url::parse(&url).map_err(|error| {
            Error::invalid_config(format!("catalogs.{}.uri leads to {url:?}, which is no URL", self.name))
                .because(error)
        })
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Whether a call was turned away in a way that passes.
fn may_pass(error: &HttpError) -> bool {
    matches!(error.kind(), ErrorKind::Throttled | ErrorKind::RateLimited | ErrorKind::Unavailable)
}
