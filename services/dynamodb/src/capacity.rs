//! Capacity units: what reads and writes cost by AWS's count.

use crate::rows::IndexWrite;

/// Bytes that one unit of reading covers.
const READ_UNIT: usize = 4096;
/// Bytes that one unit of writing covers.
const WRITE_UNIT: usize = 1024;

/// How a read is made, which decides what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// May be a moment behind: half a unit.
    Eventual,
    /// Sees every write before it: one unit.
    Consistent,
    /// Sees all its items at one moment: two units.
    Transactional,
}

/// Units of reading so many bytes at once; reading nothing costs as much as reading a little.
pub fn read_units(bytes: usize, reading: Reading) -> f64 {
    let units = whole(bytes, READ_UNIT);
    match reading {
        Reading::Eventual => units / 2.0,
        Reading::Consistent => units,
        Reading::Transactional => units * 2.0,
    }
}

/// Units of replacing an item of one size by one of another; `None` stands for no item.
pub fn write_units(old: Option<usize>, new: Option<usize>) -> f64 {
    whole(old.unwrap_or(0).max(new.unwrap_or(0)), WRITE_UNIT)
}

/// Units of a change in an index: one write where the row keeps its place, else one for taking it away and one for
/// putting it there.
pub fn index_units(write: &IndexWrite) -> f64 {
    if write.in_place {
        return write_units(write.old, write.new);
    }
    let side = |size: Option<usize>| size.map_or(0.0, |size| whole(size, WRITE_UNIT));
    side(write.old) + side(write.new)
}

fn whole(bytes: usize, unit: usize) -> f64 {
    let units = bytes.div_ceil(unit).max(1);
    // No request touches more than some megabytes, so it fits.
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading() {
        for (bytes, reading, units) in [
            (0, Reading::Eventual, 0.5),
            (0, Reading::Consistent, 1.0),
            (4096, Reading::Consistent, 1.0),
            (4097, Reading::Consistent, 2.0),
            (4097, Reading::Eventual, 1.0),
            (409_600, Reading::Eventual, 50.0),
            (100, Reading::Transactional, 2.0),
        ] {
            assert!((read_units(bytes, reading) - units).abs() < f64::EPSILON, "{bytes} {reading:?}");
        }
    }

    #[test]
    fn writing() {
        for (old, new, units) in [
            (None, None, 1.0),
            (None, Some(1), 1.0),
            (Some(1025), Some(1), 2.0),
            (Some(1), Some(3073), 4.0),
            (Some(2048), None, 2.0),
        ] {
            assert!((write_units(old, new) - units).abs() < f64::EPSILON, "{old:?} {new:?}");
        }
        let change = |old, new, in_place| index_units(&IndexWrite { number: 1, old, new, in_place, slot: 0 });
        assert!((change(Some(10), Some(10), true) - 1.0).abs() < f64::EPSILON);
        assert!((change(Some(10), Some(1500), false) - 3.0).abs() < f64::EPSILON);
        assert!((change(Some(10), None, false) - 1.0).abs() < f64::EPSILON);
    }
}
