//! Who is to be told, by the configuration.

use sha2::{Digest as _, Sha256};

use super::fact::Subject;
use crate::config::{Lineage, Notify, NotifyForm, SecretUrl};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::job::{ConnectionName, DestinationName};
use landfall_http::HostPolicy;

/// Who is to be told of a run.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    pub people: Vec<Notify>,
    pub lineage: Option<Lineage>,
}

impl Receivers {
    /// Those that the configuration names, as far as it can be read: what is wrong with one part of it keeps nobody else
    /// from being told.
    pub(super) async fn of(context: &Context, subject: &Subject) -> Self {
        let config = context.config();
        let mut people = readable(config.notify_of_connection(&subject.connection).await).unwrap_or_default();
        if let Some(destination) = &subject.destination {
            people.extend(readable(config.notify_of_destination(destination).await).into_iter().flatten());
        }
        let lineage = readable(config.lineage().await).flatten();
        Self { people, lineage }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.lineage.is_none()
    }
}

/// Whether it can be read who is to be told of a connection's runs, and in words who that is; nothing where nobody is.
///
/// # Errors
/// `InvalidConfig`, which names the key that is wrong.
pub async fn check(
    context: &Context,
    connection: &ConnectionName,
    destination: Option<&DestinationName>,
) -> Result<Option<String>> {
    let config = context.config();
    let mut people = config.notify_of_connection(connection).await?;
    if let Some(destination) = destination {
        people.extend(config.notify_of_destination(destination).await?);
    }
    let lineage = config.lineage().await?;
    for url in people.iter().map(|one| &one.webhook).chain(lineage.iter().filter_map(|one| one.url.as_ref()))
    {
        let may_be_called = url.expose().map_err(|error| error.to_string());
        let may_be_called =
            may_be_called.and_then(|url| HostPolicy::new(&url, &[]).map_err(|error| error.to_string()));
        may_be_called
            .map_err(|reason| Error::invalid_config(format!("a webhook cannot be called: {reason}")))?;
    }
    let hosts: Vec<String> = people.iter().map(|one| one.webhook.host()).collect();
    let lineage = lineage.map(|lineage| {
        let place = lineage.url.map_or_else(|| "the work bucket".to_owned(), |url| url.host());
        format!("events of OpenLineage to {place}")
    });
    let told = (!hosts.is_empty()).then(|| format!("told of runs: {}", hosts.join(", ")));
    let words: Vec<String> = told.into_iter().chain(lineage).collect();
    Ok((!words.is_empty()).then(|| words.join("; ")))
}

fn readable<T>(read: Result<T, Error>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::warn!(error = error.line(), "who is to be told of the run cannot be read");
            None
        }
    }
}

/// Whom a mark is about: a digest, as the URL itself is a secret.
pub(super) fn digest(url: &SecretUrl, form: &str) -> String {
    let url = url.expose().map(String::from).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(format!("{form} {url}")));
    digest.get(..16).unwrap_or_default().to_owned()
}

impl Notify {
    /// Whom a mark is about.
    pub(super) fn digest(&self) -> String {
        let form = match self.form {
            NotifyForm::Json => "json",
            NotifyForm::Slack => "slack",
            NotifyForm::Teams => "teams",
        };
        digest(&self.webhook, form)
    }
}

impl Lineage {
    /// Whom a mark is about.
    pub(super) fn digest(&self) -> String {
        self.url.as_ref().map_or_else(|| "lineage".to_owned(), |url| digest(url, "lineage"))
    }
}
