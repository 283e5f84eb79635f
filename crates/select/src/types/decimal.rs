//! Base-10 numbers of 38 significant digits.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};

use crate::error::{Code, Result};

/// S3 Select's maximum precision.
const PRECISION: u32 = 38;

/// Numbers that are further apart than this many digits do not reach each other's precision.
const FAR: i64 = 2 * PRECISION as i64 + 4;

/// `digits * 10^exponent`, where `digits` has at most 38 digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    digits: i128,
    exponent: i32,
}

/// 10^38: the first number with more digits.
const BOUND: u128 = 10u128.pow(PRECISION);

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { digits: i128::from(value), exponent: 0 }
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Self {
        Self { digits: i128::from(value), exponent: 0 }
    }
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10u8).pow(u32::try_from(exponent).unwrap_or(0))
}

/// How many digits a number has; 0 has one.
fn length(digits: i128) -> i64 {
    i64::from(digits.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1
}

impl Decimal {
    /// Rounded to 38 digits, halves to even.
    pub(crate) fn new(digits: BigInt, exponent: i64) -> Result<Self> {
        let mut exponent = exponent;
        let mut digits = digits;
        loop {
            if let Ok(small) = i128::try_from(&digits)
                && small.unsigned_abs() < BOUND
            {
                let exponent = i32::try_from(exponent).map_err(|_| Code::NumberFormatError)?;
                return Ok(Self { digits: small, exponent });
            }
            // A bit is 0.30103 digits, so this removes one or two digits too few, never too many.
            let estimate = i64::try_from(digits.bits()).unwrap_or(i64::MAX).saturating_mul(30_103) / 100_000;
            let over = (estimate - i64::from(PRECISION)).max(1);
            let divisor = power(over);
            let (mut quotient, rest) = (&digits / &divisor, &digits % &divisor);
            let twice = rest.magnitude() * 2u8;
            let up = match twice.cmp(divisor.magnitude()) {
                Ordering::Greater => true,
                Ordering::Equal => quotient.bit(0),
                Ordering::Less => false,
            };
            if up {
                quotient += if rest.sign() == Sign::Minus { -1 } else { 1 };
            }
            digits = quotient;
            exponent += over;
        }
    }

    /// `-12.5e3`. `None`: it is not a number.
    pub(crate) fn parse(text: &str) -> Option<Result<Self>> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let exponent = match exponent {
            None => 0,
            Some(text) => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                if digits.is_empty() || !all_digits(digits) {
                    return None;
                }
                match text.parse::<i32>() {
                    Ok(exponent) => i64::from(exponent),
                    Err(_) => return Some(Err(Code::NumberFormatError.into())),
                }
            }
        };
        // Digits behind the precision are left away before they cost anything; 40 of them are enough to round rightly.
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
        let kept = digits.len().min(PRECISION as usize + 2);
        let sticky = digits[kept..].iter().any(|b| *b != b'0');
        let left = i64::try_from(digits.len() - kept).unwrap_or(i64::MAX);
        let mut number = BigInt::parse_bytes(&digits[..kept], 10).unwrap_or_default();
        let mut scale = exponent - i64::try_from(fraction.len()).unwrap_or(i64::MAX) + left;
        if sticky {
            number = number * 10u8 + 1u8;
            scale -= 1;
        }
        Some(Self::new(if negative { -number } else { number }, scale))
    }

    pub(crate) fn from_f64(value: f64) -> Result<Self> {
        Self::parse(&format!("{value:e}")).unwrap_or_else(|| Err(Code::NumberFormatError.into()))
    }

    /// From a two's complement number of any length, and how many of its digits stand behind the point.
    pub(crate) fn from_bytes(bytes: &[u8], scale: i32) -> Result<Self> {
        Self::new(BigInt::from_signed_bytes_be(bytes), -i64::from(scale))
    }

    pub(crate) fn to_f64(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Without what is behind the point. `None`: it has no room in 64 bits.
    pub(crate) fn truncated(self) -> Option<i64> {
        if self.digits == 0 {
            return Some(0);
        }
        if self.exponent >= 0 {
            let factor = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
            return i64::try_from(self.digits.checked_mul(factor)?).ok();
        }
        match 10i128.checked_pow(self.exponent.unsigned_abs()) {
            Some(divisor) => i64::try_from(self.digits / divisor).ok(),
            None => Some(0),
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.digits == 0
    }

    pub(crate) fn negated(self) -> Self {
        Self { digits: -self.digits, exponent: self.exponent }
    }

    /// The power of ten of its first digit.
    fn magnitude(self) -> i64 {
        i64::from(self.exponent) + length(self.digits) - 1
    }

    /// Both on one exponent. `None`: they are too far apart.
    fn aligned(self, other: Self) -> Option<(BigInt, BigInt, i64)> {
        let exponent = i64::from(self.exponent.min(other.exponent));
        let raise = |d: Self| {
            let gap = i64::from(d.exponent) - exponent;
            (gap <= FAR).then(|| BigInt::from(d.digits) * power(gap))
        };
        Some((raise(self)?, raise(other)?, exponent))
    }

    pub(crate) fn add(self, other: Self) -> Result<Self> {
        if self.exponent == other.exponent
            && let Some(sum) = self.digits.checked_add(other.digits)
            && sum.unsigned_abs() < BOUND
        {
            return Ok(Self { digits: sum, exponent: self.exponent });
        }
        match self.aligned(other) {
            Some((a, b, exponent)) => Self::new(a + b, exponent),
            None if self.is_zero() => Ok(other),
            None if other.is_zero() || self.magnitude() > other.magnitude() => Ok(self),
            None => Ok(other),
        }
    }

    pub(crate) fn subtract(self, other: Self) -> Result<Self> {
        self.add(other.negated())
    }

    pub(crate) fn multiply(self, other: Self) -> Result<Self> {
        let exponent = i64::from(self.exponent) + i64::from(other.exponent);
        Self::new(BigInt::from(self.digits) * BigInt::from(other.digits), exponent)
    }

    /// To 38 digits, without zeros that say nothing.
    pub(crate) fn divide(self, other: Self) -> Result<Self> {
        if other.is_zero() {
            return Err(Code::ExternalEvalException.into());
        }
        let extra = i64::from(PRECISION) + 2 + length(other.digits) - length(self.digits).min(length(other.digits));
        let dividend = BigInt::from(self.digits) * power(extra);
        let divisor = BigInt::from(other.digits);
        let mut quotient = &dividend / &divisor;
        let mut exponent = i64::from(self.exponent) - i64::from(other.exponent) - extra;
        if &quotient * &divisor != dividend {
            // Something is left: enough that a half is not taken for an exact one.
            quotient = quotient * 10u8 + 1u8;
            exponent -= 1;
        }
        let preferred = i64::from(self.exponent) - i64::from(other.exponent);
        Ok(Self::new(quotient, exponent)?.trimmed(preferred.min(0)))
    }

    /// Without zeros at the end, up to an exponent.
    fn trimmed(mut self, preferred: i64) -> Self {
        while i64::from(self.exponent) < preferred && self.digits % 10 == 0 {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    pub(crate) fn remainder(self, other: Self) -> Result<Self> {
        if other.is_zero() {
            return Err(Code::ExternalEvalException.into());
        }
        match self.aligned(other) {
            Some((a, b, exponent)) => Self::new(a % b, exponent),
            None if self.magnitude() < other.magnitude() => Ok(self),
            None => Err(Code::NumberFormatError.into()),
        }
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        let (sign, other_sign) = (self.digits.signum(), other.digits.signum());
        if sign != other_sign || sign == 0 {
            return sign.cmp(&other_sign);
        }
        let by_size = match self.magnitude().cmp(&other.magnitude()) {
            // The same first digit's place: they are within each other's precision.
            Ordering::Equal => match self.aligned(other) {
                Some((a, b, _)) => return a.cmp(&b),
                None => Ordering::Equal,
            },
            unequal => unequal,
        };
        if sign < 0 { by_size.reverse() } else { by_size }
    }

    /// As messages of errors show it: the text form of Ion.
    pub(crate) fn ion(self) -> String {
        let point = -i64::from(self.exponent);
        if (0..length(self.digits)).contains(&point) {
            return if point == 0 { format!("{self}.") } else { self.to_string() };
        }
        format!("{}d{}", self.digits, self.exponent)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.digits.unsigned_abs().to_string();
        if self.digits < 0 {
            f.write_str("-")?;
        }
        let exponent = i64::from(self.exponent);
        let places = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if exponent == 0 {
            f.write_str(&text)
        } else if (1..=20).contains(&exponent) {
            write!(f, "{text}{}", "0".repeat(places))
        } else if exponent < 0 && places < text.len() {
            write!(f, "{}.{}", &text[..text.len() - places], &text[text.len() - places..])
        } else if exponent < 0 && places <= text.len() + 20 {
            write!(f, "0.{}{text}", "0".repeat(places - text.len()))
        } else {
            let magnitude = exponent + i64::try_from(text.len()).unwrap_or(1) - 1;
            let (first, rest) = text.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            write!(f, "{first}{point}{rest}E{magnitude:+}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap().unwrap()
    }

    #[test]
    fn texts() {
        for (text, shown) in [
            ("0", "0"),
            ("1.10", "1.10"),
            ("-0.5", "-0.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1e400", "1E+400"),
            ("12e-30", "1.2E-29"),
            ("100000000000000000000", "100000000000000000000"),
            ("1234567890123456789012345678901234567850", "1234567890123456789012345678901234567800"),
            ("0.10000000000000000555111512312578270211815834", "0.10000000000000000555111512312578270212"),
        ] {
            assert_eq!(d(text).to_string(), shown, "{text}");
        }
        for text in ["", "-", ".", "1e", "1e+", "x", "1.2.3", "0x10", " 1", "1_0", "NaN"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
        assert!(Decimal::parse("1e99999999999").unwrap().is_err());
    }

    #[test]
    fn arithmetic() {
        assert_eq!(d("0.1").add(d("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(d("1").divide(d("3")).unwrap().to_string(), "0.33333333333333333333333333333333333333");
        assert_eq!(d("2").divide(d("3")).unwrap().to_string(), "0.66666666666666666666666666666666666667");
        assert_eq!(d("1").divide(d("4")).unwrap().to_string(), "0.25");
        assert_eq!(d("100").divide(d("10")).unwrap().to_string(), "10");
        assert_eq!(d("1e1000000000").add(d("1")).unwrap().to_string(), "1E+1000000000");
        assert_eq!(d("-7.5").remainder(d("2")).unwrap().to_string(), "-1.5");
        assert_eq!(d("1.5").multiply(d("-2")).unwrap().to_string(), "-3.0");
        assert!(d("1").divide(d("0.0")).is_err());
    }

    #[test]
    fn order() {
        assert_eq!(d("1.0").compare(d("1")), Ordering::Equal);
        assert_eq!(d("-1e500").compare(d("1e-500")), Ordering::Less);
        assert_eq!(d("-2").compare(d("-1e400")), Ordering::Greater);
        assert_eq!(d("0").compare(d("0e9")), Ordering::Equal);
        assert_eq!(d("99999999999999999999999999999999999999").compare(d("1e38")), Ordering::Less);
    }

    #[test]
    fn whole_parts() {
        assert_eq!(d("-12.9").truncated(), Some(-12));
        assert_eq!(d("1e18").truncated(), Some(1_000_000_000_000_000_000));
        assert_eq!(d("1e19").truncated(), None);
        assert_eq!(d("1e-400").truncated(), Some(0));
        assert_eq!(d(".5").ion(), "5d-1");
        assert_eq!(d("12.5").ion(), "12.5");
    }
}
