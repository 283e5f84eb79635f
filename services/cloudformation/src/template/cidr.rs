//! `Fn::Cidr`: an address block cut into smaller ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{FunctionFault, TemplateError};

/// The first `count` blocks of `bits` subnet bits in `block`: 8 bits of an IPv4 block are a /24.
pub(super) fn blocks(block: &str, count: u32, bits: u32) -> Result<Vec<String>, TemplateError> {
    let (address, length) = block.trim().split_once('/').ok_or(FunctionFault::Cidr)?;
    let address: IpAddr = address.parse().map_err(|_| FunctionFault::Cidr)?;
    let length: u32 = length.parse().map_err(|_| FunctionFault::Cidr)?;
    let (width, start) = match address {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    if length > width || bits > width || !(1..=256).contains(&count) {
        return Err(FunctionFault::Cidr.into());
    }
    let new_length = width - bits;
    // How many bits number the new blocks within the old one.
    let room = new_length.checked_sub(length);
    if room.is_none_or(|room| room < 9 && count > 1 << room) {
        return Err(FunctionFault::CidrTooMany { count, bits, block: block.to_owned() }.into());
    }
    let mask = |length: u32| if length == 0 { 0 } else { u128::MAX << (width - length) };
    let network = start & mask(length);
    let step = |index: u32| u128::from(index).checked_shl(bits).unwrap_or(0);
    Ok((0..count)
        .map(|index| {
            let base = network.wrapping_add(step(index));
            match address {
                IpAddr::V4(_) => format!("{}/{new_length}", Ipv4Addr::from_bits(base as u32)),
                IpAddr::V6(_) => format!("{}/{new_length}", Ipv6Addr::from_bits(base)),
            }
        })
        .collect())
}
