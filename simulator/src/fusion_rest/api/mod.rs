//! The endpoints of REST resources.

mod filter;
mod finder;
pub(super) mod page;
mod resources;

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::context::Context;
use crate::operation::Operation;

pub(super) fn routes() -> Router<Arc<Context>> {
    resources::routes()
}

/// What a request is for, by its path's segments in lower case.
pub(super) fn operation(_: &Method, segments: &[&str]) -> Operation {
    match segments {
        [_, "resources"] | [_, "resources", _, .., "describe"] => Operation::DescribeResource,
        [_, "resources", _, _, ..] => Operation::ReadResource,
        _ => Operation::Other,
    }
}
