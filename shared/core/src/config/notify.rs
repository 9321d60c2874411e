//! Who is told of runs: what `notify` and `lineage` stand for.

use std::fmt;

use landfall_http::HttpSettings;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// Somebody who is told of runs: an entry of the list `notify` of a connection or a destination.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Where the message is posted. Whoever knows it can post there.
    pub webhook: SecretUrl,
    /// What the message looks like.
    #[serde(default)]
    pub form: NotifyForm,
    /// What is told.
    #[serde(default = "usual_events")]
    pub on: Vec<NotifyEvent>,
    /// How it is called.
    #[serde(default)]
    pub http: HttpSettings,
}

/// What a message looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyForm {
    /// A JSON object of our own, see `schemas/notification.json`.
    #[default]
    Json,
    /// What Slack's incoming webhooks take.
    Slack,
    /// What a webhook of Teams' Workflows takes: an Adaptive Card.
    Teams,
}

/// What can be told of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// Its job has landed.
    Landed,
    /// Likewise, and its source has finished it with warnings.
    LandedPartly,
    /// A step has failed, and is not called again by itself.
    Failed,
    /// The run, or what its job put out, is not accepted.
    Refused,
    /// Somebody has to decide.
    NeedsPerson,
    /// The columns of its export have changed, be it that the job has landed or that it was refused for that.
    SchemaChanged,
}

/// What a person must know.
fn usual_events() -> Vec<NotifyEvent> {
    vec![
        NotifyEvent::LandedPartly,
        NotifyEvent::Failed,
        NotifyEvent::Refused,
        NotifyEvent::NeedsPerson,
        NotifyEvent::SchemaChanged,
    ]
}

/// Where the events of `OpenLineage` go: `lineage` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Where they are posted; if not said, each is an object of the work bucket.
    #[serde(default)]
    pub url: Option<SecretUrl>,
    /// What is sent along with them as `Authorization: Bearer`.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// How the URL is called.
    #[serde(default)]
    pub http: HttpSettings,
}

/// A URL that lets in whoever knows it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretUrl(SecretString);

/// A text that is no URL. It is not repeated, as it may be a secret all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no URL of https, or of http to this very machine")]
pub struct InvalidSecretUrl;

impl TryFrom<String> for SecretUrl {
    type Error = InvalidSecretUrl;

    fn try_from(text: String) -> Result<Self, InvalidSecretUrl> {
        let url = Url::parse(&text).map_err(|_| InvalidSecretUrl)?;
        match url.scheme() {
            "https" | "http" if url.has_host() => Ok(Self(text.into())),
            _ => Err(InvalidSecretUrl),
        }
    }
}

impl SecretUrl {
    /// The URL itself, to be called and not to be shown.
    ///
    /// # Errors
    /// It is none, which was found out before.
    pub fn expose(&self) -> Result<Url, InvalidSecretUrl> {
        Url::parse(self.0.expose_secret()).map_err(|_| InvalidSecretUrl)
    }

    /// The server's name, which may be shown.
    pub fn host(&self) -> String {
        let url = self.expose().ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretUrl")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whoever says nothing is told what a person must know, and not of each job that lands.
    #[test]
    fn failures_are_told_unless_more_is_asked_for() {
        let notify: Notify =
            serde_json::from_value(json!({ "webhook": "https://hooks.example/T/B/x" })).unwrap();
        assert_eq!(notify.form, NotifyForm::Json);
        assert!(!notify.on.contains(&NotifyEvent::Landed) && notify.on.contains(&NotifyEvent::LandedPartly));
        let on = json!({ "webhook": "https://hooks.example/x", "on": ["landed"], "form": "teams" });
        let notify: Notify = serde_json::from_value(on).unwrap();
        assert_eq!((notify.on, notify.form), (vec![NotifyEvent::Landed], NotifyForm::Teams));
    }

    /// Promise 7: a webhook's URL is a secret: neither what is shown of the settings nor an error has it.
    #[test]
    fn a_webhook_is_never_shown() {
        let webhook = "https://hooks.example/services/T0/B0/SECRETSECRET?sig=MORESECRET";
        let notify: Notify = serde_json::from_value(json!({ "webhook": webhook })).unwrap();
        let shown = format!("{notify:?} {notify:#?} {}", notify.webhook.host());
        assert!(shown.contains("hooks.example") && !shown.contains("SECRETSECRET") && !shown.contains("sig"));
        for wrong in ["SECRETSECRET", "ftp://hooks.example/SECRETSECRET", "https:SECRETSECRET:x:y"] {
            let error =
                serde_json::from_value::<Notify>(json!({ "webhook": wrong })).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }
}
