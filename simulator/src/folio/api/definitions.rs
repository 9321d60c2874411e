//! File definitions, and the upload of record ids into them.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{authn, errors};
use crate::context::Context;
use crate::folio::faults::{Dialect, FolioFaults};
use crate::folio::state::Definition;
use crate::folio::uuid::{is_uuid, uuid_of};
use crate::response::{self, Marked, Rejection};

const MAX_KILOBYTES: u64 = 500_000;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/data-export/file-definitions", post(create))
        .route("/data-export/file-definitions/{id}", get(read))
        .route(
            "/data-export/file-definitions/{id}/upload",
            post(upload).layer(DefaultBodyLimit::max(1 << 30)),
        )
        .route("/data-export/clean-up-files", post(clean_up))
}

/// Where the file of a definition is kept.
pub(super) fn uploaded(context: &Context, id: &str) -> PathBuf {
    context.folder.path().join("folio").join("uploads").join(id)
}

async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let faults =
        authn::admit(&context, &headers, &switches.create, "folio.create", "", "file-definitions.item.post")?;
    let request: Value =
        serde_json::from_slice(&body).map_err(|error| faults.unreadable(&error.to_string()))?;
    let text = |field: &str| request.get(field).and_then(Value::as_str);
    let file_name = text("fileName").ok_or_else(|| faults.unreadable("fileName"))?;
    let lower = file_name.to_ascii_lowercase();
    if !lower.ends_with(".csv") && !lower.ends_with(".cql") {
        let said = format!("Incorrect file extension of {file_name}");
        return Err(errors::text(StatusCode::UNPROCESSABLE_ENTITY, said).into());
    }
    let size = request.get("size").and_then(Value::as_u64);
    if size.is_some_and(|size| size > MAX_KILOBYTES) {
        return Err(too_large(&faults, size.unwrap_or_default()).into());
    }
    let format = text("uploadFormat").unwrap_or("csv");
    let id = match text("id") {
        Some(id) if is_uuid(id) => id.to_ascii_lowercase(),
        Some(_) => return Err(faults.unreadable("id").into()),
        None => uuid_of(&format!("definition {}", context.store.read(|state| state.folio.definitions.len()))),
    };
    let now = context.clock.now();
    let base_name = file_name.rsplit_once('.').map_or(file_name, |(base, _)| base);
    let (made, drops) = context.change(|state| {
        // A second one of the same id takes the first one's place, with another job execution.
        let execution = state.folio.new_execution(Some(&id), base_name, now).id.clone();
        let definition = Definition {
            id: id.clone(),
            file_name: file_name.to_owned(),
            upload_format: format.to_owned(),
            size,
            status: "NEW".to_owned(),
            job_execution_id: execution,
            source_path: None,
            created_at: now,
            updated_at: now,
            looks: 0,
        };
        state.folio.definitions.insert(id.clone(), definition.clone());
        (definition, state.occurs(faults.create_then_drop, "folio.create_then_drop", ""))
    })?;
    if drops {
        return Ok(response::hang_up().by("create_then_drop"));
    }
    Ok(response::json_body(StatusCode::CREATED, &shown(&made, faults.dialect)))
}

fn too_large(faults: &FolioFaults, size: u64) -> Response {
    let said =
        format!("File size is too large: '{size}'. Please use file with size less than {MAX_KILOBYTES}.");
    match faults.dialect {
        Dialect::V5 => errors::text(StatusCode::PAYLOAD_TOO_LARGE, said),
        _ => response::json_body(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({ "message": said, "code": "error.fileIsTooLarge" }),
        ),
    }
}

async fn read(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let faults = authn::admit(
        &context,
        &headers,
        &switches.definition,
        "folio.definition",
        &id,
        "file-definitions.item.get",
    )?;
    let found = context.change(|state| {
        let definition = state.folio.definitions.get_mut(&id.to_ascii_lowercase())?;
        if definition.status == "IN_PROGRESS" {
            definition.looks = definition.looks.saturating_add(1);
            if definition.looks > faults.looks_until_stored {
                stored(definition);
            }
        }
        Some(definition.clone())
    })?;
    let unknown =
        || errors::text(StatusCode::NOT_FOUND, format!("Unable to find file definition with id : {id}"));
    Ok(errors::ok(&shown(&found.ok_or_else(unknown)?, faults.dialect)))
}

fn stored(definition: &mut Definition) {
    definition.status = "COMPLETED".to_owned();
    definition.source_path =
        Some(format!("mod-data-export/upload/{}/{}", definition.id, definition.file_name));
}

async fn upload(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let switches = context.faults().folio;
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if switches.gateway_takes.is_some_and(|most| length > most) {
        return Err(switches.too_large().by("gateway_takes").into());
    }
    let faults = authn::admit(
        &context,
        &headers,
        &switches.upload,
        "folio.upload",
        &id,
        "file-definitions.upload.post",
    )?;
    let id = id.to_ascii_lowercase();
    let known = context.store.read(|state| state.folio.definitions.get(&id).cloned());
    let unknown =
        || errors::text(StatusCode::NOT_FOUND, format!("Unable to find file definition with id : {id}"));
    let known = known.ok_or_else(unknown)?;
    if known.status != "NEW" {
        return Err(uploaded_already(&context, &faults, &id)?.into());
    }
    if faults.upload_fails {
        fail(&context, &id)?;
        return Err(errors::text(StatusCode::INTERNAL_SERVER_ERROR, "Failed to write the file")
            .by("upload_fails")
            .into());
    }
    let path = uploaded(&context, &id);
    let keep = || {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, &body)
    };
    keep().map_err(|error| response::internal(&error))?;
    let now = context.clock.now();
    let (definition, drops) = context.change(|state| {
        let drops = state.occurs(faults.upload_then_drop, "folio.upload_then_drop", &id);
        let definition = state.folio.definitions.get_mut(&id).map(|definition| {
            definition.updated_at = now;
            match faults.dialect {
                Dialect::V4 => definition.status = "IN_PROGRESS".to_owned(),
                _ => stored(definition),
            }
            definition.clone()
        });
        (definition, drops)
    })?;
    if drops {
        return Ok(response::hang_up().by("upload_then_drop"));
    }
    Ok(errors::ok(&shown(&definition.unwrap_or(known), Dialect::V5)))
}

/// Uploading again is refused, and in version 5 spoils the definition's status on top.
fn uploaded_already(context: &Context, faults: &FolioFaults, id: &str) -> Result<Response, Rejection> {
    match faults.dialect {
        Dialect::V5 => {
            fail(context, id)?;
            let said = format!("File already uploaded for file definition with id : {id}");
            Ok(errors::text(StatusCode::INTERNAL_SERVER_ERROR, said))
        }
        _ => Ok(errors::text(StatusCode::BAD_REQUEST, "File already uploaded for this FileDefinition")),
    }
}

fn fail(context: &Context, id: &str) -> Result<(), Rejection> {
    context.change(|state| {
        if let Some(definition) = state.folio.definitions.get_mut(id) {
            definition.status = "ERROR".to_owned();
        }
    })
}

/// What the module's timer does once a day: files and definitions go, job executions stay.
async fn clean_up(State(context): State<Arc<Context>>, headers: HeaderMap) -> Result<Response, Rejection> {
    authn::admit(
        &context,
        &headers,
        &crate::switches::Outage::default(),
        "folio.clean_up",
        "",
        "clean-up-files.post",
    )?;
    context.change(|state| state.folio.definitions.clear())?;
    Ok(errors::text(StatusCode::NO_CONTENT, ""))
}

fn shown(definition: &Definition, dialect: Dialect) -> Value {
    let mut shown = json!({
        "id": definition.id,
        "fileName": definition.file_name,
        "status": definition.status,
        "uploadFormat": definition.upload_format,
        "metadata": {
            "createdDate": definition.created_at.to_string(),
            "updatedDate": definition.updated_at.to_string(),
        },
    });
    let has_execution = dialect != Dialect::V3 || definition.source_path.is_some();
    let optional = [
        ("jobExecutionId", has_execution.then(|| json!(definition.job_execution_id))),
        ("sourcePath", definition.source_path.as_ref().map(|path| json!(path))),
        ("size", definition.size.map(Value::from)),
    ];
    if let Some(fields) = shown.as_object_mut() {
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    shown
}
