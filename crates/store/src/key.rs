//! Keys: an order-preserving encoding of tuples, in the manner of FoundationDB's tuple layer.
//!
//! Texts and bytes end with `00 01` and have each `00` inside escaped as `00 FF`; integers are eight bytes, big end first,
//! the sign bit turned. So `a < b` exactly when `encode(a) < encode(b)`, and a tuple's encoding is a prefix of the encodings of
//! the tuples that begin with it.

/// One part of a key.
pub trait Part {
    /// Appends its encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A part that can be read back.
pub trait PartDecode: Sized {
    /// Takes it off the front.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// A whole key, or the beginning of one.
pub trait Key {
    /// Appends its encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A key that can be read back.
pub trait KeyDecode: Sized {
    /// Takes it off the front.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for b in bytes {
        out.push(*b);
        if *b == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

fn unescape(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (0, Some(0xff)) => {
                out.push(0);
                at += 2;
            }
            (0, Some(1)) => {
                *bytes = &bytes[at + 2..];
                return Some(out);
            }
            (0, _) => return None,
            (b, _) => {
                out.push(*b);
                at += 1;
            }
        }
    }
}

impl Part for str {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self.as_bytes(), out);
    }
}

impl Part for String {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self.as_bytes(), out);
    }
}

impl PartDecode for String {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        unescape(bytes).and_then(|b| String::from_utf8(b).ok())
    }
}

impl Part for [u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self, out);
    }
}

impl Part for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        escape(self, out);
    }
}

impl PartDecode for Vec<u8> {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        unescape(bytes)
    }
}

impl Part for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl PartDecode for u64 {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(Self::from_be_bytes(*head))
    }
}

impl Part for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.cast_unsigned() ^ (1 << 63)).encode(out);
    }
}

impl PartDecode for i64 {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        u64::decode(bytes).map(|v| (v ^ (1 << 63)).cast_signed())
    }
}

/// A text that is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed;

impl PartDecode for Passed {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        // The first zero byte that is not escaped ends it.
        let mut at = 0;
        loop {
            at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 2;
            if bytes.get(at - 1)? != &0xff {
                *bytes = bytes.get(at..)?;
                return Some(Self);
            }
        }
    }
}

impl<T: Part + ?Sized> Part for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

/// Parts that stand together in many keys, such as account, region and a number.
impl<A: Part, B: Part, C: Part> Part for (A, B, C) {
    fn encode(&self, out: &mut Vec<u8>) {
        Key::encode(self, out);
    }
}

impl<A: PartDecode, B: PartDecode, C: PartDecode> PartDecode for (A, B, C) {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        KeyDecode::decode(bytes)
    }
}

impl Key for () {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Part),+> Key for ($($name,)+) {
            #[expect(non_snake_case, reason = "the parts are named by their types")]
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.encode(out);)+
            }
        }

        impl<$($name: PartDecode),+> KeyDecode for ($($name,)+) {
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($name::decode(bytes)?,)+))
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);

/// The first key behind all those that begin with `prefix`. `None`: there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
