//! DynamoDB's number: an exact decimal of at most 38 significant digits.
//!
//! A number is kept as `coefficient × 10^exponent` with no trailing zero in the coefficient, so each value has exactly
//! one form: equality is field by field, and `1`, `1.0` and `100e-2` are the same number, as they are in DynamoDB.

use std::cmp::Ordering;
use std::fmt;

/// Most significant digits a number may have.
pub const MAX_DIGITS: u32 = 38;
/// Largest power of ten of the first digit: 9.99…E+125.
const MAX_MAGNITUDE: i32 = 125;
/// Smallest power of ten of the first digit: 1E-130.
const MIN_MAGNITUDE: i32 = -130;

/// Why a text is not a DynamoDB number, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is empty.
    #[error("The parameter cannot be converted to a numeric value")]
    Empty,
    /// The text is not a decimal number.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    NotANumber(Box<str>),
    /// More than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// Magnitude of 1E+126 or more; also AWS's answer when a sum cannot be held in 38 digits.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// Magnitude below 1E-130.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

/// An exact decimal number within DynamoDB's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}

impl Number {
    /// Nought.
    pub const ZERO: Self = Self { negative: false, coefficient: 0, exponent: 0 };

    /// Reads a decimal as AWS accepts it: `-12`, `1.50`, `.5`, `1e-7`.
    ///
    /// # Errors
    /// What AWS says of a text that is no number or is out of range.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let not_a_number = || NumberError::NotANumber(text.into());
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let mantissa_end = unsigned.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(unsigned.len());
        let (mantissa, rest) = unsigned.split_at(mantissa_end);
        let scale = match rest {
            [] => 0,
            [_, written @ ..] => parse_exponent(written).ok_or_else(not_a_number)?,
        };
        let digits = Digits::scan(mantissa).ok_or_else(not_a_number)?;
        if digits.significant == 0 {
            return Ok(Self::ZERO);
        }
        if digits.significant > MAX_DIGITS {
            return Err(NumberError::TooManyDigits);
        }
        Self::in_range(negative, digits.coefficient, scale.saturating_add(digits.exponent), digits.significant)
    }

    /// The exact sum.
    ///
    /// # Errors
    /// `Overflow` when the sum is out of range or would need more than 38 digits: AWS gives the same message for both.
    pub fn checked_add(self, other: Self) -> Result<Self, NumberError> {
        if self.coefficient == 0 {
            return Ok(other);
        }
        if other.coefficient == 0 {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The low operand ends in a digit that is not nought, so a sum too long for a u128 is also too long for 38 digits.
        let scaled = 10_u128
            .checked_pow(u32::from(high.exponent.abs_diff(low.exponent)))
            .and_then(|power| high.coefficient.checked_mul(power))
            .ok_or(NumberError::Overflow)?;
        let (negative, coefficient) = if high.negative == low.negative {
            (high.negative, scaled.checked_add(low.coefficient).ok_or(NumberError::Overflow)?)
        } else if scaled >= low.coefficient {
            (high.negative, scaled - low.coefficient)
        } else {
            (low.negative, low.coefficient - scaled)
        };
        Self::normalised(negative, coefficient, i32::from(low.exponent))
    }

    /// The exact difference.
    ///
    /// # Errors
    /// As [`Number::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, NumberError> {
        self.checked_add(Self { negative: !other.negative && other.coefficient != 0, ..other })
    }

    /// Bytes the number counts for in an item: one, one for each two digits on either side of the point, one for a minus.
    ///
    /// AWS's guide says "approximately"; this is the rule that item-size limits measured at AWS obey to the byte, by
    /// which `3.14159` counts 5 and `123456` counts 4.
    pub fn size(self) -> usize {
        let Some(power) = self.coefficient.checked_ilog10() else { return 1 };
        let digits = u32::from(self.exponent.min(0).unsigned_abs());
        let (whole, behind) = match (power + 1).checked_sub(digits) {
            Some(whole) => (whole, digits),
            None => (0, power + 1),
        };
        let bytes = 1 + whole.div_ceil(2) + behind.div_ceil(2) + u32::from(self.negative);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Appends a form whose byte order is the order of the numbers. It ends itself: no form is the beginning of another.
    pub fn encode_ordered(self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(ZERO_TAG);
            return;
        }
        // Complementing every byte of a negative number turns larger magnitudes into smaller bytes.
        let flip = if self.negative { 0xFF } else { 0 };
        out.push(if self.negative { NEGATIVE_TAG } else { POSITIVE_TAG });
        let above_least = u8::try_from(self.magnitude() - MIN_MAGNITUDE).unwrap_or(u8::MAX);
        out.push(above_least ^ flip);
        let mut buffer = [0_u8; 40];
        for pair in self.decimal_digits(&mut buffer).chunks(2) {
            let tens = pair.first().copied().unwrap_or(0);
            let units = pair.get(1).copied().unwrap_or(0);
            out.push((tens * 10 + units + 1) ^ flip);
        }
        out.push(flip);
    }

    /// A whole number as an index or a count, if it is one.
    pub fn to_i64(self) -> Option<i64> {
        let power = 10_u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let magnitude = i128::try_from(self.coefficient.checked_mul(power)?).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// Power of ten of the first digit.
    fn magnitude(self) -> i32 {
        i32::from(self.exponent) + self.coefficient.checked_ilog10().map_or(0, u32::cast_signed)
    }

    /// The digits of the coefficient, each 0..=9, most significant first.
    fn decimal_digits(self, buffer: &mut [u8; 40]) -> &[u8] {
        let mut start = buffer.len();
        let mut rest = self.coefficient;
        while rest != 0 && start > 0 {
            start -= 1;
            // u128 division is slow; once the rest fits in 64 bits the compiler can use the fast one.
            let digit = match u64::try_from(rest) {
                Ok(small) => {
                    rest = u128::from(small / 10);
                    small % 10
                }
                Err(_) => {
                    let digit = rest % 10;
                    rest /= 10;
                    u64::try_from(digit).unwrap_or(0)
                }
            };
            buffer[start] = u8::try_from(digit).unwrap_or(0);
        }
        &buffer[start..]
    }

    fn normalised(negative: bool, mut coefficient: u128, mut exponent: i32) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        let significant = coefficient.ilog10() + 1;
        if significant > MAX_DIGITS {
            return Err(NumberError::Overflow);
        }
        Self::in_range(negative, coefficient, exponent, significant)
    }

    fn in_range(negative: bool, coefficient: u128, exponent: i32, digits: u32) -> Result<Self, NumberError> {
        let magnitude = exponent.saturating_add(digits.cast_signed() - 1);
        if magnitude > MAX_MAGNITUDE {
            return Err(NumberError::Overflow);
        }
        if magnitude < MIN_MAGNITUDE {
            return Err(NumberError::Underflow);
        }
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Underflow)?;
        Ok(Self { negative, coefficient, exponent })
    }
}

const NEGATIVE_TAG: u8 = 0x7F;
const ZERO_TAG: u8 = 0x80;
const POSITIVE_TAG: u8 = 0x81;

/// What a mantissa says: its digits without leading and trailing noughts.
struct Digits {
    coefficient: u128,
    /// Power of ten of the last significant digit.
    exponent: i32,
    significant: u32,
}

impl Digits {
    /// `None` when the text is not digits with at most one point among them.
    fn scan(text: &[u8]) -> Option<Self> {
        let mut found = Self { coefficient: 0, exponent: 0, significant: 0 };
        let mut any = false;
        let mut point = false;
        // Noughts seen since the last other digit: they count only if another digit follows.
        let mut noughts: u32 = 0;
        for &byte in text {
            match byte {
                b'.' if !point => point = true,
                b'0' => {
                    any = true;
                    noughts += u32::from(found.significant > 0);
                    found.exponent -= i32::from(point);
                }
                b'1'..=b'9' => {
                    any = true;
                    found.push(byte - b'0', noughts);
                    noughts = 0;
                    found.exponent -= i32::from(point);
                }
                _ => return None,
            }
        }
        found.exponent = found.exponent.saturating_add(i32::try_from(noughts).ok()?);
        any.then_some(found)
    }

    fn push(&mut self, digit: u8, noughts: u32) {
        self.significant += noughts + 1;
        if self.significant <= MAX_DIGITS {
            self.coefficient = self.coefficient * 10_u128.pow(noughts + 1) + u128::from(digit);
        }
    }
}

/// The exponent after `e`. One too long for its type is clamped: the range check that follows refuses it all the same.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i32;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| i32::from(digit - b'0'))?;
        value = value.saturating_mul(10).saturating_add(digit);
    }
    Some(if negative { -value } else { value })
}

impl fmt::Display for Number {
    /// The form DynamoDB answers with: plain digits, never an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.coefficient == 0 {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let Ok(behind_point) = usize::try_from(-i32::from(self.exponent)) else {
            write!(f, "{}", self.coefficient)?;
            return pad(f, usize::from(self.exponent.unsigned_abs()));
        };
        if behind_point == 0 {
            return write!(f, "{}", self.coefficient);
        }
        let mut buffer = [0_u8; 40];
        let digits = self.decimal_digits(&mut buffer);
        let whole = digits.len().saturating_sub(behind_point);
        if whole == 0 {
            f.write_str("0.")?;
            pad(f, behind_point - digits.len())?;
        }
        for (at, digit) in digits.iter().enumerate() {
            if at == whole && whole > 0 {
                f.write_str(".")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

fn pad(f: &mut fmt::Formatter<'_>, noughts: usize) -> fmt::Result {
    (0..noughts).try_for_each(|_| f.write_str("0"))
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| match (n.coefficient, n.negative) {
            (0, _) => 0_i8,
            (_, true) => -1,
            (_, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let by_size = self.magnitude().cmp(&other.magnitude()).then_with(|| {
                // With the first digits in the same place both can be brought to one exponent within 38 digits.
                let low = self.exponent.min(other.exponent);
                let aligned = |n: &Self| n.coefficient * 10_u128.pow(u32::from(n.exponent.abs_diff(low)));
                aligned(self).cmp(&aligned(other))
            });
            if self.negative { by_size.reverse() } else { by_size }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::normalised(false, u128::from(value), 0).unwrap_or(Self::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[track_caller]
    fn canonical(text: &str, expected: &str) {
        assert_eq!(number(text).to_string(), expected, "of {text}");
        assert_eq!(number(expected), number(text));
    }

    #[test]
    fn one_form_for_each_value() {
        canonical("0", "0");
        canonical("-0", "0");
        canonical("0e999999999999", "0");
        canonical("000", "0");
        canonical("+7", "7");
        canonical("007.500", "7.5");
        canonical("1.0", "1");
        canonical(".5", "0.5");
        canonical("5.", "5");
        canonical("100", "100");
        canonical("1e3", "1000");
        canonical("12.5E-3", "0.0125");
        canonical("-1.25e1", "-12.5");
        canonical("1002.003", "1002.003");
        canonical("99999999999999999999999999999999999999", "99999999999999999999999999999999999999");
        canonical("1e40", &format!("1{}", "0".repeat(40)));
        canonical("1e-130", &format!("0.{}1", "0".repeat(129)));
        canonical("9.9e125", &format!("99{}", "0".repeat(124)));
        canonical("10e124", &format!("1{}", "0".repeat(125)));
        canonical("3.1415926535897932384626433832795028841", "3.1415926535897932384626433832795028841");
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(Number::parse(text).unwrap_err().to_string(), message, "of {text}");
    }

    #[test]
    fn refusals_are_in_the_words_of_aws() {
        const WORD: &str = "The parameter cannot be converted to a numeric value";
        const DIGITS: &str = "Attempting to store more than 38 significant digits in a Number";
        const OVER: &str = "Number overflow. Attempting to store a number with magnitude larger than supported range";
        const UNDER: &str =
            "Number underflow. Attempting to store a number with magnitude smaller than supported range";
        refused("", WORD);
        for text in [
            "b", "NaN", "Infinity", "-", ".", "1e", "1e+", "0.1.2", "1e2e3", " 3", "3 ", "2 e3", "0x10", "1_000", "--1",
        ] {
            refused(text, &format!("{WORD}: {text}"));
        }
        refused("123456789012345678901234567890123456789", DIGITS);
        refused("-1.23456789012345678901234567890123456789", DIGITS);
        for text in ["1e126", "-1e126", "11e125", "1e99999999999"] {
            refused(text, OVER);
        }
        for text in ["1e-131", "-1e-131", "0.9e-130", "1e-99999999999"] {
            refused(text, UNDER);
        }
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let sum = |a: &str, b: &str| number(a).checked_add(number(b)).map(|n| n.to_string());
        assert_eq!(sum("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(sum("1e37", "-1").unwrap(), "9999999999999999999999999999999999999");
        assert_eq!(sum("1e38", "-1").unwrap(), "99999999999999999999999999999999999999");
        assert_eq!(sum("9e125", "9e124").unwrap(), number("9.9e125").to_string());
        assert_eq!(sum("5", "-5").unwrap(), "0");
        assert_eq!(sum("-5", "0").unwrap(), "-5");
        assert_eq!(number("3").checked_sub(number("10")).unwrap().to_string(), "-7");
        assert_eq!(number("0").checked_sub(number("0")).unwrap(), Number::ZERO);
        assert_eq!(sum("9e125", "9e125"), Err(NumberError::Overflow));
        assert_eq!(sum("1e50", "1"), Err(NumberError::Overflow));
        assert_eq!(sum("1e125", "1e-130"), Err(NumberError::Overflow));
        assert_eq!(
            number("1.0000000000000000000000000000000000001e-130").checked_sub(number("1e-130")),
            Err(NumberError::Underflow)
        );
    }

    #[test]
    fn sizes_are_those_measured_at_aws() {
        let counts = [
            ("0", 1),
            ("-0", 1),
            ("1", 2),
            ("12", 2),
            ("123", 3),
            ("1234", 3),
            ("12345678901234567890123456789012345678", 20),
            ("100", 2),
            ("1010", 3),
            ("0.0000001", 2),
            ("1E125", 2),
            ("1E-100", 2),
            ("1.5", 3),
            ("1.234", 4),
            ("3.14159", 5),
            ("123456", 4),
            ("100.5", 4),
            ("0.15", 2),
            ("-42", 3),
        ];
        for (text, bytes) in counts {
            assert_eq!(number(text).size(), bytes, "of {text}");
        }
    }

    prop_compose! {
        fn any_number()(negative: bool, digits in "[1-9][0-9]{0,37}", magnitude in -130_i32..=125) -> Number {
            let scale = magnitude - i32::try_from(digits.len()).unwrap() + 1;
            number(&format!("{}{digits}e{scale}", if negative { "-" } else { "" }))
        }
    }

    /// Numbers near each other, so that the last digits decide.
    fn near() -> impl Strategy<Value = Number> {
        prop_oneof![any_number(), (-2000_i32..2000, -3_i32..3).prop_map(|(n, e)| number(&format!("{n}e{e}")))]
    }

    fn encoded(n: Number) -> Vec<u8> {
        let mut out = Vec::new();
        n.encode_ordered(&mut out);
        out
    }

    /// Comparison on plain decimal text, knowing nothing of the number's own form.
    fn compare_as_text(a: Number, b: Number) -> Ordering {
        let parts = |n: Number| {
            let text = n.to_string();
            let negative = text.starts_with('-');
            let text = text.trim_start_matches('-').to_owned();
            let (whole, behind) =
                text.split_once('.').map_or((text.clone(), String::new()), |(w, b)| (w.into(), b.into()));
            (negative, format!("{whole:0>140}{behind:0<180}"))
        };
        match (parts(a), parts(b)) {
            ((true, _), (false, _)) => Ordering::Less,
            ((false, _), (true, _)) => Ordering::Greater,
            ((false, a), (false, b)) => a.cmp(&b),
            ((true, a), (true, b)) => b.cmp(&a),
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(n in any_number()) {
            prop_assert_eq!(number(&n.to_string()), n);
        }

        #[test]
        fn order_of_bytes_is_order_of_numbers(a in near(), b in near()) {
            prop_assert_eq!(a.cmp(&b), compare_as_text(a, b));
            prop_assert_eq!(encoded(a).cmp(&encoded(b)), a.cmp(&b));
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        }

        #[test]
        fn no_encoding_begins_another(a in near(), b in near()) {
            prop_assert!(a == b || !encoded(a).starts_with(&encoded(b)));
        }

        #[test]
        fn adding_and_taking_away_agree(a in near(), b in near()) {
            prop_assert_eq!(a.checked_add(b), b.checked_add(a));
            if let Ok(sum) = a.checked_add(b)
                && let Ok(back) = sum.checked_sub(b)
            {
                prop_assert_eq!(back, a);
            }
        }

        #[test]
        fn parsing_never_panics(text in "[-+0-9.eE ]{0,60}") {
            let _ = Number::parse(&text);
        }
    }
}
