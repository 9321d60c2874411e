//! Who may pass, and by which path.
//!
//! Everything is served at the root and below `/gateway`, as environments behind a gateway are.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use crate::context::Context;
use crate::epm::credentials::{EPM_SCOPE, IDENTITY_DOMAIN};
use crate::epm::faults::SignIn;
use crate::identity;
use crate::identity::credentials::{PASSWORD, USERNAME};
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

/// The path that a gateway puts before everything.
pub(in crate::epm) const GATEWAY: &str = "/gateway";

/// The path before everything, by which a request came.
pub(super) fn prefix(uri: &Uri) -> &'static str {
    if uri.path().starts_with(GATEWAY) { GATEWAY } else { "" }
}

/// The first thing that an endpoint does: an outage, or a refusal of the caller, ends the request here.
pub(super) fn admit(
    context: &Context,
    uri: &Uri,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Rejection> {
    if context.faults().epm.only_below_gateway && prefix(uri).is_empty() {
        return Err(response::problem(StatusCode::NOT_FOUND, "No such resource.").into());
    }
    context.outage(&context.faults().epm.outage, "epm", "")?;
    context.outage(outage, endpoint, subject)?;
    let is_basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("Basic "));
    match (is_basic, context.faults().epm.sign_in) {
        (false, _) => identity::authorize(context, headers, EPM_SCOPE),
        (true, SignIn::Taken) if knows(headers) => Ok(()),
        (true, SignIn::Taken | SignIn::Unauthorized) => Err(unauthorized().by("epm.sign_in").into()),
        (true, SignIn::Redirect) => Err(response::to_login().by("epm.sign_in").into()),
        (true, SignIn::LoginPage) => Err(response::login_page().by("epm.sign_in").into()),
    }
}

fn knows(headers: &HeaderMap) -> bool {
    let pair = identity::basic_credentials(headers);
    pair.is_some_and(|(name, password)| {
        let domain = format!("{}.", IDENTITY_DOMAIN);
        let name = name.strip_prefix(&domain).unwrap_or(&name);
        name == USERNAME && password == PASSWORD
    })
}

fn unauthorized() -> Response {
    let mut answer = response::problem(StatusCode::UNAUTHORIZED, "The user name or the password is wrong.");
    let challenge = HeaderValue::from_static("Basic realm=\"EPM\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}
