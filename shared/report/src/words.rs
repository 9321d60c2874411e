//! Numbers, times and places in words.

use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;

/// A number, its digits in threes.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something.
pub(crate) fn number_of(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// A size in the largest binary unit that it has one of, as the command line says it.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(u32, &str); 5] = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        if bytes >> shift > 0 {
            let hundredths = u128::from(bytes) * 100 / (1 << shift);
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes} B")
}

/// A time in its two largest units.
pub(crate) fn duration(of: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = of.as_secs();
    let Some(at) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else {
        return "less than 1 s".to_owned();
    };
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in UNITS.iter().skip(at).take(2) {
        if rest / unit > 0 {
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

/// From one moment to another.
pub(crate) fn between(from: Timestamp, until: Timestamp) -> String {
    duration(elapsed(from, until))
}

/// A moment, to the second.
pub(crate) fn moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A text of a stranger's making: what cannot be seen, or turns around what is beside it, is told by its number.
pub(crate) fn text(of: &str) -> String {
    let is_hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut text = String::with_capacity(of.len());
    for c in of.replace("\r\n", "\n").chars() {
        match is_hidden(c) {
            true => text.extend(c.escape_unicode()),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People read numbers in units that they know.
    #[test]
    fn numbers_are_told_in_their_units() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([number_of(1, "row"), number_of(2_000, "row")], ["1 row", "2,000 rows"]);
        assert_eq!(
            [bytes(0), bytes(1_023), bytes(1_536), bytes(5 << 30)],
            ["0 B", "1023 B", "1.50 KiB", "5.00 GiB"]
        );
        assert!(bytes(u64::MAX).starts_with("16383.99 PiB"));
        let told = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(
            [told(0), told(59), told(60), told(3_661), told(90_000)],
            ["less than 1 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]
        );
    }

    /// Promise 7: no name looks like another because of what cannot be seen in it.
    #[test]
    fn what_cannot_be_seen_is_told_by_its_number() {
        assert_eq!(text("a\u{202e}gpj.exe\u{7}\r\nb"), "a\\u{202e}gpj.exe\\u{7}\nb");
        assert_eq!(text("Zażółć 漢字 عربي"), "Zażółć 漢字 عربي");
    }
}
