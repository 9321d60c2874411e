//! Sending a request, and following redirects as far as they may be followed.

use std::sync::PoisonError;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use super::Client;
use super::login::{Login, authorize};
use super::request::Request;
use super::transport::{check_headers, transport_failure};
use crate::error::{Failure, RedirectRefused};
use crate::redact;
use crate::retry::told_time;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

impl Client {
    /// Sends a request, following redirects where the policy allows it, and returns the last answer's head.
    pub(crate) async fn send(
        &self,
        request: &Request,
        login: &mut Login,
    ) -> Result<reqwest::Response, Failure> {
        self.policy.check(&request.url).map_err(Failure::Refused)?;
        let mut url = self.policy.called_at(&request.url).into_owned();
        let mut is_trusted = true;
        for _ in 0..=MAX_REDIRECTS {
            self.redactor.remember_link(&url);
            let mut hop = request.at(&url);
            if is_trusted {
                authorize(request, &mut hop, login).await?;
            } else {
                strip_secrets(hop.headers_mut());
            }
            login.is_shown = hop.headers().values().any(HeaderValue::is_sensitive);
            let response = self.transport.execute(hop).await.map_err(transport_failure)?;
            check_headers(response.headers())?;
            if let Some(time) = told_time(response.headers()) {
                *self.server_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
            }
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            let next = self.redirected(request, &url, response.headers()).map_err(Failure::Redirect)?;
            is_trusted &= next.origin() == url.origin();
            url = next;
        }
        Err(Failure::Redirect(RedirectRefused::TooMany(MAX_REDIRECTS)))
    }

    pub(super) fn redirected(
        &self,
        request: &Request,
        from: &Url,
        headers: &HeaderMap,
    ) -> Result<Url, RedirectRefused> {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| from.join(location).ok());
        if !request.is_reading() {
            let to = next.map(|next| format!("to {}: a login page?", redact::url(&next)));
            let to = to.unwrap_or_else(|| "it does not say where to".to_owned());
            return Err(RedirectRefused::NotReading(self.redactor.text(&to)));
        }
        let next = next.ok_or(RedirectRefused::NoLocation)?;
        let next = self.policy.called_at(&next).into_owned();
        if from.scheme() == "https" && next.scheme() != "https" {
            return Err(RedirectRefused::Downgrade(self.redactor.text(&redact::url(&next))));
        }
        self.policy.check(&next)?;
        Ok(next)
    }
}

/// Takes out whatever is kept out of logs: a server that was not called by its own name must not see it either.
fn strip_secrets(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| value.is_sensitive() || *name == header::AUTHORIZATION)
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
