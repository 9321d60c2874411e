//! Who may pass, and how the API says that something may not be.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::context::Context;
use crate::identity;
use crate::response::{self, Rejection};
use crate::sp_api::credentials::SP_API_SCOPE;
use crate::switches::Outage;

/// The first thing that an endpoint does. The token is in a header of Amazon's own.
pub(super) fn admit(
    context: &Context,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Rejection> {
    context.outage(outage, endpoint, subject)?;
    let token = headers.get("x-amz-access-token").and_then(|value| value.to_str().ok());
    let bearer = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(
            refused(StatusCode::BAD_REQUEST, "InvalidInput", "The token is not where it must be.").into()
        );
    }
    let headers = bearer.map(|bearer| (header::AUTHORIZATION, bearer)).into_iter().collect();
    identity::authorize(context, &headers, SP_API_SCOPE)
}

/// An error as the API writes it.
pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    response::json_body(status, &json!({ "errors": [{ "code": code, "message": message, "details": "" }] }))
}
