//! The credentials of a call.

use http::StatusCode;

use super::request::Request;
use crate::auth::Credential;
use crate::error::{Failure, HttpError};

/// What became of a call's credentials so far.
#[derive(Debug, Default)]
pub(crate) struct Login {
    used: Option<Credential>,
    is_renewed: bool,
    /// Whether the last server that was called was shown any, be it these or those of the call's own headers.
    pub(super) is_shown: bool,
}

impl Login {
    /// Whether a refusal has had the credentials renewed, which is tried once a call. A server that was shown none has
    /// refused none.
    pub(super) async fn renewed(&mut self, request: &Request, failure: &Failure) -> bool {
        let Failure::Status { status, .. } = failure else { return false };
        let (Some(authorizer), Some(used)) = (&request.authorizer, self.used.take()) else { return false };
        // Gateways answer 403 to a token that has expired; to a user who may not read, too: then nothing is lost.
        let may_be_why = *status == StatusCode::UNAUTHORIZED
            || (*status == StatusCode::FORBIDDEN && request.is_reading() && authorizer.renews());
        if !may_be_why || !self.is_shown || self.is_renewed {
            return false;
        }
        self.is_renewed = true;
        authorizer.refused(&used).await;
        authorizer.is_asked_again()
    }

    /// Has the credentials renewed, if there can be others, of a call that was answered by a page: behind a session that is
    /// over, a login page says so. Those that there are no others of stay: the page may be one of maintenance.
    pub(super) async fn renew_behind_a_page(&mut self, request: &Request) {
        let (Some(authorizer), Some(used)) = (&request.authorizer, self.used.take()) else { return };
        if self.is_shown && !self.is_renewed && authorizer.renews() {
            self.is_renewed = true;
            authorizer.refused(&used).await;
        }
    }
}

/// Gives a request the credentials of its call, where they are for the host that it goes to.
pub(super) async fn authorize(
    request: &Request,
    hop: &mut reqwest::Request,
    login: &mut Login,
) -> Result<(), Failure> {
    if let Some(authorizer) = request.authorizer.as_ref().filter(|authorizer| authorizer.covers(hop.url())) {
        let credential = authorizer.authorize(hop).await.map_err(HttpError::without_credentials)?;
        login.used = Some(credential);
    }
    Ok(())
}
