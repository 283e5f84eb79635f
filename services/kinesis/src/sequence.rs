//! Sequence numbers: where a record stands in its shard, as AWS forms them.
//!
//! A number of 188 bits, told in decimal digits. From the top: `2`, the second in which the shard was made (36 bits), the
//! last four bits of the shard's number, the record's index (64), zero (8), the second of the record (36), the shard's
//! number (32), and the version, 2. So they rise within a shard, and tell of which shard of which stream they are.
//! Source: numbers that AWS gave, as many took them apart.

/// The index of a closed shard's last sequence number, which no record has.
const LAST_INDEX: u64 = i64::MAX as u64;
/// What stands at the top, and at the bottom.
const VERSION: u64 = 2;
/// Decimal digits that fit a word.
const DIGITS: usize = 19;
/// The number with one digit more.
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// A sequence number, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The second in which the shard was made, since 1970.
    pub(crate) made: u64,
    /// The shard's number.
    pub(crate) shard: u32,
    /// Where the record stands in its stream.
    pub(crate) index: u64,
    /// The second of the record, since 1970.
    pub(crate) second: u64,
}

/// 192 bits, the highest first.
type Words = [u64; 3];

impl Sequence {
    /// The first of a shard, before all of its records.
    pub(crate) fn first(made: u64, shard: u32) -> Self {
        Self { made, shard, index: 0, second: made }
    }

    /// The last of a shard that was closed in a second, behind all of its records.
    pub(crate) fn last(made: u64, shard: u32, second: u64) -> Self {
        Self { made, shard, index: LAST_INDEX, second }
    }

    fn words(self) -> Words {
        let shard = u64::from(self.shard);
        let top = self.index >> 48 | (shard & 15) << 16 | (self.made & ((1 << 36) - 1)) << 20 | VERSION << 56;
        let second = u128::from(self.second & ((1 << 36) - 1));
        let low = u128::from(VERSION) | u128::from(shard) << 4 | second << 36 | u128::from(self.index) << 80;
        [top, upper(low), lower(low)]
    }

    /// Reads one. `None`: AWS forms none like it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [top, middle, bottom] = read(text)?;
        let low = u128::from(middle) << 64 | u128::from(bottom);
        let shard = u32::try_from(low >> 4 & u128::from(u32::MAX)).ok()?;
        let index = (top & 0xffff) << 48 | lower(low >> 80) & ((1 << 48) - 1);
        let found =
            Self { made: top >> 20 & ((1 << 36) - 1), shard, index, second: lower(low >> 36) & ((1 << 36) - 1) };
        (found.words() == [top, middle, bottom]).then_some(found)
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = self.words();
        let (low, mid, high) = (divide(&mut words), divide(&mut words), divide(&mut words));
        write!(f, "{high}{mid:0DIGITS$}{low:0DIGITS$}")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn lower(wide: u128) -> u64 {
    wide as u64
}

fn upper(wide: u128) -> u64 {
    lower(wide >> 64)
}

/// Divides by ten to the nineteenth, and gives what is left over.
fn divide(words: &mut Words) -> u64 {
    let mut rest = 0;
    for word in words {
        let whole = u128::from(rest) << 64 | u128::from(*word);
        *word = lower(whole / u128::from(CHUNK));
        rest = lower(whole % u128::from(CHUNK));
    }
    rest
}

fn read(text: &str) -> Option<Words> {
    let mut words: Words = [0; 3];
    if text.is_empty() {
        return None;
    }
    for digit in text.bytes() {
        let mut carry = u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
        for word in words.iter_mut().rev() {
            let wide = u128::from(*word) * 10 + u128::from(carry);
            (*word, carry) = (lower(wide), upper(wide));
        }
        if carry > 0 {
            return None;
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_of_aws_is_taken_apart_and_put_together() {
        // From the CLI's reference of GetRecords.
        let text = "49544985256907370027570885864065577703022652638596431874";
        let found = Sequence::parse(text).unwrap();
        assert_eq!((found.shard, found.to_string().as_str()), (0, text));
        // From the API reference of PutRecords: shard 1, in 2014.
        let text = "49543463076548007577105092703039560359975228518395019266";
        let found = Sequence::parse(text);
        assert_eq!(found.map(|s| s.to_string()).as_deref(), Some(text));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in
            ["", "0", "17", "x", "-1", &"9".repeat(129), "49544985256907370027570885864065577703022652638596431875"]
        {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_rise_with_the_index_and_come_back(
            made in 0u64..1 << 36, shard in 0u32..1 << 31, index in 0u64..1 << 62, second in 0u64..1 << 36,
        ) {
            let one = Sequence { made, shard, index, second };
            prop_assert_eq!(Sequence::parse(&one.to_string()), Some(one));
            let later = Sequence { index: index + 1, ..one };
            prop_assert!(later.to_string() > one.to_string(), "56 digits sort as texts");
            prop_assert!(Sequence::last(made, shard, second).to_string() > later.to_string());
        }
    }
}
