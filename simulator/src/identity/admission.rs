//! Who may pass: every API that takes the domain's tokens asks here first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};

use super::tokens::{self, TokenKind};
use crate::context::Context;
use crate::response::{self, Rejection};
use crate::switches::Outage;

/// The first thing that an API does: an outage, or a refusal of the caller, ends the request here.
/// `endpoint` and `subject` say what occasions are counted by.
pub(crate) fn admit(
    context: &Context,
    headers: &HeaderMap,
    scope: &str,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Rejection> {
    context.outage(outage, endpoint, subject)?;
    authorize(context, headers, scope)
}

/// 401 without a good token, 403 with one for something else.
pub(crate) fn authorize(context: &Context, headers: &HeaderMap, scope: &str) -> Result<(), Rejection> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((scheme, token)) = value.split_once(' ') else {
        return Err(response::unauthorized("No access token was sent.").into());
    };
    let claims = tokens::decode(token.trim()).filter(|claims| {
        scheme.eq_ignore_ascii_case("bearer")
            && claims.kind == TokenKind::Access
            && claims.exp > context.clock.now().as_second()
    });
    let revoke_after = context.faults().token.revoke_after_requests;
    let current = context.change(|state| {
        let current = claims.filter(|claims| claims.generation >= state.tokens.generation);
        if current.is_some() {
            state.tokens.authorized_requests = state.tokens.authorized_requests.saturating_add(1);
            if revoke_after == Some(state.tokens.authorized_requests) {
                state.tokens.generation += 1;
            }
        }
        current
    })?;
    match current {
        None => Err(response::unauthorized("The access token is invalid, expired or revoked.").into()),
        Some(claims) if claims.scope == scope => Ok(()),
        Some(_) => {
            let detail = "The access token was issued for another audience.";
            Err(response::problem(StatusCode::FORBIDDEN, detail).into())
        }
    }
}

/// The name and the password of a Basic header.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
