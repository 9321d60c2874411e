//! Numbers and their texts.

/// The whole number without its point that stands for a text at a scale: `-12.5` at 2 is -1250. `None` where it does not
/// write back to the text, but for zeros behind it, or has more digits than the precision.
pub(crate) fn unscaled(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (is_negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (integer, fraction) = match point {
        Some(at) => (digits.get(..at)?, digits.get(at.checked_add(1)?..).filter(|part| !part.is_empty())?),
        None => (digits, &[][..]),
    };
    let is_zero = integer == b"0";
    if integer.is_empty() || (integer.starts_with(b"0") && !is_zero) {
        return None;
    }
    let integer_digits = if is_zero { 0 } else { integer.len() };
    let zeros = usize::from(scale).checked_sub(fraction.len())?;
    if integer_digits.checked_add(usize::from(scale))? > usize::from(precision) {
        return None;
    }
    let number = whole(whole(0, integer)?, fraction)?;
    if is_negative && number == 0 {
        return None;
    }
    let power = u32::try_from(zeros).ok().and_then(|zeros| 10_i128.checked_pow(zeros))?;
    let number = i128::try_from(number).ok()?.checked_mul(power)?;
    Some(if is_negative { -number } else { number })
}

/// A number with more digits behind it. The first 19 at a time fit into 64 bits.
fn whole(before: u128, digits: &[u8]) -> Option<u128> {
    let mut number = before;
    for chunk in digits.chunks(18) {
        let (mut part, mut power) = (0_u64, 1_u64);
        for byte in chunk {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            part = part.wrapping_mul(10).wrapping_add(u64::from(digit));
            power = power.wrapping_mul(10);
        }
        number = match number {
            0 => u128::from(part),
            number => number.checked_mul(u128::from(power))?.checked_add(u128::from(part))?,
        };
    }
    Some(number)
}

/// A whole number of at most 18 digits; `None` where it does not write back to the text.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    unscaled(text, 18, 0).and_then(|number| i64::try_from(number).ok())
}

/// The digits behind the point of a number.
pub(crate) fn scale(text: &[u8]) -> u8 {
    let digits = text.iter().rev().position(|byte| *byte == b'.').unwrap_or_default();
    u8::try_from(digits).unwrap_or(u8::MAX)
}

/// The text of a whole number with its point at a scale.
pub(crate) fn text(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale.saturating_add(1));
    let (integer, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{integer}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number is taken only as it is written back, but for zeros behind it.
    #[test]
    fn numbers_are_those_that_write_back() {
        for (written, precision, scale, number) in [
            ("0", 1, 0, Some(0)),
            ("-12.5", 4, 2, Some(-1250)),
            ("12.50", 4, 2, Some(1250)),
            ("0.05", 2, 2, Some(5)),
            ("123.45", 4, 2, None),
            ("1.234", 9, 2, None),
            ("007", 9, 0, None),
            ("-0", 9, 0, None),
            ("-0.00", 9, 2, None),
            ("+1", 9, 0, None),
            (".5", 9, 1, None),
            ("5.", 9, 1, None),
            ("1.2.3", 9, 3, None),
            ("1e5", 9, 0, None),
            ("", 9, 0, None),
            ("-", 9, 0, None),
            ("--1", 9, 0, None),
            ("99999999999999999999999999999999999999", 38, 0, Some(10_i128.pow(38) - 1)),
            ("100000000000000000000", 38, 0, Some(10_i128.pow(20))),
        ] {
            assert_eq!(unscaled(written.as_bytes(), precision, scale), number, "{written}");
        }
        assert_eq!(integer(b"-999999999999999999"), Some(-999_999_999_999_999_999));
        assert_eq!(integer(b"1000000000000000000"), None);
        assert_eq!([scale(b"-1.50"), scale(b"7"), scale(b"0.123")], [2, 0, 3]);
    }

    proptest! {
        #[test]
        fn a_number_is_its_text(number in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..38) {
            prop_assert_eq!(unscaled(text(number, scale).as_bytes(), 38, scale), Some(number).filter(|number| {
                number.unsigned_abs() < 10_u128.pow(38)
            }));
        }
    }
}
