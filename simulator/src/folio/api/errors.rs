//! Errors, in the forms of the module's versions and of the two gateways.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::folio::faults::{Dialect, FolioFaults, Platform};
use crate::response;

/// The module's usual form, whatever a client accepts.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut answer = text.into().into_response();
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

pub(super) fn json(status: StatusCode, message: &str, code: &str, kind: &str) -> Response {
    let error = json!({ "message": message, "type": kind, "code": code, "parameters": [] });
    response::json_body(status, &json!({ "errors": [error], "total_records": 1 }))
}

/// What Spring says of an exception that nobody handles.
pub(super) fn spring(status: StatusCode, path: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "timestamp": "2026-04-24T10:18:19.852+00:00", "status": status.as_u16(), "error": reason, "path": path,
    });
    response::json_body(status, &body)
}

impl FolioFaults {
    /// A token that is good no more.
    pub(super) fn unauthorized(&self) -> Response {
        match self.platform {
            Platform::Okapi => text(StatusCode::UNAUTHORIZED, "Invalid token"),
            Platform::Eureka => {
                json(StatusCode::UNAUTHORIZED, "Unauthorized", "authorization_error", "UnauthorizedException")
            }
        }
    }

    /// No token at all.
    pub(super) fn no_token(&self, permission: &str) -> Response {
        match self.platform {
            Platform::Okapi => text(
                StatusCode::BAD_REQUEST,
                format!("Token missing, access requires permission: {permission}"),
            ),
            Platform::Eureka => self.unauthorized(),
        }
    }

    /// Two tokens that differ.
    pub(super) fn two_tokens(&self) -> Response {
        match self.platform {
            Platform::Okapi => {
                text(StatusCode::BAD_REQUEST, "Invalid Token: X-Okapi-Token conflicts with Cookie")
            }
            Platform::Eureka => {
                json(StatusCode::NOT_FOUND, "Tokens differ", "route_not_found_error", "NotFound")
            }
        }
    }

    pub(super) fn forbidden(&self, permission: &str) -> Response {
        match self.platform {
            Platform::Okapi => text(
                StatusCode::FORBIDDEN,
                format!("Access for user 'integration_user' requires permission: {permission}"),
            ),
            Platform::Eureka => {
                json(StatusCode::FORBIDDEN, "Access Denied", "authorization_error", "ForbiddenException")
            }
        }
    }

    pub(super) fn no_tenant(&self, tenant: &str) -> Response {
        match self.platform {
            Platform::Okapi => text(StatusCode::BAD_REQUEST, format!("No such Tenant {tenant}")),
            Platform::Eureka => json(
                StatusCode::BAD_REQUEST,
                "Application is not enabled for tenant",
                "tenant_not_enabled",
                "TenantNotEnabledException",
            ),
        }
    }

    pub(super) fn unavailable(&self) -> Response {
        let mut answer = match self.platform {
            Platform::Okapi => text(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
            Platform::Eureka => json(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service Unavailable. Retry later",
                "service_unavailable",
                "ServiceUnavailable",
            ),
        };
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        answer
    }

    /// What nginx in Kong says of a body that it does not take.
    pub(super) fn too_large(&self) -> Response {
        response::gateway_error(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// A body that is no request.
    pub(super) fn unreadable(&self, what: &str) -> Response {
        match self.dialect {
            Dialect::V5 => text(StatusCode::BAD_REQUEST, "Invalid date format for payload"),
            _ => json(StatusCode::UNPROCESSABLE_ENTITY, what, "-1", "1"),
        }
    }

    /// A query that is no CQL, or more of it than this simulator knows.
    pub(super) fn bad_query(&self, path: &str, query: &str) -> Response {
        match self.dialect {
            Dialect::V5 => spring(StatusCode::INTERNAL_SERVER_ERROR, path),
            _ => text(StatusCode::BAD_REQUEST, format!("CQL parse error: {query}")),
        }
    }
}

/// A body of JSON.
pub(super) fn ok(body: &Value) -> Response {
    response::json_body(StatusCode::OK, body)
}
