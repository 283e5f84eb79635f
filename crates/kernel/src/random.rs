//! The one source of chance: the system's by default, seeded in simulation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

/// Ids, secrets and dice.
pub struct Random(Mutex<StdRng>);

impl Default for Random {
    fn default() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }
}

impl Random {
    /// The same chances every time.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.rng().fill_bytes(&mut out);
        out
    }

    /// A random UUID (version 4).
    pub fn uuid(&self) -> String {
        let mut b: [u8; 16] = self.bytes();
        b[6] = b[6] & 0x0f | 0x40;
        b[8] = b[8] & 0x3f | 0x80;
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = String::with_capacity(36);
        for (n, byte) in b.iter().enumerate() {
            if matches!(n, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        out
    }

    /// So many characters out of `alphabet`, which is ASCII.
    pub fn text(&self, length: usize, alphabet: &str) -> String {
        let alphabet = alphabet.as_bytes();
        let mut rng = self.rng();
        // Request ids are made for every call: 16 letters out of 32 take one draw.
        let mut bits = [0; 16];
        if alphabet.len() == 32 && length <= bits.len() {
            rng.fill_bytes(&mut bits);
            return bits.iter().take(length).map(|b| char::from(alphabet[usize::from(b & 31)])).collect();
        }
        (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
    }

    /// Capital letters and the digits 2 to 7: what AWS makes ids of.
    pub fn id(&self, prefix: &str, length: usize) -> String {
        format!("{prefix}{}", self.text(length, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self, length: usize) -> String {
        self.text(length, "0123456789abcdef")
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.rng().random_range(0..bound.max(1))
    }

    /// A number from 0 up to 1.
    pub fn fraction(&self) -> f64 {
        self.rng().random()
    }
}
