//! What a connection's name stands for.

use std::fmt;
use std::time::Duration;

use landfall_http::HttpSettings;
use landfall_store::StoreSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::document::Document;
use crate::error::{Error, Result};

/// A connection: the type of the system behind it, and what that system reads of its settings.
#[derive(Clone)]
pub struct Connection {
    system: String,
    job: JobSettings,
    http: HttpSettings,
    pub(super) from_bucket: Option<FromBucket>,
    settings: Document,
}

/// A bucket that others put files into, for landfall to take from there: `from_bucket` of a connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromBucket {
    /// The bucket's name.
    pub bucket: String,
    /// What leads the keys that are looked at, as it is: nothing is put between it and the rest of a key.
    #[serde(default)]
    pub prefix: String,
    /// Where the bucket is.
    #[serde(default)]
    pub store: StoreSettings,
}

/// Shows nothing of the settings, which hold secrets.
impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, job, http, from_bucket, settings } = self;
        let mut shown = formatter.debug_struct("Connection");
        shown
            .field("settings", settings)
            .field("system", system)
            .field("job", job)
            .field("http", http)
            .field("from_bucket", from_bucket)
            .finish()
    }
}

impl Connection {
    pub(super) fn read(document: Document) -> Result<Self> {
        let (system, settings) = document.split_type()?;
        let job = settings.part("job")?.unwrap_or_default();
        let http = settings.part("http")?.unwrap_or_default();
        Ok(Self { system, job, http, from_bucket: None, settings })
    }

    /// A connection of a type, with its settings as a table.
    pub fn of(system: &str, settings: Value) -> Result<Self> {
        let mut document = settings;
        if let Some(table) = document.as_object_mut() {
            table.insert("type".to_owned(), system.into());
        }
        Self::read(Document::new("connection", "the caller's settings", document))
    }

    /// The `type` of the connection, which says what system is behind it.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// What concerns the job and its polling.
    pub fn job(&self) -> &JobSettings {
        &self.job
    }

    /// What concerns its HTTP calls.
    pub fn http(&self) -> &HttpSettings {
        &self.http
    }

    /// The bucket that its files are taken from, where it has one.
    pub fn from_bucket(&self) -> Option<&FromBucket> {
        self.from_bucket.as_ref()
    }

    /// Where the system is, as a namespace of its own: its server's URL, or the bucket that its files are taken from.
    pub fn namespace(&self) -> Option<String> {
        if let Some(from) = &self.from_bucket {
            return Some(format!("s3://{}", from.bucket));
        }
        let url = Url::parse(self.settings.text("/base_url")?).ok()?;
        url.origin().is_tuple().then(|| url.origin().ascii_serialization())
    }

    /// The settings as its system reads them; `InvalidConfig` names the key that does not fit, and never a value.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        self.settings.fit()
    }

    /// Whether each login spends a refresh token, and another has to be kept in its place.
    pub fn spends_refresh_tokens(&self) -> bool {
        self.settings.has("/auth/refresh_token")
    }

    /// An `InvalidConfig` about this connection.
    pub fn invalid(&self, reason: impl fmt::Display) -> Error {
        self.settings.invalid(reason)
    }
}

/// Polling and time-outs of jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobSettings {
    /// Seconds between two polls at most, for as long as a job is not a hundred times as old: see
    /// [`next_poll_seconds`](Self::next_poll_seconds).
    pub poll_seconds: u64,
    /// Seconds from submission until a job that has not ended is given up: `JobTimedOut`. For as long, a source that cannot
    /// be asked is waited for.
    pub timeout_seconds: u64,
    /// Seconds after its end that a job's files may take to be listed, and each of them to be given out, before that
    /// is an error; where the list was seen to change, after its last change. Until then a list counts, where the source may
    /// still add to it, if it never changed, was the same in two looks, some seconds apart, and is known to have the last
    /// file.
    pub settle_seconds: u64,
    /// Seconds after a submission that the source may not know the job yet, in its list or by its id.
    pub listing_lag_seconds: u64,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self { poll_seconds: 30, timeout_seconds: 36_000, settle_seconds: 300, listing_lag_seconds: 60 }
    }
}

/// Nothing is looked at sooner again: what comes meanwhile is noticed a second late on average.
const MIN_POLL_SECONDS: u64 = 2;

/// By what part of the time that something has taken already the next look at it may be later: its end is noticed late by
/// half of that on average.
const SHARE_OF_WAIT: u64 = 10;

/// The same of what usually takes about so long: as each time is like the last, looks that just miss its end would miss it
/// every time.
const SHARE_OF_USUAL_WAIT: u64 = 20;

/// The same, where that is more than `poll_seconds`.
const SHARE_OF_LONG_WAIT: u64 = 100;

impl JobSettings {
    /// The time between two polls.
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds)
    }

    /// Seconds until the next look at what has taken so long already: a tenth of that, within `poll_seconds`, so that an end
    /// is noticed soon of what is short; and rarer as time goes by, so that a state machine's history holds a job of any
    /// length, however often it is to be polled at first. What usually takes longer is not looked at more often than every
    /// `poll_seconds` until it is nearly due, and from then on twice as often.
    pub fn next_poll_seconds(&self, taken: Duration, usual: Option<Duration>) -> u64 {
        let taken = taken.as_secs();
        let (due, share) = match usual {
            Some(usual) => (usual.as_secs().saturating_mul(9) / 10, SHARE_OF_USUAL_WAIT),
            None => (0, SHARE_OF_WAIT),
        };
        let soon = (taken / share).max(MIN_POLL_SECONDS).max(due.saturating_sub(taken));
        soon.min(self.poll_seconds).max(taken / SHARE_OF_LONG_WAIT)
    }

    /// The time that a job may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The time that a list of files may need to be complete.
    pub fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }

    /// The time that a list of jobs may lag behind.
    pub fn listing_lag(&self) -> Duration {
        Duration::from_secs(self.listing_lag_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a job is polled until it is seen to have ended, and how many seconds that is later.
    fn polled(settings: &JobSettings, ends: u64, usual: Option<u64>) -> (u64, u64) {
        let (mut taken, mut polls) = (0, 0);
        loop {
            let next = settings.next_poll_seconds(Duration::from_secs(taken), usual.map(Duration::from_secs));
            assert!(next <= settings.poll_seconds.max(taken / 100), "{next} s after {taken} s");
            taken += next;
            polls += 1;
            if taken >= ends {
                return (polls, taken - ends);
            }
        }
    }

    /// An execution has at most 25,000 events (Step Functions developer guide, "Quotas"), of which a poll takes 9: half of
    /// them hold every poll of the longest execution, a day, whatever `poll_seconds` says.
    #[test]
    fn the_polls_of_a_day_fit_into_an_executions_history() {
        for poll_seconds in [1, 2, 30, 600] {
            let settings = JobSettings { poll_seconds, ..JobSettings::default() };
            for usual in [None, Some(600)] {
                let (polls, _) = polled(&settings, 86_400, usual);
                assert!(polls * 9 <= 12_500, "{poll_seconds}: {polls} polls");
            }
        }
    }

    /// That a job has ended is noticed, on average, within a twentieth of its time, or a second and a half: of the first job
    /// of an export, and of those that take no less than is usual.
    #[test]
    fn an_end_is_noticed_soon() {
        let settings = JobSettings::default();
        for usual in [None, Some(8), Some(60), Some(300), Some(3600)] {
            for about in [5, 20, 60, 200, 300, 1000, 4000] {
                if usual.is_some_and(|usual| about < usual) {
                    assert!(polled(&settings, about, usual).1 <= settings.poll_seconds);
                    continue;
                }
                let ends = about..=about + about / 2;
                let late: u64 = ends.clone().map(|ends| polled(&settings, ends, usual).1).sum();
                let most: u64 = ends.map(|ends| ends.max(30)).sum();
                assert!(late * 20 <= most, "{about} s, usually {usual:?}: {late} * 20 > {most}");
            }
        }
    }

    /// What takes as long each time does not come just behind a poll each time.
    #[test]
    fn an_end_as_usual_is_noticed_at_once() {
        let settings = JobSettings::default();
        for usual in 10..=2000 {
            let (_, late) = polled(&settings, usual, Some(usual));
            assert!(late <= 2 + usual / 20, "{usual} s: {late} s later");
        }
    }

    /// A job whose duration is known is not asked about more often than every `poll_seconds` would be.
    #[test]
    fn what_is_usual_saves_polls() {
        let settings = JobSettings::default();
        for ends in [60, 300, 600, 3000, 20_000] {
            let (polls, _) = polled(&settings, ends, Some(ends));
            assert!(polls <= ends / 30 + 3, "{ends} s: {polls} polls");
            let (polls, _) = polled(&settings, ends, None);
            assert!(polls <= ends / 30 + 32, "{ends} s: {polls} polls of one that is not known");
        }
    }
}
