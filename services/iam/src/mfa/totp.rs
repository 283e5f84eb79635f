//! The codes that a device shows: six digits, another number every 30 seconds (RFC 6238 over HMAC-SHA-1).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// A code is shown for so long (s).
pub(super) const STEP_SECONDS: i64 = 30;

/// The step at a moment (seconds since 1970).
pub(super) fn step_at(seconds: i64) -> i64 {
    seconds.div_euclid(STEP_SECONDS)
}

/// What a device with this seed shows in a step.
pub(super) fn code(seed: &[u8], step: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(seed) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    // The last four bits say where in the hash the number stands (RFC 4226, 5.3).
    let at = usize::from(hash.last().copied().unwrap_or(0) & 0x0f);
    let number = hash.iter().skip(at).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// The step among these in which a device shows a code. All are looked at, so that the time tells nothing.
pub(super) fn shown(seed: &[u8], steps: impl Iterator<Item = i64>, asked: &str) -> Option<i64> {
    let same = |step: &i64| undercast_wire::sigv4::same(&code(seed, *step), asked);
    steps.filter(same).last()
}

/// Base32 (RFC 4648) without padding: 40 bytes need none.
pub(super) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = bytes.chunks(5).flat_map(|five| {
        let bits = five.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte)) << (8 * (5 - five.len()));
        let count = (five.len() * 8).div_ceil(5);
        (0..count).map(move |n| char::from(ALPHABET[usize::from((bits >> (35 - 5 * n)).to_le_bytes()[0] & 31)]))
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // Source: RFC 6238, appendix B, the last six of its eight digits.
        let seed = b"12345678901234567890";
        for (seconds, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(seed, step_at(seconds)), wanted, "at {seconds}");
        }
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        for (bytes, wanted) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(bytes.as_bytes()), wanted);
        }
    }

    #[test]
    fn a_code_is_found_in_its_step() {
        let seed = b"12345678901234567890";
        assert_eq!(shown(seed, 0..=2, "287082"), Some(1));
        assert_eq!(shown(seed, 2..=5, "287082"), None);
    }
}
