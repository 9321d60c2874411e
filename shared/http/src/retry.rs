//! What is tried again, how often, and how long after.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::settings::HttpSettings;

/// The shortest time between two tries.
const BASE: Duration = Duration::from_millis(500);
/// The longest that is waited of our own accord.
const CAP: Duration = Duration::from_secs(30);
/// The longest that a call waits between two tries because a server wants it. What asks for more is told to the caller.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Who asks to be left alone for longer than this is no server that has just failed.
pub(crate) const LEFT_ALONE_FROM: Duration = Duration::from_secs(60);
/// The longest that a server is believed to want. No run lasts longer than a day: more is a time stamp in the place of
/// seconds, or a mistake.
const MAX_PLAUSIBLE: Duration = Duration::from_secs(86_400);

/// Whether an answer with this status to a call that is safe to repeat is worth another try.
///
/// A 500 is: Fusion answers it in passing. A 501 or 505 is not: it would be answered again. From 520 on are the words of
/// networks before a server, for one that they cannot reach.
pub fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502..=504 | 520..=530)
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

/// What `Retry-After` asks for: seconds, or a moment (RFC 9110, 10.2.3), which counts from the time that the answer itself
/// tells, since the server's clock need not be ours. Zero for a moment that has passed.
///
/// What is neither, or further away than a day, says nothing: then our own delays count.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let told_at = told_time(headers).unwrap_or(now);
    let until = |at: Timestamp| Duration::try_from(at.duration_since(told_at)).unwrap_or(Duration::ZERO);
    let asked = match value.parse::<f64>() {
        Ok(number) if number >= 0.0 => match Duration::try_from_secs_f64(number).ok()? {
            seconds if seconds <= MAX_PLAUSIBLE => seconds,
            stamp => {
                let is_near = |at: &Timestamp| at.duration_since(told_at).unsigned_abs() <= MAX_PLAUSIBLE;
                until(time_stamp(stamp).filter(is_near)?)
            }
        },
        Ok(_) => return None,
        Err(_) => until(moment(value)?),
    };
    (asked <= MAX_PLAUSIBLE).then_some(asked)
}

/// When an answer was made, by the server's clock (RFC 9110, 6.6.1).
pub(crate) fn told_time(headers: &HeaderMap) -> Option<Timestamp> {
    moment(headers.get(header::DATE)?.to_str().ok()?.trim())
}

/// The older forms of HTTP's dates, which are in GMT like the others (RFC 9110, 5.6.7): those of RFC 850 and of C's
/// `asctime`.
const OLDER_DATES: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// A moment as HTTP writes it, or as APIs do.
fn moment(value: &str) -> Option<Timestamp> {
    let http = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok();
    let older = |form: &&str| {
        let time = strtime::parse(form, value).ok()?.to_datetime().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    http.or_else(|| value.parse().ok()).or_else(|| OLDER_DATES.iter().find_map(older))
}

/// A moment in the place of a duration, by its distance from 1970: in seconds, or else in milliseconds.
fn time_stamp(since_epoch: Duration) -> Option<Timestamp> {
    const MILLISECONDS_FROM: u64 = 100_000_000_000;
    let number = i64::try_from(since_epoch.as_secs()).ok()?;
    match since_epoch.as_secs() < MILLISECONDS_FROM {
        true => Timestamp::from_second(number).ok(),
        false => Timestamp::from_millisecond(number).ok(),
    }
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
        let expected: Vec<u16> = [408, 425, 429, 500, 502, 503, 504].into_iter().chain(520..=530).collect();
        assert_eq!(those(is_transient), expected);
        assert_eq!(those(is_turned_away), [429, 503]);
    }

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: i64 = 784_111_777;

    fn asked(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers, Timestamp::from_second(NOW).unwrap())
    }

    /// RFC 9110, 10.2.3: both forms, whatever their length, and dates in each of the three forms of 5.6.7.
    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(asked("120"), seconds(120));
        assert_eq!(asked("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(asked("7200"), seconds(7200));
        assert_eq!(asked("86400"), seconds(86_400));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
        assert_eq!(asked("Sun, 06 Nov 1994 10:49:37 GMT"), seconds(7200));
        assert_eq!(asked("Sunday, 06-Nov-94 08:50:37 GMT"), seconds(60));
        assert_eq!(asked("Sun Nov  6 08:50:37 1994"), seconds(60));
        assert_eq!(asked("1994-11-06T08:50:37Z"), seconds(60));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    /// The server's clock and ours may be hours apart: a date counts from the date of its own answer.
    #[test]
    fn a_date_counts_from_the_answers_own() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "Sun, 06 Nov 1994 08:55:37 GMT".parse().unwrap());
        headers.insert(header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        for ours in [NOW - 7200, NOW, NOW + 7200] {
            let asked = retry_after(&headers, Timestamp::from_second(ours).unwrap());
            assert_eq!(asked, Some(Duration::from_secs(360)));
        }
    }

    /// Promise 6: what no server can mean makes nobody wait; a time stamp where seconds belong is read as one.
    #[test]
    fn nonsense_says_nothing() {
        assert_eq!(asked(&(NOW + 360).to_string()), Some(Duration::from_secs(360)));
        assert_eq!(asked(&format!("{}123", NOW + 360)), Some(Duration::from_millis(360_123)));
        for nonsense in [
            "",
            "soon",
            "-1",
            "-1.5",
            "120 s",
            "NaN",
            "inf",
            "1e300",
            "86401",
            "31536000",
            "1764441600",
            "99999999999999999999999",
            "Mon, 06 Nov 2094 08:50:37 GMT",
        ] {
            assert_eq!(asked(nonsense), None, "{nonsense:?}");
        }
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
