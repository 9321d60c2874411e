//! Tokens. Their holder cannot see how they are made; here each is a signed list of claims, so that tokens stay good over
//! a restart of the simulator.

use serde::{Deserialize, Serialize};

use super::jws::{self, Jws};
use crate::context::Context;
use crate::response::{self, Rejection};

/// A refresh token's life: a week, as an identity domain's default.
pub(super) const REFRESH_SECONDS: i64 = 7 * 24 * 3600;
/// No secret: it keeps tests from making up tokens by accident.
const TOKEN_KEY: &[u8] = b"simulated identity domain";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenKind {
    Access,
    Refresh,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenClaims {
    pub(super) kind: TokenKind,
    pub(super) scope: String,
    iat: i64,
    pub(super) exp: i64,
    pub(super) jti: u64,
    pub(super) generation: u64,
}

pub(super) fn decode(token: &str) -> Option<TokenClaims> {
    Jws::parse(token)?.signed_by_secret(TOKEN_KEY)
}

pub(super) fn issue(context: &Context, kind: TokenKind, scope: &str, life: i64) -> Result<String, Rejection> {
    let now = context.clock.now().as_second();
    let (jti, generation) = context.change(|state| {
        state.tokens.issued += 1;
        (state.tokens.issued, state.tokens.generation)
    })?;
    let claims = TokenClaims {
        kind,
        scope: scope.to_owned(),
        iat: now,
        exp: now.saturating_add(life),
        jti,
        generation,
    };
    jws::sign(&claims, TOKEN_KEY).map_err(|error| response::internal(&error).into())
}
