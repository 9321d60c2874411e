//! Logins, and who may pass.
//!
//! A token is a signed list of what it is good for; its holder cannot see that. Refresh tokens are good for one use, and
//! a second use revokes every token of the user (mod-authtoken, `RefreshTokenStore`).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::errors;
use crate::context::Context;
use crate::folio::credentials::{FOLIO_PASSWORD, FOLIO_TENANT, FOLIO_USERNAME};
use crate::folio::faults::FolioFaults;
use crate::response::{self, Marked, Rejection};
use crate::switches::Outage;

const SIGNATURE_KEY: &str = "the simulated FOLIO signs with this";
const REFRESH_SECONDS: i64 = 604_800;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/authn/login-with-expiry", post(login_with_expiry))
        .route("/authn/login", post(legacy_login))
        .route("/authn/refresh", post(refresh))
}

async fn login_with_expiry(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().folio;
    if faults.login.no_expiry {
        return Err(errors::text(
            StatusCode::NOT_FOUND,
            "No suitable module found for path /authn/login-with-expiry for tenant diku",
        )
        .into());
    }
    log_in(&context, &faults, &headers, &body)?;
    tokens(&context, &faults)
}

async fn legacy_login(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    let faults = context.faults().folio;
    if faults.login.no_legacy {
        return Err(errors::text(StatusCode::NOT_FOUND, "Legacy tokens are disabled").into());
    }
    log_in(&context, &faults, &headers, &body)?;
    let token = issue(&context, "access", None)?;
    let mut answer = response::json_body(StatusCode::CREATED, &json!({ "okapiToken": token }));
    if !faults.login.body_only {
        answer.headers_mut().insert(
            "x-okapi-token",
            HeaderValue::from_str(&token).map_err(|error| response::internal(&error))?,
        );
    }
    Ok(answer)
}

async fn refresh(State(context): State<Arc<Context>>, headers: HeaderMap) -> Result<Response, Rejection> {
    let faults = context.faults().folio;
    tenant(&faults, &headers)?;
    let Some(token) = cookie(&headers, "folioRefreshToken") else {
        return Err(errors::json(
            StatusCode::BAD_REQUEST,
            "No refresh token",
            "token.parse.failure",
            "error",
        )
        .into());
    };
    let unprocessable = || {
        errors::json(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unprocessable",
            "token.refresh.unprocessable",
            "error",
        )
    };
    if !is_good(&context, "refresh", &token) {
        return Err(unprocessable().into());
    }
    let is_new = context.change(|state| {
        let is_new = state.folio.used_refresh_tokens.insert(token);
        if !is_new {
            state.tokens.generation += 1;
        }
        is_new
    })?;
    if is_new { tokens(&context, &faults) } else { Err(unprocessable().into()) }
}

fn log_in(
    context: &Context,
    faults: &FolioFaults,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    outage(context, faults, &faults.login.outage, "folio.login", "", "authn")?;
    tenant(faults, headers)?;
    let given: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| given.get(field).and_then(Value::as_str).unwrap_or_default();
    let is_right = text("username") == FOLIO_USERNAME && text("password") == FOLIO_PASSWORD;
    let passes = context.change(|state| {
        let passes = is_right && state.folio.failed_logins < faults.login.blocked_after;
        state.folio.failed_logins = if passes { 0 } else { state.folio.failed_logins.saturating_add(1) };
        passes
    })?;
    if passes {
        return Ok(());
    }
    let message = "Error verifying user existence: No user found by username integration_user";
    Err(errors::json(
        StatusCode::UNPROCESSABLE_ENTITY,
        message,
        "wrong.username.or.wrong.password.or.account.blocked",
        "error",
    )
    .into())
}

/// Tokens as the login with expiry gives them: in cookies, and nowhere else.
fn tokens(context: &Context, faults: &FolioFaults) -> Result<Response, Rejection> {
    let (now, seconds) = (context.clock.now(), faults.login.access_seconds);
    let ends = |seconds: i64| now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let access = issue(context, "access", Some(ends(seconds)))?;
    let refresh = issue(context, "refresh", Some(ends(REFRESH_SECONDS)))?;
    let body = json!({
        "accessTokenExpiration": ends(seconds).to_string(),
        "refreshTokenExpiration": ends(REFRESH_SECONDS).to_string(),
    });
    let mut answer = response::json_body(StatusCode::CREATED, &body);
    let date = |at: Timestamp| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for cookie in [
        format!(
            "folioRefreshToken={refresh}; Max-Age={REFRESH_SECONDS}; Expires={}; Path=/authn; Secure; HTTPOnly; SameSite=None",
            date(ends(REFRESH_SECONDS))
        ),
        format!(
            "folioAccessToken={access}; Max-Age={seconds}; Expires={}; Path=/; Secure; HTTPOnly; SameSite=None",
            date(ends(seconds))
        ),
    ] {
        let cookie = HeaderValue::from_str(&cookie).map_err(|error| response::internal(&error))?;
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn issue(context: &Context, kind: &str, ends: Option<Timestamp>) -> Result<String, Rejection> {
    context.change(|state| {
        state.folio.tokens_issued += 1;
        let ends = ends.map_or(i64::MAX, Timestamp::as_second);
        let claims = format!("{kind}.{}.{}.{ends}", state.tokens.generation, state.folio.tokens_issued);
        format!("{claims}.{}", signature(&claims))
    })
}

fn signature(claims: &str) -> String {
    hex::encode(Sha256::digest(format!("{SIGNATURE_KEY}{claims}")))
}

fn is_good(context: &Context, kind: &str, token: &str) -> bool {
    let Some((claims, signed)) = token.rsplit_once('.') else { return false };
    let parts: Vec<&str> = claims.split('.').collect();
    let [of, generation, _, ends] = parts.as_slice() else { return false };
    let current = context.store.read(|state| state.tokens.generation);
    signed == signature(claims)
        && *of == kind
        && generation.parse() == Ok(current)
        && ends.parse::<i64>().is_ok_and(|ends| context.clock.now().as_second() < ends)
}

/// What comes before every endpoint of the module: an outage, or a refusal by the gateway.
pub(super) fn admit(
    context: &Context,
    headers: &HeaderMap,
    switch: &Outage,
    endpoint: &str,
    subject: &str,
    permission: &str,
) -> Result<FolioFaults, Rejection> {
    let faults = context.faults().folio;
    outage(context, &faults, switch, endpoint, subject, permission)?;
    tenant(&faults, headers)?;
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let okapi = headers.get("x-okapi-token").and_then(|value| value.to_str().ok());
    let mut given: Vec<String> = [okapi, bearer].into_iter().flatten().map(str::to_owned).collect();
    given.extend(cookie(headers, "folioAccessToken"));
    given.dedup();
    match given.as_slice() {
        [] => Err(faults.no_token(&format!("data-export.{permission}")).into()),
        [token] if is_good(context, "access", token) => Ok(faults),
        [_] => Err(faults.unauthorized().into()),
        _ => Err(faults.two_tokens().into()),
    }
}

fn tenant(faults: &FolioFaults, headers: &HeaderMap) -> Result<(), Rejection> {
    match headers.get("x-okapi-tenant").and_then(|value| value.to_str().ok()) {
        Some(FOLIO_TENANT) => Ok(()),
        other => Err(faults.no_tenant(other.unwrap_or("supertenant")).into()),
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

/// An outage, in FOLIO's forms.
fn outage(
    context: &Context,
    faults: &FolioFaults,
    switch: &Outage,
    endpoint: &str,
    subject: &str,
    permission: &str,
) -> Result<(), Rejection> {
    if *switch == Outage::default() {
        return Ok(());
    }
    let acting = context.change(|state| {
        let mut occurs = |times, name: &str| state.occurs(times, &format!("{endpoint}.{name}"), subject);
        if occurs(switch.drop_connection, "drop_connection") {
            Some(response::hang_up().by("drop_connection"))
        } else if occurs(switch.unavailable, "unavailable") {
            Some(faults.unavailable().by("unavailable"))
        } else if occurs(switch.throttle.times, "throttle") {
            Some(response::too_many_requests(switch.throttle.retry_after_seconds).by("throttle"))
        } else if occurs(switch.unauthorized, "unauthorized") {
            Some(faults.unauthorized().by("unauthorized"))
        } else if occurs(switch.forbidden, "forbidden") {
            Some(faults.forbidden(&format!("data-export.{permission}")).by("forbidden"))
        } else if occurs(switch.login_page, "login_page") {
            Some(response::login_page().by("login_page"))
        } else {
            None
        }
    })?;
    acting.map_or(Ok(()), |answer| Err(answer.into()))
}
