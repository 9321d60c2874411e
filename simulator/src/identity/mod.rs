//! The identity domain: tokens are had at `/oauth2/v1/token`, and every API of Oracle's checks them.

mod admission;
pub mod credentials;
pub mod faults;
mod inspect;
mod jws;
pub(crate) mod state;
mod token_endpoint;
mod tokens;

use std::sync::Arc;

use axum::Router;

use crate::context::Context;
use crate::operation::Operation;

pub(crate) use admission::{admit, authorize, basic_credentials};

/// What the domain's paths begin with.
pub(crate) const PATH: &str = "/oauth2/";

pub(crate) fn routes() -> Router<Arc<Context>> {
    token_endpoint::routes()
}

/// What a request is for, by its path's segments in lower case.
pub(crate) fn operation(segments: &[&str]) -> Operation {
    match segments {
        ["oauth2", _, "token"] => Operation::Token,
        _ => Operation::Other,
    }
}
