//! What tests do with tokens past the token endpoint.

use super::tokens::{self, REFRESH_SECONDS, TokenKind};
use crate::error::Error;
use crate::simulator::Simulator;

impl Simulator {
    /// A refresh token, as a user gets it who has authorised the client for a scope.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn refresh_token(&self, scope: &str) -> Result<String, Error> {
        let token = tokens::issue(&self.context, TokenKind::Refresh, scope, REFRESH_SECONDS);
        token.map_err(|_| Error::Folder {
            path: self.context.folder.path().to_owned(),
            source: std::io::Error::other("the token could not be noted"),
        })
    }

    /// Revokes every token issued so far.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn revoke_tokens(&self) -> Result<(), Error> {
        self.change(|state| state.tokens.generation += 1)
    }
}
