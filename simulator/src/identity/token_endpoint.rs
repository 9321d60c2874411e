//! `POST /oauth2/v1/token`, with the grants of RFC 6749, RFC 7521 and RFC 7522. A token is good for one scope.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admission::basic_credentials;
use super::credentials;
use super::faults::Grant;
use super::jws::Jws;
use super::tokens::{self, REFRESH_SECONDS, TokenKind};
use crate::context::Context;
use crate::response::{self, Marked, Rejection};

const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SAML2_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const JWT_BEARER_CLIENT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const OFFLINE_ACCESS: &str = "offline_access";
/// How far ahead of the domain's clock an assertion's `iat` may be.
const CLOCK_SKEW_SECONDS: i64 = 300;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/oauth2/v1/token", post(token))
}

async fn token(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Rejection> {
    context.outage(&context.faults().token.outage, "token", "")?;
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let drops = context.faults().token.issue_then_drop;
    match grant(&context, &headers, &form) {
        Ok(_) if context.change(|state| state.occurs(drops, "token.issue_then_drop", ""))? => {
            Ok(response::hang_up().by("issue_then_drop"))
        }
        Ok(granted) => issue(&context, &granted),
        Err(refusal) => Ok(refusal.into_answer()),
    }
}

/// A refusal in the form of RFC 6749, section 5.2, with the domain's own `ecid`.
struct Refusal {
    error: &'static str,
    description: &'static str,
}

impl Refusal {
    fn into_answer(self) -> Response {
        let status =
            if self.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let body = json!({
            "error": self.error,
            "error_description": self.description,
            "ecid": "kV0q3GkFg00000000",
        });
        response::json_body(status, &body)
    }
}

fn refuse(error: &'static str, description: &'static str) -> Refusal {
    Refusal { error, description }
}

/// What a token is to be issued for.
struct Granted {
    scope: String,
    with_refresh_token: bool,
}

type Form = HashMap<String, String>;

fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

fn grant(context: &Context, headers: &HeaderMap, form: &Form) -> Result<Granted, Refusal> {
    authenticate_client(context, headers, form)?;
    let grant = match field(form, "grant_type") {
        "password" => Grant::Password,
        "client_credentials" => Grant::ClientCredentials,
        JWT_BEARER_GRANT => Grant::JwtBearer,
        SAML2_BEARER_GRANT => Grant::Saml2Bearer,
        "refresh_token" => Grant::RefreshToken,
        _ => return Err(refuse("unsupported_grant_type", "The grant type is not supported.")),
    };
    let allowed = context.faults().token.allowed_grants;
    if !allowed.is_empty() && !allowed.contains(&grant) {
        return Err(refuse("unauthorized_client", "The client may not use this grant type."));
    }
    match grant {
        Grant::Password => check_password(form)?,
        Grant::ClientCredentials => {}
        Grant::JwtBearer => check_assertion(context, field(form, "assertion"), credentials::USERNAME)
            .map_err(|description| refuse("invalid_grant", description))?,
        Grant::Saml2Bearer => {
            let assertion = URL_SAFE_NO_PAD.decode(field(form, "assertion").trim_end_matches('=')).ok();
            if assertion.as_deref() != Some(credentials::SAML_ASSERTION.as_bytes()) {
                return Err(refuse("invalid_grant", "The SAML assertion is invalid or expired."));
            }
        }
        Grant::RefreshToken => return refresh(context, form),
    }
    requested_scope(context, field(form, "scope"))
}

/// Exactly one scope of one resource, beside `offline_access`: an audience each.
fn requested_scope(context: &Context, scopes: &str) -> Result<Granted, Refusal> {
    let with_refresh_token = scopes.split_whitespace().any(|scope| scope == OFFLINE_ACCESS);
    let wanted: Vec<&str> = scopes.split_whitespace().filter(|scope| *scope != OFFLINE_ACCESS).collect();
    let [wanted] = wanted.as_slice() else {
        return Err(refuse("invalid_scope", "Exactly one resource scope must be requested."));
    };
    match context.scopes.contains(wanted) {
        true => Ok(Granted { scope: (*wanted).to_owned(), with_refresh_token }),
        false => Err(refuse("invalid_scope", "The requested scope is invalid or unknown.")),
    }
}

fn authenticate_client(context: &Context, headers: &HeaderMap, form: &Form) -> Result<(), Refusal> {
    let rejected = || refuse("invalid_client", "Client authentication failed.");
    if field(form, "client_assertion_type") == JWT_BEARER_CLIENT {
        return check_assertion(context, field(form, "client_assertion"), credentials::CLIENT_ID)
            .map_err(|description| refuse("invalid_client", description));
    }
    if let Some((id, secret)) = basic_credentials(headers) {
        let good = id == credentials::CLIENT_ID && secret == credentials::CLIENT_SECRET;
        return if good { Ok(()) } else { Err(rejected()) };
    }
    let good = field(form, "client_id") == credentials::CLIENT_ID
        && field(form, "client_secret") == credentials::CLIENT_SECRET
        && !context.faults().token.basic_only;
    if good { Ok(()) } else { Err(rejected()) }
}

fn check_password(form: &Form) -> Result<(), Refusal> {
    let good =
        field(form, "username") == credentials::USERNAME && field(form, "password") == credentials::PASSWORD;
    if good {
        Ok(())
    } else {
        Err(refuse("invalid_grant", "You entered an incorrect user name or password."))
    }
}

fn refresh(context: &Context, form: &Form) -> Result<Granted, Refusal> {
    let rejected = || refuse("invalid_grant", "The refresh token is invalid or expired.");
    let claims = tokens::decode(field(form, "refresh_token")).ok_or_else(rejected)?;
    let current = context.store.read(|state| state.tokens.generation);
    let good = claims.kind == TokenKind::Refresh
        && claims.exp > context.clock.now().as_second()
        && claims.generation >= current;
    if !good {
        return Err(rejected());
    }
    let asked = field(form, "scope");
    let granted = requested_scope(context, if asked.is_empty() { &claims.scope } else { asked })?;
    if granted.scope != claims.scope {
        return Err(refuse("invalid_scope", "The scope exceeds that of the refresh token."));
    }
    if context.faults().token.refresh_once {
        let spent = context.store.change(|state| {
            let is_spent = state.tokens.spent_refresh_tokens.contains(&claims.jti);
            state.tokens.spent_refresh_tokens.push(claims.jti);
            is_spent
        });
        if !matches!(spent, Ok(false)) {
            return Err(refuse("invalid_grant", "The refresh token has been used."));
        }
    }
    Ok(Granted { with_refresh_token: true, ..granted })
}

/// Claims of user and client assertions, as the domain's documentation asks for them.
#[derive(Deserialize)]
struct Assertion {
    sub: String,
    iss: String,
    aud: Audience,
    exp: i64,
    iat: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }
}

fn check_assertion(context: &Context, assertion: &str, subject: &str) -> Result<(), &'static str> {
    let jws = Jws::parse(assertion).ok_or("The assertion is not a JWT.")?;
    let names_key = jws.header.kid.as_deref() == Some(credentials::KEY_ID) || jws.header.x5t.is_some();
    if !names_key {
        return Err("The assertion's header names no known key (kid or x5t).");
    }
    let claims: Assertion = jws
        .signed_by_key(credentials::PUBLIC_KEY_DER)
        .ok_or("The assertion's signature or claims are invalid.")?;
    let now = context.clock.now().as_second();
    if claims.sub != subject || claims.iss != credentials::CLIENT_ID {
        Err("The assertion's sub or iss is not allowed.")
    } else if !claims.aud.names(credentials::AUDIENCE) {
        Err("The assertion's aud is not this identity domain.")
    } else if claims.exp <= now {
        Err("The assertion has expired.")
    } else if claims.iat > now + CLOCK_SKEW_SECONDS {
        Err("The assertion was issued in the future.")
    } else {
        Ok(())
    }
}

fn issue(context: &Context, granted: &Granted) -> Result<Response, Rejection> {
    let faults = context.faults().token;
    let life = i64::from(faults.lifetime_seconds);
    let access_token = tokens::issue(context, TokenKind::Access, &granted.scope, life)?;
    let expires_in = if faults.expires_in_milliseconds { life * 1000 } else { life };
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": expires_in,
    });
    if granted.with_refresh_token && !faults.without_next_refresh_token {
        let token = tokens::issue(context, TokenKind::Refresh, &granted.scope, REFRESH_SECONDS)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("refresh_token".to_owned(), Value::String(token));
        }
    }
    Ok(response::json_body(StatusCode::OK, &body))
}
