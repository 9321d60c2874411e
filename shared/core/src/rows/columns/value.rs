//! What a value can be, told from its text alone: a type is only said of values that write back to the very same text.

use serde::{Deserialize, Serialize};

/// The longest text that is looked at: 38 digits, a sign and a point. What is longer is text.
pub(super) const MAX_TYPED_BYTES: usize = 40;

/// The most digits that a decimal has, at every reader that there is.
pub(super) const MAX_PRECISION: u8 = 38;

/// The most digits that a whole number has which is sure to fit into 64 bits.
const MAX_INTEGER_DIGITS: u8 = 18;

/// What the values of a column that have been seen are.
///
/// Two of them are joined to what both are. That is commutative, associative and idempotent: in which order values come,
/// in which pieces, and how often one is seen, makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "are", rename_all = "snake_case")]
pub enum ValueKind {
    /// None has been seen.
    #[default]
    Nothing,
    /// Numbers without an exponent.
    Number(Digits),
    /// The two truth values, written in one way.
    Boolean {
        /// How they are written.
        case: Case,
    },
    /// Days, or moments, written in one way.
    Moment {
        /// How they are written.
        pattern: Pattern,
    },
    /// Objects and lists of JSON.
    Json,
    /// Anything else, or several of these.
    #[serde(other)]
    Text,
}

/// How many digits numbers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digits {
    /// The most before the point; a lone zero is none.
    pub integer: u8,
    /// The fewest behind it.
    pub min_scale: u8,
    /// The most behind it.
    pub max_scale: u8,
}

/// How truth values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// `true`
    Lower,
    /// `TRUE`
    Upper,
    /// `True`
    Title,
}

/// How a day or a moment is written: `YYYY-MM-DDThh:mm:ss.SSS+02:00`, say. A fraction's length and an offset from UTC are
/// parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    bytes: [u8; MAX_TYPED_BYTES],
    length: u8,
}

/// Text that is longer than any pattern.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no pattern of a day or a moment")]
pub struct InvalidPattern(String);

/// The type of a column, as readers have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// A whole number of at most 64 bits.
    Integer,
    /// An exact number.
    Decimal {
        /// Its digits in all.
        precision: u8,
        /// Those behind the point.
        scale: u8,
    },
    /// A truth value.
    Boolean,
    /// A day.
    Date,
    /// A moment that does not say its zone.
    Timestamp,
    /// A moment with its offset from UTC.
    TimestampWithZone,
    /// A value of JSON.
    Json,
    /// Bytes that are not all text.
    Binary,
}

impl ValueKind {
    /// What a text is that is a value.
    pub(super) fn of_text(text: &[u8]) -> Self {
        match text.first() {
            Some(b'-' | b'0'..=b'9') if text.len() <= MAX_TYPED_BYTES => {
                number(text).map(Self::Number).or_else(|| moment(text)).unwrap_or(Self::Text)
            }
            Some(b't' | b'T' | b'f' | b'F') => case(text).map_or(Self::Text, |case| Self::Boolean { case }),
            _ => Self::Text,
        }
    }

    /// Joins what another value is, and returns that if it changes anything: the same as if what that is were told first,
    /// and cheaper, as most values are like those before them.
    pub(super) fn see(&mut self, text: &[u8]) -> Option<Self> {
        match self {
            Self::Text => return None,
            Self::Moment { pattern } if pattern.has(text) => return None,
            Self::Number(these) if text.len() <= MAX_TYPED_BYTES => {
                if let Some(those) = number(text) {
                    return these.join(those).then_some(Self::Number(those));
                }
            }
            _ => {}
        }
        let kind = Self::of_text(text);
        self.join(&kind).then_some(kind)
    }

    /// What a string of JSON is, given without its quotes: a number between quotes is none.
    pub(super) fn of_string(text: &[u8]) -> Self {
        moment(text).filter(|_| text.len() <= MAX_TYPED_BYTES).unwrap_or(Self::Text)
    }

    /// Whether nothing that is seen can change it any more.
    pub(super) fn is_settled(&self) -> bool {
        *self == Self::Text
    }

    /// Joins what another value, or another part of the column, is; whether that changes anything.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        match (&mut *self, other) {
            (_, Self::Nothing) => return false,
            (Self::Number(these), Self::Number(those)) => return these.join(*those),
            (this @ Self::Nothing, other) => *this = other.clone(),
            (this, other) if *this == *other => return false,
            (Self::Text, _) => return false,
            (this, _) => *this = Self::Text,
        }
        true
    }

    /// What values of a type are whose days, moments or truth values are written so; none where that has to be said and is not.
    pub(crate) fn written(of_type: ColumnType, format: Option<&str>) -> Option<Self> {
        match of_type {
            ColumnType::Boolean => {
                let cases = [Case::Lower, Case::Upper, Case::Title];
                let case = cases.into_iter().find(|case| Some(case.text(true)) == format)?;
                Some(Self::Boolean { case })
            }
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampWithZone => {
                let pattern = Pattern::of(&[format?])?;
                (pattern.column_type() == of_type).then_some(Self::Moment { pattern })
            }
            _ => Some(Self::Nothing),
        }
    }

    /// The type that keeps each of these values.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Nothing | Self::Text => ColumnType::Text,
            Self::Number(digits) => digits.column_type(),
            Self::Boolean { .. } => ColumnType::Boolean,
            Self::Moment { pattern } => pattern.column_type(),
            Self::Json => ColumnType::Json,
        }
    }
}

impl Case {
    /// How a truth value is written.
    pub fn text(self, value: bool) -> &'static str {
        match (self, value) {
            (Self::Lower, true) => "true",
            (Self::Lower, false) => "false",
            (Self::Upper, true) => "TRUE",
            (Self::Upper, false) => "FALSE",
            (Self::Title, true) => "True",
            (Self::Title, false) => "False",
        }
    }
}

impl Digits {
    /// Whether that changes anything.
    fn join(&mut self, other: Self) -> bool {
        let before = *self;
        self.integer = self.integer.max(other.integer);
        self.min_scale = self.min_scale.min(other.min_scale);
        self.max_scale = self.max_scale.max(other.max_scale);
        *self != before
    }

    fn column_type(self) -> ColumnType {
        ColumnType::of_digits(self.integer, self.max_scale)
    }
}

impl ColumnType {
    /// The type of numbers with at most so many digits before the point and behind it.
    pub(crate) fn of_digits(integer: u8, scale: u8) -> Self {
        let precision = integer.saturating_add(scale).max(1);
        match scale {
            0 if precision <= MAX_INTEGER_DIGITS => Self::Integer,
            _ if precision > MAX_PRECISION => Self::Text,
            scale => Self::Decimal { precision, scale },
        }
    }

    /// The digits before and behind the point that numbers of the type may have.
    pub(crate) fn digits(self) -> Option<(u8, u8)> {
        match self {
            Self::Integer => Some((MAX_INTEGER_DIGITS, 0)),
            Self::Decimal { precision, scale } => Some((precision.saturating_sub(scale), scale)),
            _ => None,
        }
    }

    /// The type that keeps the values of both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self.digits(), other.digits()) {
            _ if self == other => self,
            (Some(these), Some(those)) => Self::of_digits(these.0.max(those.0), these.1.max(those.1)),
            _ => Self::Text,
        }
    }
}

/// That of no text.
impl Default for Pattern {
    fn default() -> Self {
        Self { bytes: [0; MAX_TYPED_BYTES], length: 0 }
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        Self::of(&[&text]).ok_or(InvalidPattern(text))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().to_owned()
    }
}

impl Pattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// Whether a text is a day or a moment that is written so.
    fn has(&self, text: &[u8]) -> bool {
        let pattern = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        let digit = |at: usize| text.get(at).map_or(0, |byte| byte.wrapping_sub(b'0'));
        let number = |at: usize| digit(at).wrapping_mul(10).wrapping_add(digit(at.wrapping_add(1)));
        let is_written_so = pattern.len() == text.len()
            && std::iter::zip(pattern, text).all(|(pattern, byte)| match pattern {
                b'Y' | b'M' | b'D' | b'h' | b'm' | b's' | b'S' => byte.is_ascii_digit(),
                literal => byte == literal,
            });
        let is_time = pattern.len() == DATE_BYTES || (number(11) < 24 && number(14) < 60 && number(17) < 60);
        // The last days of months, and the first of years, are looked at more closely.
        let is_surely_day = matches!(number(5), 1..=12) && matches!(number(8), 1..=28) && digit(0) > 0;
        is_written_so && is_time && (is_surely_day || moment(text).is_some())
    }

    /// Parts, one behind the other: on the stack, since each value has one.
    fn of(parts: &[&str]) -> Option<Self> {
        let mut bytes = [0; MAX_TYPED_BYTES];
        let mut length = 0_usize;
        for part in parts {
            let end = length.checked_add(part.len())?;
            bytes.get_mut(length..end)?.copy_from_slice(part.as_bytes());
            length = end;
        }
        Some(Self { bytes, length: u8::try_from(length).ok()? })
    }

    fn column_type(&self) -> ColumnType {
        match self.as_str().get(DATE_BYTES..) {
            None | Some("") => ColumnType::Date,
            Some(time) if time.ends_with('Z') || time.contains(['+', '-']) => ColumnType::TimestampWithZone,
            Some(_) => ColumnType::Timestamp,
        }
    }
}

/// A number that is written as this type's values are: no plus, no leading zeros, no exponent, no negative zero, a digit
/// on both sides of a point.
fn number(text: &[u8]) -> Option<Digits> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (integer, rest) = unsigned.split_at_checked(digits(unsigned))?;
    let fraction = match rest {
        [] => None,
        [b'.', fraction @ ..] => Some(fraction),
        _ => return None,
    };
    let are_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let is_zero = integer == b"0";
    if integer.is_empty() || (integer.starts_with(b"0") && !is_zero) || !fraction.is_none_or(are_digits) {
        return None;
    }
    let is_negative_zero =
        is_zero && text.len() > unsigned.len() && unsigned.iter().all(|byte| matches!(byte, b'0' | b'.'));
    let scale = u8::try_from(fraction.map_or(0, <[u8]>::len)).ok()?;
    let integer = if is_zero { 0 } else { u8::try_from(integer.len()).ok()? };
    (!is_negative_zero).then_some(Digits { integer, min_scale: scale, max_scale: scale })
}

fn case(text: &[u8]) -> Option<Case> {
    match text {
        b"true" | b"false" => Some(Case::Lower),
        b"TRUE" | b"FALSE" => Some(Case::Upper),
        b"True" | b"False" => Some(Case::Title),
        _ => None,
    }
}

const DATE_BYTES: usize = 10;
const TIME_BYTES: usize = 9;

/// A day or a moment, if the text is one that there is.
fn moment(text: &[u8]) -> Option<ValueKind> {
    let (date, rest) = text.split_at_checked(DATE_BYTES)?;
    let date_pattern = match date {
        [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] => {
            is_day([*y0, *y1, *y2, *y3], [*m0, *m1], [*d0, *d1]).then_some("YYYY-MM-DD")
        }
        [y0, y1, y2, y3, b'/', m0, m1, b'/', d0, d1] => {
            is_day([*y0, *y1, *y2, *y3], [*m0, *m1], [*d0, *d1]).then_some("YYYY/MM/DD")
        }
        _ => None,
    }?;
    let [separator, time, fraction, zone] = if rest.is_empty() { [""; 4] } else { time(rest)? };
    Pattern::of(&[date_pattern, separator, time, fraction, zone]).map(|pattern| ValueKind::Moment { pattern })
}

fn is_day(year: [u8; 4], month: [u8; 2], day: [u8; 2]) -> bool {
    let is_digits = year.iter().chain(&month).chain(&day).all(u8::is_ascii_digit);
    let number = |digits: &[u8]| {
        digits.iter().fold(0_u16, |number, digit| {
            number.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0')))
        })
    };
    let (year, month, day) = (number(&year), number(&month), number(&day));
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    is_digits && year > 0 && (1..=last).contains(&day)
}

/// The pattern of what follows a day: a separator, a time, perhaps a fraction, perhaps an offset.
fn time(text: &[u8]) -> Option<[&str; 4]> {
    let (time, rest) = text.split_at_checked(TIME_BYTES)?;
    let [separator @ (b'T' | b' '), h0, h1, b':', m0, m1, b':', s0, s1] = time else { return None };
    let is_below = |limit: u8, tens: u8, ones: u8| {
        tens.is_ascii_digit()
            && ones.is_ascii_digit()
            && tens.wrapping_sub(b'0').saturating_mul(10).saturating_add(ones.wrapping_sub(b'0')) < limit
    };
    if !(is_below(24, *h0, *h1) && is_below(60, *m0, *m1) && is_below(60, *s0, *s1)) {
        return None;
    }
    let (fraction, offset) = fraction(rest)?;
    let separator = if *separator == b'T' { "T" } else { " " };
    Some([separator, "hh:mm:ss", fraction, zone(offset)?])
}

fn fraction(text: &[u8]) -> Option<(&str, &[u8])> {
    const PATTERN: &str = ".SSSSSS";
    let Some(digits) = text.strip_prefix(b".") else { return Some(("", text)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let pattern = PATTERN.get(..=length).filter(|_| length > 0);
    pattern.zip(digits.get(length..))
}

fn zone(offset: &[u8]) -> Option<&str> {
    let is_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    let is_zone = match offset {
        b"" | b"Z" => true,
        [b'+' | b'-', h0, h1, b':', m0, m1] => is_digits(&[*h0, *h1, *m0, *m1]),
        [b'+' | b'-', digits @ ..] => matches!(digits.len(), 2 | 4) && is_digits(digits),
        _ => false,
    };
    std::str::from_utf8(offset).ok().filter(|_| is_zone)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> ColumnType {
        let mut kind = ValueKind::default();
        texts.iter().for_each(|text| {
            kind.join(&ValueKind::of_text(text.as_bytes()));
        });
        kind.column_type()
    }

    /// A type is chosen only if every value writes back to the same text.
    #[test]
    fn a_type_is_said_of_values_that_come_back_as_they_were() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        for (texts, of_them) in [
            (&["1", "-20", "0"][..], ColumnType::Integer),
            (&["999999999999999999"], ColumnType::Integer),
            (&["9223372036854775808"], decimal(19, 0)),
            (&["12345678901234567890123456789012345678"], decimal(38, 0)),
            (&["123456789012345678901234567890123456789"], ColumnType::Text),
            (&["1.50", "-200.25"], decimal(5, 2)),
            (&["1.5", "2"], decimal(2, 1)),
            (&["0.00"], decimal(2, 2)),
            (&["0"], ColumnType::Integer),
            (&["007"], ColumnType::Text),
            (&["1", "007"], ColumnType::Text),
            (&["-0"], ColumnType::Text),
            (&["-0.00"], ColumnType::Text),
            (&["+1"], ColumnType::Text),
            (&["1e5"], ColumnType::Text),
            (&[".5"], ColumnType::Text),
            (&["5."], ColumnType::Text),
            (&["1,5"], ColumnType::Text),
            (&[" 1"], ColumnType::Text),
            (&["NaN"], ColumnType::Text),
            (&["true", "false"], ColumnType::Boolean),
            (&["true", "FALSE"], ColumnType::Text),
            (&["2026-02-28"], ColumnType::Date),
            (&["2026/02/28"], ColumnType::Date),
            (&["2026-02-28", "2026/02/28"], ColumnType::Text),
            (&["2026-02-29"], ColumnType::Text),
            (&["0000-01-01"], ColumnType::Text),
            (&["2026-02-28 23:59:59"], ColumnType::Timestamp),
            (&["2026-02-28 23:59:60"], ColumnType::Text),
            (&["2026-02-28", "2026-02-28 00:00:00"], ColumnType::Text),
            (&["2026-02-28T23:59:59.000+00:00"], ColumnType::TimestampWithZone),
            (&["2026-02-28T23:59:59Z"], ColumnType::TimestampWithZone),
            (&["2026-02-28T23:59:59+01:00", "2026-02-28T23:59:59+02:00"], ColumnType::Text),
            (&["2026-02-28T23:59:59.5", "2026-02-28T23:59:59.50"], ColumnType::Text),
            (&["2026-02-28T23:59:59.1234567"], ColumnType::Text),
            (&["2026-02-28T23:59:59.123456-0330"], ColumnType::TimestampWithZone),
            (&["2026-02-28T23:59:59."], ColumnType::Text),
            (&[], ColumnType::Text),
        ] {
            assert_eq!(of(texts), of_them, "{texts:?}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{1,40}",
            "-?[0-9]{1,20}\\.[0-9]{0,20}",
            "(true|false|TRUE|True)",
            "20[0-9]{2}[-/][01][0-9][-/][0-3][0-9]([T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
            ".{0,5}",
        ]
    }

    proptest! {
        /// Promise 4: what is said of a column depends on its values alone, in whatever order and pieces they come.
        #[test]
        fn joining_does_not_depend_on_order_or_repetition(texts in prop::collection::vec(value(), 1..6), turn in 0_usize..6) {
            let kinds: Vec<_> = texts.iter().map(|text| ValueKind::of_text(text.as_bytes())).collect();
            let join = |kinds: &[ValueKind]| {
                let mut joined = ValueKind::default();
                kinds.iter().for_each(|kind| {
                    joined.join(kind);
                });
                joined
            };
            let joined = join(&kinds);
            let mut turned = kinds.clone();
            turned.rotate_left(turn.checked_rem(kinds.len()).unwrap());
            turned.extend(kinds.clone());
            prop_assert_eq!(&join(&turned), &joined);
            let (left, right) = kinds.split_at(kinds.len() / 2);
            prop_assert_eq!(join(&[join(right), join(left)]), joined);
        }

        /// Seeing a value tells what telling it first and joining then does, whatever came before.
        #[test]
        fn a_value_is_seen_as_it_is_told(texts in prop::collection::vec(value(), 1..8)) {
            let (mut seen, mut joined) = (ValueKind::default(), ValueKind::default());
            for text in &texts {
                seen.see(text.as_bytes());
                joined.join(&ValueKind::of_text(text.as_bytes()));
                prop_assert_eq!(&seen, &joined);
            }
        }

        /// The same for days and moments alone: there are some that are not, in any pattern.
        #[test]
        fn moments_are_seen_as_they_are_told(
            texts in prop::collection::vec("[0-2][0-9]0[0-9]-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|\\+0[01]:00)?)?", 1..6),
        ) {
            let (mut seen, mut joined) = (ValueKind::default(), ValueKind::default());
            for text in &texts {
                seen.see(text.as_bytes());
                joined.join(&ValueKind::of_text(text.as_bytes()));
                prop_assert_eq!(&seen, &joined);
            }
        }

        /// Identity: a number that is said to be one comes back from its digits as the same text.
        #[test]
        fn a_number_writes_back_to_its_text(text in value()) {
            let ValueKind::Number(digits) = ValueKind::of_text(text.as_bytes()) else { return Ok(()) };
            prop_assume!(digits.column_type() != ColumnType::Text);
            let unscaled: i128 = text.replace('.', "").parse().unwrap();
            let scale = usize::from(digits.max_scale);
            let padded = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
            let (integer, fraction) = padded.split_at(padded.len() - scale);
            let sign = if unscaled < 0 { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            prop_assert_eq!(format!("{sign}{integer}{point}{fraction}"), text);
        }
    }
}
