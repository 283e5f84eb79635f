//! A program that shows the codes of a virtual MFA device, as people have it on their telephones (RFC 6238).

use aws_lc_rs::hmac;
use undercast_wire::text;

use crate::Cloud;

/// A code is shown for so long (s).
const STEP_SECONDS: i64 = 30;

/// What knows the seed of a device.
#[derive(Debug)]
pub struct Authenticator {
    key: hmac::Key,
}

impl Authenticator {
    /// From the seed as `CreateVirtualMFADevice` answers it in JSON: base64 of base32.
    pub fn new(seed: &str) -> Self {
        let seed = text::unbase64(seed).expect("base64");
        let bits: String = seed
            .iter()
            .map(|letter| {
                let value = match letter {
                    b'A'..=b'Z' => letter - b'A',
                    b'2'..=b'7' => letter - b'2' + 26,
                    other => panic!("{other} is not base32"),
                };
                format!("{value:05b}")
            })
            .collect();
        let bytes: Vec<u8> = bits
            .as_bytes()
            .chunks_exact(8)
            .map(|eight| eight.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0')))
            .collect();
        Self { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes) }
    }

    /// What it shows so many steps of 30 seconds from now, by the clock of a cloud.
    pub fn code(&self, cloud: &Cloud, steps: i64) -> String {
        let step = cloud.kernel.clock().now().as_second().div_euclid(STEP_SECONDS) + steps;
        let hash = hmac::sign(&self.key, &step.to_be_bytes());
        let hash = hash.as_ref();
        let at = usize::from(hash[19] & 0x0f);
        let number = u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]]);
        format!("{:06}", number % 1_000_000)
    }
}
