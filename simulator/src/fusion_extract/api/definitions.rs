//! BOSS `dataExport`: export definitions and groups of them, created once and found by name.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as QueryOf, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::addresses::locate;
use super::paging::{Query, number, page};
use crate::context::Context;
use crate::fusion_extract::credentials::BOSS_SCOPE;
use crate::fusion_extract::faults::DuplicateAnswer;
use crate::fusion_extract::state::{Definition, FusionExtractState};
use crate::identity;
use crate::response::{self, Marked, Rejection};

const BASE: &str = "/api/boss/data/objects/ora/commonBoss/dataExport/v1";
/// BOSS answers so many items unless asked for another number.
const DEFAULT_LIMIT: usize = 25;

/// The two collections. Their names are one name space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collection {
    Definitions,
    Groups,
}

impl Collection {
    fn parse(segment: &str) -> Option<Self> {
        match segment {
            "exportDefinitions" => Some(Self::Definitions),
            "exportGroupDefinitions" => Some(Self::Groups),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Definitions => "exportDefinitions",
            Self::Groups => "exportGroupDefinitions",
        }
    }

    fn id_field(self) -> &'static str {
        match self {
            Self::Definitions => "exportDefinitionId",
            Self::Groups => "exportGroupId",
        }
    }

    fn holds(self, definition: &Definition) -> bool {
        definition.is_group == (self == Self::Groups)
    }
}

/// The version may hold a deployment (`v1:3054`), and a locale (`$en`) may follow it.
pub(super) fn routes() -> Router<Arc<Context>> {
    const EXPORT: &str = "/api/boss/data/objects/ora/commonBoss/dataExport/{version}";
    Router::new()
        .route(&format!("{EXPORT}/{{collection}}"), get(find).post(create))
        .route(&format!("{EXPORT}/{{collection}}/{{id}}"), get(show))
}

async fn create(
    State(context): State<Arc<Context>>,
    Path((_, segment)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().boss;
    identity::admit(&context, &headers, BOSS_SCOPE, &faults.outage, "boss", &segment)?;
    let collection = Collection::parse(&segment).ok_or_else(no_such_resource)?;
    let body: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|_| response::problem(StatusCode::BAD_REQUEST, "The request body is not a JSON object."))?;
    let created =
        context.change(|state| add(&mut state.fusion_extract, collection, body, faults.duplicate))??;
    if context.change(|state| state.occurs(faults.create_then_drop, "boss.create_then_drop", ""))? {
        return Ok(response::hang_up().by("boss.create_then_drop"));
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::CREATED;
    let path = format!("{BASE}/{}/{created}", collection.path());
    locate(&context, faults.location, &path, answer.headers_mut());
    Ok(answer)
}

fn no_such_resource() -> Response {
    response::problem(StatusCode::NOT_FOUND, "The resource does not exist.")
}

/// The id of the new resource. A name must be free in both collections, and a group's members must exist.
fn add(
    state: &mut FusionExtractState,
    collection: Collection,
    body: Map<String, Value>,
    duplicate: DuplicateAnswer,
) -> Result<String, Rejection> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(response::problem(StatusCode::BAD_REQUEST, "You must provide a value for name.").into());
    }
    if let Some(existing) = state.definitions.iter().find(|known| known.name == name) {
        return Err(refuse_duplicate(existing, collection, duplicate).into());
    }
    if has_bad_query(&body) {
        let detail = "The value of the attribute extractionQuery is not valid.";
        return Err(response::problem(StatusCode::BAD_REQUEST, detail).into());
    }
    if let Some(unknown) = unknown_member(state, &body) {
        let detail = format!("The extract definition {unknown} does not exist.");
        return Err(response::problem(StatusCode::BAD_REQUEST, &detail).into());
    }
    let id = state.next_definition_id.to_string();
    state.next_definition_id += 1;
    let is_group = collection == Collection::Groups;
    state.definitions.push(Definition { id: id.clone(), is_group, name, body, searches: 0 });
    Ok(id)
}

/// The texts that public client code looks for.
fn refuse_duplicate(existing: &Definition, collection: Collection, answer: DuplicateAnswer) -> Response {
    let detail = match (existing.is_group, collection) {
        (true, Collection::Definitions) => {
            "An extract definition cannot have the same name as existing extract group.".to_owned()
        }
        (true, Collection::Groups) => "The unique constraint on name was violated.".to_owned(),
        (false, _) => format!("An extract definition with the name {} already exists.", existing.name),
    };
    let status = match answer {
        DuplicateAnswer::BadRequest => StatusCode::BAD_REQUEST,
        DuplicateAnswer::Conflict => StatusCode::CONFLICT,
    };
    response::problem(status, &detail)
}

/// A query is the text of an object, not the object.
fn has_bad_query(body: &Map<String, Value>) -> bool {
    let is_text_of_object = |query: &Value| {
        query.as_str().is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok())
    };
    body.get("bossArtifacts")
        .is_some_and(|artifacts| !artifacts.get("extractionQuery").is_some_and(is_text_of_object))
}

fn unknown_member<'a>(state: &FusionExtractState, body: &'a Map<String, Value>) -> Option<&'a str> {
    let members = body.get("groupedExtracts")?.get("items")?.as_array()?;
    members
        .iter()
        .filter_map(|member| member.get("name")?.as_str())
        .find(|name| !state.definitions.iter().any(|known| !known.is_group && known.name == **name))
}

async fn find(
    State(context): State<Arc<Context>>,
    Path((_, segment)): Path<(String, String)>,
    QueryOf(query): QueryOf<Query>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().boss;
    identity::admit(&context, &headers, BOSS_SCOPE, &faults.outage, "boss", &segment)?;
    let collection = Collection::parse(&segment).ok_or_else(no_such_resource)?;
    let name = match query.get("$filter").filter(|_| !faults.ignore_filter) {
        None => None,
        Some(filter) => Some(name_of_filter(filter).ok_or_else(|| {
            response::problem(StatusCode::BAD_REQUEST, "The filter expression is not supported.")
        })?),
    };
    let found: Vec<Definition> = context.change(|state| {
        let wanted = |known: &&mut Definition| {
            collection.holds(known) && name.as_ref().is_none_or(|name| known.name == *name)
        };
        state
            .fusion_extract
            .definitions
            .iter_mut()
            .filter(wanted)
            .filter_map(|known| shown(known, faults.lag_calls))
            .collect()
    })?;
    let limit = number(&query, "limit").unwrap_or(DEFAULT_LIMIT);
    let (found, has_more) = page(&found, number(&query, "offset").unwrap_or(0), limit);
    let fields = query.get("$fields").map(String::as_str);
    let items: Vec<Value> =
        found.iter().map(|definition| item(&context, collection, definition, fields)).collect();
    Ok(response::json_body(StatusCode::OK, &json!({ "items": items, "hasMore": has_more })))
}

/// A definition that a search finds, unless the search is one of those that it is missing from.
fn shown(known: &mut Definition, lag_calls: u32) -> Option<Definition> {
    let earlier = known.searches;
    known.searches = earlier.saturating_add(1);
    (earlier >= lag_calls).then(|| known.clone())
}

async fn show(
    State(context): State<Arc<Context>>,
    Path((_, segment, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let faults = context.faults().boss;
    identity::admit(&context, &headers, BOSS_SCOPE, &faults.outage, "boss", &segment)?;
    let collection = Collection::parse(&segment).ok_or_else(no_such_resource)?;
    let found = context.store.read(|state| {
        state
            .fusion_extract
            .definitions
            .iter()
            .find(|known| collection.holds(known) && known.id == id)
            .cloned()
    });
    let found = found.ok_or_else(no_such_resource)?;
    Ok(response::json_body(StatusCode::OK, &item(&context, collection, &found, None)))
}

/// `name='..'`, where a quote within is written twice.
fn name_of_filter(filter: &str) -> Option<String> {
    let value = filter.trim().strip_prefix("name")?.trim_start().strip_prefix('=')?.trim();
    let quoted = value.strip_prefix('\'')?.strip_suffix('\'')?;
    let unescaped = quoted.replace("''", "\u{0}");
    if unescaped.contains('\'') {
        return None;
    }
    Some(unescaped.replace('\u{0}', "'"))
}

fn item(context: &Context, collection: Collection, definition: &Definition, fields: Option<&str>) -> Value {
    let mut all = definition.body.clone();
    all.insert(collection.id_field().to_owned(), json!(definition.id));
    let mut item = Map::new();
    for (name, value) in all {
        if fields.is_none_or(|fields| fields.split(',').any(|field| field.trim() == name)) {
            item.insert(name, value);
        }
    }
    let href = format!("{}{BASE}/{}/{}", context.base_url(), collection.path(), definition.id);
    item.insert("$id".to_owned(), json!(definition.id));
    item.insert("$context".to_owned(), json!({ "links": { "$self": { "href": href } } }));
    Value::Object(item)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{has_bad_query, name_of_filter};

    /// Oracle's own definitions have the query as a text that holds an object.
    #[test]
    fn a_query_is_the_text_of_an_object() {
        let bad = |query: serde_json::Value| {
            has_bad_query(json!({ "bossArtifacts": { "extractionQuery": query } }).as_object().unwrap())
        };
        assert!(!bad(json!("{\"viewQueries\":{}}")));
        for query in [json!({ "viewQueries": {} }), json!("[]"), json!("viewQueries"), json!(""), json!(null)]
        {
            assert!(bad(query.clone()), "{query}");
        }
    }

    #[test]
    fn a_filter_names_one_resource_with_quotes_doubled() {
        assert_eq!(name_of_filter("name='Carriers'").as_deref(), Some("Carriers"));
        assert_eq!(name_of_filter("name = 'O''Hare''s'").as_deref(), Some("O'Hare's"));
        for unsupported in ["name='O'Hare'", "name=Carriers", "owner='x'", "name like 'x'"] {
            assert_eq!(name_of_filter(unsupported), None, "{unsupported}");
        }
    }
}
