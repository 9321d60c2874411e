//! What a FHIR server says in words.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::fhir_bulk::content::outcome;

/// An answer with an `OperationOutcome`.
pub(super) fn told(status: StatusCode, code: &str, text: &str) -> Response {
    let mut answer = Response::new(Body::from(outcome(code, text).to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    answer
}
