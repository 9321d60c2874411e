//! What is tried again, how often, and how long after.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::settings::HttpSettings;

/// The shortest time between two tries.
const BASE: Duration = Duration::from_millis(500);
/// The longest that is waited of our own accord.
const CAP: Duration = Duration::from_secs(30);
/// The longest that a server can make us wait between two tries. What asks for more is told to the caller.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Whether an answer with this status to a call that is safe to repeat is worth another try.
///
/// A 500 is: Fusion answers it in passing. A 501 or 505 is not: it would be answered again.
pub fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether this status says that the request was turned away, so that even a change may be repeated where a
/// second one would do no great harm: behind a 503 of a balancer it may have been processed all the same.
pub fn is_turned_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 503)
}

/// How often, and for how long, one call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// Tries in all, the first one included.
    pub attempts: u32,
    /// The time within which another try may begin.
    pub within: Duration,
}

impl From<&HttpSettings> for RetrySettings {
    fn from(settings: &HttpSettings) -> Self {
        Self { attempts: settings.attempts.max(1), within: Duration::from_secs(settings.retry_seconds) }
    }
}

/// What is left of a call's tries.
///
/// Delays are drawn at random between a base and three times the delay before (decorrelated jitter), so
/// that many callers who were turned away together do not come back together.
#[derive(Debug, Clone)]
pub struct Budget {
    settings: RetrySettings,
    tries: u32,
    since: Timestamp,
    previous: Duration,
}

impl Budget {
    /// A whole budget, of which the first try is about to be taken.
    pub fn new(settings: RetrySettings, now: Timestamp) -> Self {
        Self { settings, tries: 1, since: now, previous: BASE }
    }

    /// How many tries were taken, the one under way included.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// How long the call has taken.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        crate::clock::elapsed(self.since, now)
    }

    /// Takes another try and says how long to wait before it; `None` once the budget is used up, or would
    /// be before the server wants to be asked again.
    pub fn next_delay(
        &mut self,
        now: Timestamp,
        retry_after: Option<Duration>,
        rng: &mut fastrand::Rng,
    ) -> Option<Duration> {
        if self.tries >= self.settings.attempts {
            return None;
        }
        let jittered = jittered(self.previous, rng);
        let delay = match retry_after {
            Some(asked) if asked > MAX_RETRY_AFTER => return None,
            // At least what the server asks for, and not all callers at that very moment.
            Some(asked) => asked.saturating_add(jittered.saturating_sub(BASE).min(BASE)),
            None => jittered,
        };
        if self.elapsed(now).saturating_add(delay) > self.settings.within {
            return None;
        }
        self.tries = self.tries.saturating_add(1);
        self.previous = jittered;
        Some(delay)
    }
}

fn jittered(previous: Duration, rng: &mut fastrand::Rng) -> Duration {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let longest = millis(previous).saturating_mul(3).max(millis(BASE));
    Duration::from_millis(rng.u64(millis(BASE)..=longest)).min(CAP)
}

/// What `Retry-After` asks for: seconds, or a moment (RFC 9110, 10.2.3). Zero for a moment that has passed.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // All digits, but more than fits: as long as can be.
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::MAX);
    }
    let at = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RetrySettings = RetrySettings { attempts: 6, within: Duration::from_secs(120) };

    /// The whole table: no other status is ever tried again.
    #[test]
    fn exactly_these_statuses_are_tried_again() {
        let those = |test: fn(StatusCode) -> bool| -> Vec<u16> {
            (100..600).filter(|code| test(StatusCode::from_u16(*code).unwrap())).collect()
        };
        assert_eq!(those(is_transient), [408, 429, 500, 502, 503, 504]);
        assert_eq!(those(is_turned_away), [429, 503]);
    }

    fn asked(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(&headers, Timestamp::from_second(784_111_777).unwrap())
    }

    /// RFC 9110, 10.2.3: both forms, and nothing made of what is neither.
    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("99999999999999999999999"), Some(Duration::MAX));
        for neither in ["", "soon", "-1", "1.5"] {
            assert_eq!(asked(neither), None, "{neither:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    /// A call ends: by count, by time, and where the server wants to be left alone for longer than that.
    #[test]
    fn the_budget_is_bounded_by_count_and_by_time() {
        let mut rng = fastrand::Rng::with_seed(7);
        let now = Timestamp::UNIX_EPOCH;
        let mut by_count = Budget::new(SETTINGS, now);
        let delays: Vec<_> = std::iter::from_fn(|| by_count.next_delay(now, None, &mut rng)).collect();
        assert_eq!((delays.len(), by_count.tries()), (5, 6));
        assert!(delays.iter().all(|delay| (BASE..=CAP).contains(delay)), "{delays:?}");

        let mut by_time = Budget::new(SETTINGS, now);
        let late = Timestamp::from_second(119).unwrap();
        assert_eq!(by_time.next_delay(late, Some(Duration::from_secs(2)), &mut rng), None);
        assert_eq!(Budget::new(SETTINGS, now).next_delay(now, Some(Duration::MAX), &mut rng), None);
    }

    /// A server's wish is kept, and the herd is spread.
    #[test]
    fn retry_after_is_waited_for_at_least() {
        let mut rng = fastrand::Rng::with_seed(7);
        let asked = Duration::from_secs(10);
        let delay = Budget::new(SETTINGS, Timestamp::UNIX_EPOCH)
            .next_delay(Timestamp::UNIX_EPOCH, Some(asked), &mut rng)
            .unwrap();
        assert!((asked..=asked + BASE).contains(&delay), "{delay:?}");
    }

    /// Two clients with different seeds do not march in step.
    #[test]
    fn delays_differ_by_seed_and_repeat_by_seed() {
        let delays = |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut budget = Budget::new(SETTINGS, Timestamp::UNIX_EPOCH);
            std::iter::from_fn(|| budget.next_delay(Timestamp::UNIX_EPOCH, None, &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
