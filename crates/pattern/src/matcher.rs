//! What one value of a field must be.

use std::net::IpAddr;

use serde_json::Value as Json;

use crate::number::{Amount, Range};
use crate::wildcard::Wildcard;

/// One of the things that a field's value may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Matcher {
    /// This text, `true`, `false` or `null`.
    Exactly(Json),
    Number(Amount),
    Numeric(Range),
    Prefix(String),
    Suffix(String),
    /// In small letters.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    Wildcard(Wildcard),
    Cidr(Network),
    /// Anything but all of these.
    AnythingBut(Vec<Matcher>),
    /// Whatever it is, it is there.
    Exists,
}

impl Matcher {
    pub(crate) fn matches(&self, value: &Json) -> bool {
        let text = || value.as_str().unwrap_or_default();
        let is_text = value.is_string();
        match self {
            Self::Exactly(wanted) => value == wanted,
            Self::Number(wanted) => Amount::of(value) == Some(*wanted),
            Self::Numeric(range) => Amount::of(value).is_some_and(|amount| range.has(amount)),
            Self::Prefix(wanted) => is_text && text().starts_with(wanted.as_str()),
            Self::Suffix(wanted) => is_text && text().ends_with(wanted.as_str()),
            Self::PrefixIgnoringCase(wanted) => is_text && text().to_lowercase().starts_with(wanted.as_str()),
            Self::SuffixIgnoringCase(wanted) => is_text && text().to_lowercase().ends_with(wanted.as_str()),
            Self::EqualsIgnoringCase(wanted) => is_text && text().to_lowercase() == *wanted,
            Self::Wildcard(wanted) => is_text && wanted.matches(text()),
            Self::Cidr(network) => is_text && text().parse().is_ok_and(|address| network.has(address)),
            Self::AnythingBut(these) => !these.iter().any(|matcher| matcher.matches(value)),
            Self::Exists => true,
        }
    }
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `None`: the address does not have so many bits.
    pub(crate) fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    fn has(self, address: IpAddr) -> bool {
        // As if an IPv4 address ended at the same bit.
        let (ours, its, unused) = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(its)) => {
                (u128::from(ours.to_bits()), u128::from(its.to_bits()), 32 - self.bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(its)) => (ours.to_bits(), its.to_bits(), 128 - self.bits),
            _ => return false,
        };
        (ours ^ its).checked_shr(unused).unwrap_or(0) == 0
    }
}
