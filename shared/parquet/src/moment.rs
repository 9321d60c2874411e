//! Days and moments and their texts, by the pattern that all of a column are written in.

use landfall::rows::Pattern;

const DATE_BYTES: usize = 10;
const TIME_BYTES: usize = 19;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a pattern says, found once for a column: `YYYY-MM-DDThh:mm:ss.SSS+02:00`, say.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    pattern: Pattern,
    fraction_digits: usize,
    /// The microseconds that the offset is ahead of UTC.
    offset: i64,
}

impl Format {
    pub(crate) fn of(pattern: Pattern) -> Self {
        let behind = pattern.as_str().get(TIME_BYTES..).unwrap_or_default();
        let fraction_digits = behind.bytes().filter(|byte| *byte == b'S').count();
        let offset = offset(behind.trim_start_matches(['.', 'S']));
        Self { pattern, fraction_digits, offset }
    }

    /// The days since 1970 that a text says; `None` where it is not written so, or there is no such day.
    pub(crate) fn days(&self, text: &[u8]) -> Option<i32> {
        self.accepts(text).then(|| days(text))?
    }

    /// The microseconds since 1970 that a text says: in UTC, if it says an offset.
    pub(crate) fn micros(&self, text: &[u8]) -> Option<i64> {
        if !self.accepts(text) {
            return None;
        }
        let days = i64::from(days(text)?);
        let [_, h0, h1, _, m0, m1, _, s0, s1] = *text.get(DATE_BYTES..TIME_BYTES)? else { return None };
        let (hour, minute, second) = (number(&[h0, h1]), number(&[m0, m1]), number(&[s0, s1]));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds =
            hour.saturating_mul(3600).saturating_add(minute.saturating_mul(60)).saturating_add(second);
        let mut fraction = 0;
        if self.fraction_digits > 0 {
            let digits = text.get(TIME_BYTES.saturating_add(1)..)?.get(..self.fraction_digits)?;
            let missing = u32::try_from(6_usize.checked_sub(self.fraction_digits)?).ok()?;
            fraction = number(digits).saturating_mul(10_i64.pow(missing));
        }
        let micros = seconds.checked_mul(1_000_000)?.checked_add(fraction)?.checked_sub(self.offset)?;
        days.checked_mul(MICROS_PER_DAY)?.checked_add(micros)
    }

    /// The text of a day.
    pub(crate) fn date_text(&self, days: i32) -> String {
        self.text(i64::from(days).saturating_mul(MICROS_PER_DAY))
    }

    /// The text of a moment.
    pub(crate) fn text(&self, micros: i64) -> String {
        let local = micros.saturating_add(self.offset);
        let (days, micros) = (local.div_euclid(MICROS_PER_DAY), local.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = civil(days);
        let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let fraction = format!("{fraction:06}");
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.pattern
            .as_str()
            .replace("YYYY", &format!("{year:04}"))
            .replace("MM", &format!("{month:02}"))
            .replace("DD", &format!("{day:02}"))
            .replace("hh", &format!("{hour:02}"))
            .replace("mm", &format!("{minute:02}"))
            .replace("ss", &format!("{second:02}"))
            .replace(
                &"S".repeat(self.fraction_digits.max(1)),
                fraction.get(..self.fraction_digits).unwrap_or_default(),
            )
    }

    /// Whether a text has digits where the pattern has fields, and is the pattern elsewhere.
    fn accepts(&self, text: &[u8]) -> bool {
        let pattern = self.pattern.as_str().as_bytes();
        let fits = |(byte, field): (&u8, &u8)| match field {
            b'Y' | b'M' | b'D' | b'h' | b'm' | b's' | b'S' => byte.is_ascii_digit(),
            literal => byte == literal,
        };
        text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
    }
}

/// The microseconds of an offset: `Z`, `+02`, `-0330`, `+01:00`.
fn offset(text: &str) -> i64 {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at(digits.len().min(2));
    let minutes = number(hours).saturating_mul(60).saturating_add(number(minutes));
    let micros = minutes.saturating_mul(60_000_000);
    if text.starts_with('-') { -micros } else { micros }
}

/// Digits as a number. Other bytes are never here.
fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number: i64, digit| {
        number.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0')))
    })
}

/// The days since 1970 of a text that begins with a day; `None` where there is no such day.
fn days(text: &[u8]) -> Option<i32> {
    let [y0, y1, y2, y3, _, m0, m1, _, d0, d1] = *text.get(..DATE_BYTES)? else { return None };
    let (year, month, day) = (number(&[y0, y1, y2, y3]), number(&[m0, m1]), number(&[d0, d1]));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28_i64.saturating_add(i64::from(is_leap)),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || day < 1 || day > last {
        return None;
    }
    // Years that begin in March have the day that some lack at their end.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// The year, month and day of a number of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    fn format(pattern: &str) -> Format {
        Format::of(Pattern::try_from(pattern.to_owned()).unwrap())
    }

    /// Every day from year 1 to 9999 is the calendar's, and comes back as its text.
    #[test]
    fn every_day_is_the_calendars() {
        let format = format("YYYY-MM-DD");
        let epoch = Date::constant(1970, 1, 1);
        let mut day = Date::constant(1, 1, 1);
        let mut number = epoch.until(day).unwrap().get_days();
        loop {
            let text = format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
            assert_eq!(format.days(text.as_bytes()), Some(number), "{text}");
            assert_eq!(format.date_text(number), text);
            let Ok(next) = day.tomorrow() else { break };
            (day, number) = (next, number + 1);
        }
        assert_eq!(day.year(), 9999);
        for text in
            ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-04-31", "0000-01-01"]
        {
            assert_eq!(format.days(text.as_bytes()), None, "{text}");
        }
        assert_eq!(format.days(b"2026/02/28"), None);
    }

    /// Moments are those of UTC, and come back with the offset and the digits that they had.
    #[test]
    fn moments_are_those_of_utc_and_come_back_as_they_were() {
        for (pattern, text, moment) in [
            ("YYYY-MM-DD hh:mm:ss", "2026-02-28 23:59:59", "2026-02-28T23:59:59Z"),
            ("YYYY/MM/DDThh:mm:ss.SSS", "1969/12/31T23:59:59.001", "1969-12-31T23:59:59.001Z"),
            ("YYYY-MM-DDThh:mm:ssZ", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            (
                "YYYY-MM-DDThh:mm:ss.SSSSSS-0330",
                "2026-02-28T22:00:00.123456-0330",
                "2026-03-01T01:30:00.123456Z",
            ),
            ("YYYY-MM-DDThh:mm:ss.S+02:00", "2026-03-01T01:00:00.5+02:00", "2026-02-28T23:00:00.5Z"),
            ("YYYY-MM-DDThh:mm:ss+05", "2026-03-01T01:00:00+05", "2026-02-28T20:00:00Z"),
        ] {
            let format = format(pattern);
            let micros = moment.parse::<jiff::Timestamp>().unwrap().as_microsecond();
            assert_eq!(format.micros(text.as_bytes()), Some(micros), "{text}");
            assert_eq!(format.text(micros), text);
        }
        for text in
            ["2026-02-28 24:00:00", "2026-02-28 00:60:00", "2026-02-28 00:00:60", "2026-02-28 0a:00:00"]
        {
            assert_eq!(format("YYYY-MM-DD hh:mm:ss").micros(text.as_bytes()), None, "{text}");
        }
    }
}
