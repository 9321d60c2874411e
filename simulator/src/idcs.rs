//! The identity domain: tokens are had at `/oauth2/v1/token`, and every API checks them.
//!
//! A token is good for one scope. Its holder cannot see how it is made; here it is a signed list of claims,
//! so that tokens stay good over a restart of the simulator.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{self, Ended, Marked};
use crate::credentials;
use crate::faults::Grant;
use crate::world::World;

const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SAML2_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const JWT_BEARER_CLIENT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const OFFLINE_ACCESS: &str = "offline_access";
/// A refresh token's life: a week, as an identity domain's default.
const REFRESH_SECONDS: i64 = 7 * 24 * 3600;
/// How far ahead of the domain's clock an assertion's `iat` may be.
const CLOCK_SKEW_SECONDS: i64 = 300;
/// No secret: it keeps tests from making up tokens by accident.
const TOKEN_KEY: &[u8] = b"simulated identity domain";

/// What a token gives access to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The BOSS APIs.
    Boss,
    /// jobscheduler and jobfilemanager.
    Batch,
    /// The EPM environment.
    Epm,
    /// REST resources, which a user's name and password open too.
    Rest,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Boss => credentials::BOSS_SCOPE,
            Self::Batch => credentials::BATCH_SCOPE,
            Self::Epm => credentials::EPM_SCOPE,
            Self::Rest => credentials::REST_SCOPE,
        }
    }
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/oauth2/v1/token", post(token))
}

/// 401 without a good token, 403 with one for something else.
pub(crate) fn authorize(world: &World, headers: &HeaderMap, scope: Scope) -> Result<(), Ended> {
    if let Some((user, password)) = basic_credentials(headers).filter(|_| scope == Scope::Rest) {
        let is_good = user == credentials::USERNAME && password == credentials::PASSWORD;
        return if is_good {
            Ok(())
        } else {
            Err(answer::unauthorized("Wrong user name or password.").into())
        };
    }
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((scheme, token)) = value.split_once(' ') else {
        return Err(answer::unauthorized("No access token was sent.").into());
    };
    let claims = decode_token(token.trim()).filter(|claims| {
        scheme.eq_ignore_ascii_case("bearer")
            && claims.kind == TokenKind::Access
            && claims.exp > world.clock.now().as_second()
    });
    let revoke_after = world.faults().token.revoke_after_requests;
    let current = world.change(|state| {
        let current = claims.filter(|claims| claims.generation >= state.token_generation);
        if current.is_some() {
            state.authorized_requests = state.authorized_requests.saturating_add(1);
            if revoke_after == Some(state.authorized_requests) {
                state.token_generation += 1;
            }
        }
        current
    })?;
    match current {
        None => Err(answer::unauthorized("The access token is invalid, expired or revoked.").into()),
        Some(claims) if claims.scope == scope.name() => Ok(()),
        Some(_) => {
            let detail = "The access token was issued for another audience.";
            Err(answer::problem(StatusCode::FORBIDDEN, detail).into())
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokenKind {
    Access,
    Refresh,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TokenClaims {
    kind: TokenKind,
    scope: String,
    iat: i64,
    exp: i64,
    jti: u64,
    generation: u64,
}

fn decode_token(token: &str) -> Option<TokenClaims> {
    let key = DecodingKey::from_secret(TOKEN_KEY);
    let claims = jsonwebtoken::decode(token, &key, &unchecked_times(Algorithm::HS256));
    claims.ok().map(|token| token.claims)
}

/// The signature alone is checked by the library: time is the simulator's own.
fn unchecked_times(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Result<Response, Ended> {
    world.outage(&world.faults().token.outage, "token", "")?;
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let drops = world.faults().token.issue_then_drop;
    match grant(&world, &headers, &form) {
        Ok(_) if world.change(|state| state.occurs(drops, "token.issue_then_drop", ""))? => {
            Ok(answer::hang_up().by("issue_then_drop"))
        }
        Ok(granted) => issue(&world, &granted),
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
        answer::json_body(status, &body)
    }
}

fn refuse(error: &'static str, description: &'static str) -> Refusal {
    Refusal { error, description }
}

/// What a token is to be issued for.
struct Granted {
    scope: &'static str,
    with_refresh_token: bool,
}

type Form = HashMap<String, String>;

fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

fn grant(world: &World, headers: &HeaderMap, form: &Form) -> Result<Granted, Refusal> {
    authenticate_client(world, headers, form)?;
    let grant = match field(form, "grant_type") {
        "password" => Grant::Password,
        "client_credentials" => Grant::ClientCredentials,
        JWT_BEARER_GRANT => Grant::JwtBearer,
        SAML2_BEARER_GRANT => Grant::Saml2Bearer,
        "refresh_token" => Grant::RefreshToken,
        _ => return Err(refuse("unsupported_grant_type", "The grant type is not supported.")),
    };
    let allowed = world.faults().token.allowed_grants;
    if !allowed.is_empty() && !allowed.contains(&grant) {
        return Err(refuse("unauthorized_client", "The client may not use this grant type."));
    }
    match grant {
        Grant::Password => check_password(form)?,
        Grant::ClientCredentials => {}
        Grant::JwtBearer => check_assertion(world, field(form, "assertion"), credentials::USERNAME)
            .map_err(|description| refuse("invalid_grant", description))?,
        Grant::Saml2Bearer => {
            let assertion = URL_SAFE_NO_PAD.decode(field(form, "assertion").trim_end_matches('=')).ok();
            if assertion.as_deref() != Some(credentials::SAML_ASSERTION.as_bytes()) {
                return Err(refuse("invalid_grant", "The SAML assertion is invalid or expired."));
            }
        }
        Grant::RefreshToken => return refresh(world, form),
    }
    requested_scope(field(form, "scope"))
}

/// Exactly one scope of one resource, beside `offline_access`: an audience each.
fn requested_scope(scopes: &str) -> Result<Granted, Refusal> {
    let with_refresh_token = scopes.split_whitespace().any(|scope| scope == OFFLINE_ACCESS);
    let wanted: Vec<&str> = scopes.split_whitespace().filter(|scope| *scope != OFFLINE_ACCESS).collect();
    let [wanted] = wanted.as_slice() else {
        return Err(refuse("invalid_scope", "Exactly one resource scope must be requested."));
    };
    let known = [Scope::Boss, Scope::Batch, Scope::Epm, Scope::Rest];
    let known = known.map(Scope::name).into_iter().find(|known| known == wanted);
    match known {
        Some(scope) => Ok(Granted { scope, with_refresh_token }),
        None => Err(refuse("invalid_scope", "The requested scope is invalid or unknown.")),
    }
}

fn authenticate_client(world: &World, headers: &HeaderMap, form: &Form) -> Result<(), Refusal> {
    let rejected = || refuse("invalid_client", "Client authentication failed.");
    if field(form, "client_assertion_type") == JWT_BEARER_CLIENT {
        return check_assertion(world, field(form, "client_assertion"), credentials::CLIENT_ID)
            .map_err(|description| refuse("invalid_client", description));
    }
    if let Some((id, secret)) = basic_credentials(headers) {
        let good = id == credentials::CLIENT_ID && secret == credentials::CLIENT_SECRET;
        return if good { Ok(()) } else { Err(rejected()) };
    }
    let good = field(form, "client_id") == credentials::CLIENT_ID
        && field(form, "client_secret") == credentials::CLIENT_SECRET
        && !world.faults().token.basic_only;
    if good { Ok(()) } else { Err(rejected()) }
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

fn check_password(form: &Form) -> Result<(), Refusal> {
    let good =
        field(form, "username") == credentials::USERNAME && field(form, "password") == credentials::PASSWORD;
    if good {
        Ok(())
    } else {
        Err(refuse("invalid_grant", "You entered an incorrect user name or password."))
    }
}

fn refresh(world: &World, form: &Form) -> Result<Granted, Refusal> {
    let rejected = || refuse("invalid_grant", "The refresh token is invalid or expired.");
    let claims = decode_token(field(form, "refresh_token")).ok_or_else(rejected)?;
    let current = world.store.read(|state| state.token_generation);
    let good = claims.kind == TokenKind::Refresh
        && claims.exp > world.clock.now().as_second()
        && claims.generation >= current;
    if !good {
        return Err(rejected());
    }
    let asked = field(form, "scope");
    let granted = requested_scope(if asked.is_empty() { &claims.scope } else { asked })?;
    if granted.scope != claims.scope {
        return Err(refuse("invalid_scope", "The scope exceeds that of the refresh token."));
    }
    if world.faults().token.refresh_once {
        let spent = world.store.change(|state| {
            let is_spent = state.rest.spent_refresh_tokens.contains(&claims.jti);
            state.rest.spent_refresh_tokens.push(claims.jti);
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

fn check_assertion(world: &World, assertion: &str, subject: &str) -> Result<(), &'static str> {
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| "The assertion is not a JWT.")?;
    let names_key = header.kid.as_deref() == Some(credentials::KEY_ID) || header.x5t.is_some();
    if !names_key {
        return Err("The assertion's header names no known key (kid or x5t).");
    }
    let key = DecodingKey::from_rsa_pem(credentials::PUBLIC_KEY_PEM.as_bytes())
        .map_err(|_| "The simulator's public key is unreadable.")?;
    let decoded = jsonwebtoken::decode::<Assertion>(assertion, &key, &unchecked_times(Algorithm::RS256))
        .map_err(|_| "The assertion's signature or claims are invalid.")?;
    let claims = decoded.claims;
    let now = world.clock.now().as_second();
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

fn issue(world: &World, granted: &Granted) -> Result<Response, Ended> {
    let faults = world.faults().token;
    let life = i64::from(faults.lifetime_seconds);
    let access_token = new_token(world, TokenKind::Access, granted.scope, life)?;
    let expires_in = if faults.expires_in_milliseconds { life * 1000 } else { life };
    let mut body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": expires_in,
    });
    if granted.with_refresh_token && !faults.without_next_refresh_token {
        let token = new_token(world, TokenKind::Refresh, granted.scope, REFRESH_SECONDS)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("refresh_token".to_owned(), Value::String(token));
        }
    }
    Ok(answer::json_body(StatusCode::OK, &body))
}

impl crate::Simulator {
    /// A refresh token, as a user gets it who has authorised the client for a scope.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Folder`] if that cannot be kept.
    pub fn refresh_token(&self, scope: &str) -> Result<String, crate::Error> {
        let token = new_token(&self.world, TokenKind::Refresh, scope, REFRESH_SECONDS);
        token.map_err(|_| crate::Error::Folder {
            path: self.world.folder.path().to_owned(),
            source: std::io::Error::other("the token could not be noted"),
        })
    }
}

fn new_token(world: &World, kind: TokenKind, scope: &str, life: i64) -> Result<String, Ended> {
    let now = world.clock.now().as_second();
    let (jti, generation) = world.change(|state| {
        state.tokens_issued += 1;
        (state.tokens_issued, state.token_generation)
    })?;
    let claims = TokenClaims {
        kind,
        scope: scope.to_owned(),
        iat: now,
        exp: now.saturating_add(life),
        jti,
        generation,
    };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(TOKEN_KEY))
        .map_err(|error| answer::internal(&error).into())
}
