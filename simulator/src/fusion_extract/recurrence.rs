//! `runAtTimes`: how often a recurring request runs.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use serde::Deserialize;

/// The schedule as it is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunAtTimes {
    fixed_interval: Option<FixedInterval>,
    start_date: String,
    end_date: String,
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FixedInterval {
    interval: u32,
    time_unit: String,
}

impl RunAtTimes {
    /// How many times it runs from the start of its first day to the end of its last, and nothing where it
    /// runs once; what is wrong with it, in a sentence, if that cannot be said.
    pub(super) fn occurrences(&self) -> Result<Option<u64>, &'static str> {
        let start = moment(&self.start_date, self.start_time.as_deref().unwrap_or("0000"))?;
        let end = moment(&self.end_date, self.end_time.as_deref().unwrap_or("2359"))?;
        let span = end.duration_since(start).as_secs();
        if span < 0 {
            return Err("The end of the schedule is before its start.");
        }
        let Some(every) = &self.fixed_interval else { return Ok(None) };
        let step = every.step()?;
        u64::try_from(span / step.as_secs() + 1).map(Some).map_err(|_| "The schedule is too long.")
    }
}

impl FixedInterval {
    fn step(&self) -> Result<SignedDuration, &'static str> {
        let interval = i64::from(self.interval);
        let step = match self.time_unit.as_str() {
            "MINUTE" => SignedDuration::from_mins(interval),
            "HOUR" => SignedDuration::from_hours(interval),
            "DAY" => SignedDuration::from_hours(interval * 24),
            _ => return Err("timeUnit must be MINUTE, HOUR or DAY."),
        };
        if step.is_zero() {
            return Err("interval must be greater than zero.");
        }
        Ok(step)
    }
}

/// `YYYY-MM-DD` and `MM/DD/YYYY` are both documented; times are `HHMM`.
fn moment(date: &str, time: &str) -> Result<DateTime, &'static str> {
    let date = Date::strptime("%Y-%m-%d", date)
        .or_else(|_| Date::strptime("%m/%d/%Y", date))
        .map_err(|_| "Dates must be YYYY-MM-DD or MM/DD/YYYY.")?;
    let time = Time::strptime("%H%M", time).map_err(|_| "Times must be HHMM.")?;
    Ok(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::RunAtTimes;

    fn schedule(interval: u32, unit: &str, dates: [&str; 2]) -> RunAtTimes {
        serde_json::from_value(serde_json::json!({
            "fixedInterval": { "interval": interval, "timeUnit": unit },
            "startDate": dates[0], "endDate": dates[1],
            "startTime": "1200", "endTime": "1500",
        }))
        .unwrap()
    }

    /// Both documented date formats count the same occurrences.
    #[test]
    fn an_hourly_window_of_three_hours_runs_four_times() {
        assert_eq!(schedule(1, "HOUR", ["2026-05-15", "2026-05-15"]).occurrences(), Ok(Some(4)));
        assert_eq!(schedule(1, "HOUR", ["05/15/2026", "05/15/2026"]).occurrences(), Ok(Some(4)));
        assert_eq!(schedule(90, "MINUTE", ["2026-05-15", "2026-05-15"]).occurrences(), Ok(Some(3)));
        assert_eq!(schedule(1, "DAY", ["2026-05-15", "2026-05-17"]).occurrences(), Ok(Some(3)));
    }

    #[test]
    fn a_schedule_that_makes_no_sense_is_refused() {
        assert!(schedule(0, "HOUR", ["2026-05-15", "2026-05-15"]).occurrences().is_err());
        assert!(schedule(1, "WEEK", ["2026-05-15", "2026-05-15"]).occurrences().is_err());
        assert!(schedule(1, "HOUR", ["2026-05-16", "2026-05-15"]).occurrences().is_err());
        assert!(schedule(1, "HOUR", ["15.05.2026", "15.05.2026"]).occurrences().is_err());
    }

    /// A moment is no recurrence: the request runs once.
    #[test]
    fn a_schedule_without_an_interval_runs_once() {
        let mut once = schedule(1, "HOUR", ["2026-05-15", "2026-05-15"]);
        once.fixed_interval = None;
        assert_eq!(once.occurrences(), Ok(None));
    }
}
