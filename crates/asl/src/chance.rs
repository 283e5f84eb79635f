//! Numbers of chance from a seed: the same from the same one.

use sha2::{Digest, Sha256};

/// A stream of bytes.
pub(crate) struct Stream {
    seed: [u8; 32],
    block: u64,
}

impl Stream {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, block: 0 }
    }

    /// The stream of a number that a definition gives as its seed.
    pub(crate) fn seeded(seed: f64) -> Self {
        Self::new(Sha256::digest(seed.to_bits().to_be_bytes()).into())
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        self.block += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.block.to_be_bytes());
        hash.finalize().into()
    }

    pub(crate) fn integer(&mut self) -> u64 {
        let bytes = self.bytes();
        bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// From 0, and below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let fraction = (self.integer() >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }

    /// From 0, and below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.integer()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = self.bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex(&bytes[..16]);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that both languages' functions give, in hexadecimal digits, of the algorithms that both know.
pub(crate) fn digest(text: &str, algorithm: &str) -> Option<String> {
    Some(match algorithm {
        "MD5" => hex(&md5::Md5::digest(text)),
        "SHA-1" => hex(&sha1::Sha1::digest(text)),
        "SHA-256" => hex(&Sha256::digest(text)),
        "SHA-384" => hex(&sha2::Sha384::digest(text)),
        "SHA-512" => hex(&sha2::Sha512::digest(text)),
        _ => return None,
    })
}
