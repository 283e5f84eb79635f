//! Where an item stands among the others of its table or index.
//!
//! ```text
//! hash of the partition value (4 bytes), partition value, sort value
//! ```
//!
//! DynamoDB spreads partitions by a hash, and a scan meets them in its order. Ours does the same, which makes each segment
//! of a parallel scan one contiguous range, and keeps a scan from looking sorted when at AWS it would not be. Within a
//! partition the bytes sort as DynamoDB sorts values: texts by UTF-8 bytes, byte strings by bytes, numbers by value. Each
//! part ends itself, so all items of a partition, and only they, begin with the partition's bytes.

use crate::number::Number;
use crate::value::AttributeValue;

/// Most bytes of a partition key.
pub const MAX_PARTITION_KEY: usize = 2048;
/// Most bytes of a sort key.
pub const MAX_SORT_KEY: usize = 1024;

/// A value that can be part of a key: text, number or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue {
    /// Text.
    S(String),
    /// Number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
}

impl KeyValue {
    /// The key value in an attribute; `None` for a type that cannot be a key.
    pub fn from_attribute(value: &AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self::S(text.clone())),
            AttributeValue::N(number) => Some(Self::N(*number)),
            AttributeValue::B(bytes) => Some(Self::B(bytes.clone())),
            _ => None,
        }
    }

    /// Appends the ordered form, which ends itself.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::S(text) => {
                escape(text.as_bytes(), out);
                out.extend_from_slice(&END);
            }
            Self::B(bytes) => {
                escape(bytes, out);
                out.extend_from_slice(&END);
            }
            Self::N(number) => number.encode_ordered(out),
        }
    }

    /// Appends what every text or byte string that begins with this one begins with. For `begins_with`; a number, which
    /// cannot be asked for so, is appended whole.
    pub fn encode_prefix(&self, out: &mut Vec<u8>) {
        match self {
            Self::S(text) => escape(text.as_bytes(), out),
            Self::B(bytes) => escape(bytes, out),
            Self::N(number) => number.encode_ordered(out),
        }
    }

    /// The order of two values of one type; `None` if they are of different types.
    pub fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::S(a), Self::S(b)) => Some(a.cmp(b)),
            (Self::N(a), Self::N(b)) => Some(a.cmp(b)),
            (Self::B(a), Self::B(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Bytes it counts for against the limits of keys.
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
        }
    }
}

/// After a nought comes 0xFF where the nought belongs to the value and 0x01 where the value ends, so a value sorts before
/// all that begin with it.
const END: [u8; 2] = [0, 1];

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    let mut parts = bytes.split(|byte| *byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0, 0xFF]);
        out.extend_from_slice(part);
    }
}

/// Appends the bytes with which every item of a partition begins, which one value names, or several together.
pub fn encode_partition(partition: &[KeyValue], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HASH_SIZE]);
    partition.iter().for_each(|value| value.encode(out));
    let hash = spread(&out[start + HASH_SIZE..]);
    out[start..start + HASH_SIZE].copy_from_slice(&hash.to_be_bytes());
}

/// The place of an item in its table.
pub fn encode_key(partition: &KeyValue, sort: Option<&KeyValue>) -> Vec<u8> {
    encode_keys(std::slice::from_ref(partition), sort.map_or(&[], std::slice::from_ref))
}

/// The place of an item in an index whose key may have several attributes of either kind.
pub fn encode_keys(partition: &[KeyValue], sort: &[KeyValue]) -> Vec<u8> {
    let size: usize = partition.iter().chain(sort).map(|value| value.size() + 4).sum();
    let mut out = Vec::with_capacity(HASH_SIZE + size);
    encode_partition(partition, &mut out);
    sort.iter().for_each(|value| value.encode(&mut out));
    out
}

const HASH_SIZE: usize = 4;

/// FNV-1a and a finalizer that lets every bit of the value move every bit of the hash. It is written into every key on
/// disk: changing it is a migration.
fn spread(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
    hash ^ hash >> 16
}

/// The hash of a place, by which partitions are spread. A read that has no place begins at the first.
pub fn slot(place: &[u8]) -> u32 {
    place.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

/// The keys that segment `segment` of `total` of a parallel scan covers: from the first bytes to the second, which are
/// not in it. `None` as the end means all that follow. Segments are disjoint and together cover every key.
pub fn segment_range(segment: u32, total: u32) -> ([u8; HASH_SIZE], Option<[u8; HASH_SIZE]>) {
    let bound = |index: u32| (u64::from(index) << 32) / u64::from(total.max(1));
    let bytes = |bound: u64| u32::try_from(bound).ok().map(u32::to_be_bytes);
    (bytes(bound(segment)).unwrap_or([0xFF; HASH_SIZE]), bytes(bound(segment.saturating_add(1))))
}

/// The smallest bytes greater than everything that begins with `prefix`; `None` when there are none.
pub fn after_prefix(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF), any::<u8>()], 0..6)
    }

    fn encoded(value: &KeyValue) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    }

    fn partition(value: &KeyValue) -> Vec<u8> {
        let mut out = Vec::new();
        encode_partition(std::slice::from_ref(value), &mut out);
        out
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(
            partition(&KeyValue::S("pk".into())),
            [&spread(b"pk\0\x01").to_be_bytes()[..], b"pk\0\x01"].concat()
        );
        assert_eq!(spread(b"pk\0\x01"), 3_029_259_915);
    }

    #[test]
    fn segments_cover_everything_once() {
        for total in [1, 2, 3, 7, 1_000_000] {
            assert_eq!(segment_range(0, total).0, [0; 4]);
            assert_eq!(segment_range(total - 1, total).1, None);
            for segment in (1..total).step_by(usize::try_from(total / 50 + 1).unwrap()) {
                assert_eq!(segment_range(segment - 1, total).1, Some(segment_range(segment, total).0));
            }
        }
    }

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(after_prefix(vec![1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(vec![1, 0xFF]), Some(vec![2]));
        assert_eq!(after_prefix(vec![0xFF]), None);
        assert_eq!(after_prefix(vec![]), None);
    }

    proptest! {
        #[test]
        fn order_of_keys_is_order_of_values(a in bytes(), b in bytes()) {
            let (x, y) = (encoded(&KeyValue::B(a.clone())), encoded(&KeyValue::B(b.clone())));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert!(a == b || !x.starts_with(&y));
        }

        #[test]
        fn prefixes_find_what_begins_with_them(a in bytes(), b in bytes()) {
            let mut prefix = Vec::new();
            KeyValue::B(a.clone()).encode_prefix(&mut prefix);
            let key = encoded(&KeyValue::B(b.clone()));
            // Where `b` ends in the middle of what `a` asks for, the end mark must not pass for a member of it.
            prop_assert_eq!(key.starts_with(&prefix), b.starts_with(&a));
        }

        #[test]
        fn a_partition_is_a_range(a in bytes(), b in bytes(), sort in bytes()) {
            let (a, b) = (KeyValue::B(a), KeyValue::B(b));
            let key = encode_key(&a, Some(&KeyValue::B(sort)));
            prop_assert!(key.starts_with(&partition(&a)));
            prop_assert_eq!(key.starts_with(&partition(&b)), a == b);
        }

        #[test]
        fn each_partition_is_in_exactly_one_segment(a in bytes(), total in 1_u32..20) {
            let key = partition(&KeyValue::B(a));
            let within = |segment| {
                let (from, to) = segment_range(segment, total);
                key.as_slice() >= from.as_slice() && to.is_none_or(|to| key.as_slice() < to.as_slice())
            };
            prop_assert_eq!((0..total).filter(|segment| within(*segment)).count(), 1);
        }
    }
}
