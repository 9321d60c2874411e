//! Definitions and groups of extracts: looked up by name, created if missing.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::export::{Definition, FusionExtract, Group};
use crate::entries::entries;
use crate::fusion::pod::Pod;
use landfall::contract::PlannedCall;
use landfall::error::{Error, Result};
use landfall_http::auth::Authorizer;
use landfall_http::{Client, HttpError, Request};

const DATA_EXPORT: [&str; 8] = ["api", "boss", "data", "objects", "ora", "commonBoss", "dataExport", "v1"];
const DEFINITIONS: &str = "exportDefinitions";
const GROUPS: &str = "exportGroupDefinitions";
/// Marks what is created so that the tool's own screen shows it.
const EXTRACT_CLIENT: &str = "FA_DATA_EXTRACT_UI";
/// How many are asked for at once.
const PAGE: usize = 500;
/// How many pages are looked through: more is a server that never says that it is done.
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Found {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<Named>,
}

#[derive(PartialEq, Eq, Deserialize)]
struct Named {
    name: Option<String>,
}

/// The collections of definitions and of groups.
pub(super) struct Boss<'a> {
    pod: &'a Pod,
    authorizer: Arc<dyn Authorizer>,
}

impl<'a> Boss<'a> {
    pub(super) fn new(pod: &'a Pod, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { pod, authorizer }
    }

    /// Sees to it that the definition and the group that an export describes are there.
    pub(super) async fn ensure(&self, export: &FusionExtract) -> Result<()> {
        if let Some(definition) = &export.definition {
            let name = definition.name.as_deref().unwrap_or(&export.extract);
            self.ensure_one(DEFINITIONS, name, &definition_body(name, definition)).await?;
        }
        if let Some(group) = &export.group {
            let extract = export.definition.as_ref().and_then(|definition| definition.name.as_deref());
            let body = group_body(group, extract.unwrap_or(&export.extract));
            self.ensure_one(GROUPS, &group.name, &body).await?;
        }
        Ok(())
    }

    /// The calls by which [`ensure`](Self::ensure) creates what is not there.
    pub(super) fn calls(&self, export: &FusionExtract) -> Vec<PlannedCall> {
        let created = |collection: &str, name: &str, body: &Value| {
            let what = format!("create {name:?} in {collection}, where it is not there");
            PlannedCall::new(what, "POST", &self.collection(collection)).carrying(body).submitting()
        };
        let definition = export.definition.as_ref().map(|definition| {
            let name = definition.name.as_deref().unwrap_or(&export.extract);
            created(DEFINITIONS, name, &definition_body(name, definition))
        });
        let group = export.group.as_ref().map(|group| {
            let extract = export.definition.as_ref().and_then(|definition| definition.name.as_deref());
            created(GROUPS, &group.name, &group_body(group, extract.unwrap_or(&export.extract)))
        });
        definition.into_iter().chain(group).collect()
    }

    /// Whether definitions can be read.
    pub(super) async fn look(&self) -> Result<()> {
        self.exists(DEFINITIONS, "landfall-check").await.map(|_| ()).map_err(Error::from)
    }

    async fn ensure_one(&self, collection: &str, name: &str, body: &Value) -> Result<()> {
        let doing = format!("looking for {name:?} among {collection}");
        if self.exists(collection, name).await.map_err(|error| Error::from(error).while_doing(&doing))? {
            return Ok(());
        }
        let Err(error) = self.create(collection, body).await else {
            tracing::info!(collection, name, "created");
            return Ok(());
        };
        // Somebody else may have created it meanwhile, or our own creation's answer was lost: both
        // answers of a duplicate, 400 and 409, and a lost one are settled by looking again.
        match self.exists(collection, name).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => {
                Err(Error::from(error).while_doing(format!("creating {name:?} in {collection}")))
            }
        }
    }

    async fn exists(&self, collection: &str, name: &str) -> Result<bool, HttpError> {
        let mut offset = 0;
        let mut before: Vec<Named> = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = Request::get_json(self.page(collection, name, offset))
                .authorized_by(Arc::clone(&self.authorizer));
            let found: Found = self.client().json(&request).await?;
            // The filter narrows; whether it compares as we do is not documented.
            if found.items.iter().any(|item| item.name.as_deref() == Some(name)) {
                return Ok(true);
            }
            // Whatever it says: the end is a page without names, or one that comes again.
            if found.items.is_empty() || found.items == before {
                return Ok(false);
            }
            offset += found.items.len();
            before = found.items;
        }
        Ok(false)
    }

    async fn create(&self, collection: &str, body: &Value) -> Result<(), HttpError> {
        let url = self.collection(collection);
        let request = Request::post_json(url, body)?.authorized_by(Arc::clone(&self.authorizer));
        self.client().call(&request).await.map(drop)
    }

    fn collection(&self, collection: &str) -> Url {
        let segments: Vec<&str> = DATA_EXPORT.into_iter().chain([collection]).collect();
        self.pod.url(&segments)
    }

    fn page(&self, collection: &str, name: &str, offset: usize) -> Url {
        let mut url = self.collection(collection);
        url.query_pairs_mut()
            .append_pair("$filter", &format!("name='{}'", name.replace('\'', "''")))
            .append_pair("$fields", "name")
            .append_pair("$limit", &PAGE.to_string())
            .append_pair("$offset", &offset.to_string());
        url
    }

    fn client(&self) -> &Client {
        &self.pod.client
    }
}

fn definition_body(name: &str, definition: &Definition) -> Value {
    let query = match &definition.extraction_query {
        Value::String(text) => text.clone(),
        query => query.to_string(),
    };
    let mut body = json!({
        "name": name,
        "owner": definition.owner,
        "ownerRole": definition.owner_role,
        "extractClient": EXTRACT_CLIENT,
        "exportConfiguration": definition.export_configuration,
        "bossArtifacts": { "extractionQuery": query },
    });
    if let (Some(description), Some(fields)) = (&definition.description, body.as_object_mut()) {
        fields.insert("description".to_owned(), json!(description));
    }
    body
}

fn group_body(group: &Group, extract: &str) -> Value {
    let names = std::iter::once(extract).chain(group.other_extracts.iter().map(String::as_str));
    let items: Vec<Value> = names.map(|name| json!({ "name": name })).collect();
    json!({
        "name": group.name,
        "owner": group.owner,
        "ownerRole": group.owner_role,
        "extractClient": EXTRACT_CLIENT,
        "groupedExtracts": { "items": items },
    })
}
