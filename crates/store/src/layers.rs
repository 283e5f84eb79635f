//! Rows over rows: what was written last hides what lies under it.

use std::cmp::Ordering;
use std::iter::Peekable;

use bytes::Bytes;

use crate::{Order, Result};

/// A row of an upper layer: its key, and its value or `None` where it hides what is below.
pub(crate) type Upper<'a> = (&'a [u8], Option<&'a Bytes>);

/// A row at the bottom. It is copied only when it is seen.
pub(crate) trait Lower {
    /// Its key.
    fn key(&self) -> &[u8];
    /// Key and value.
    fn copied(self) -> (Bytes, Bytes);
}

impl Lower for (Bytes, Bytes) {
    fn key(&self) -> &[u8] {
        &self.0
    }

    fn copied(self) -> (Bytes, Bytes) {
        self
    }
}

fn compare(a: &[u8], b: &[u8], order: Order) -> Ordering {
    match order {
        Order::Ascending => a.cmp(b),
        Order::Descending => b.cmp(a),
    }
}

/// Two layers as one: the rows of `newer`, and those of `older` that it does not hide. Both come in `order`.
pub(crate) fn newest<'a>(
    newer: impl Iterator<Item = Upper<'a>>,
    older: impl Iterator<Item = Upper<'a>>,
    order: Order,
) -> impl Iterator<Item = Upper<'a>> {
    let (mut newer, mut older) = (newer.peekable(), older.peekable());
    std::iter::from_fn(move || match (newer.peek(), older.peek()) {
        (Some((a, _)), Some((b, _))) => match compare(a, b, order) {
            Ordering::Less => newer.next(),
            Ordering::Equal => {
                older.next();
                newer.next()
            }
            Ordering::Greater => older.next(),
        },
        (Some(_), None) => newer.next(),
        (None, _) => older.next(),
    })
}

/// Up to `limit` rows of an upper layer over the bottom. Both come in `order`.
pub(crate) fn merge<'a, L: Lower>(
    below: impl Iterator<Item = Result<L>>,
    over: impl Iterator<Item = Upper<'a>>,
    order: Order,
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>> {
    let (mut below, mut over) = (below, over.peekable());
    let mut lowest = below.next().transpose()?;
    let mut out = Vec::new();
    while out.len() < limit {
        let which = match (&lowest, over.peek()) {
            (Some(row), Some((key, _))) => compare(row.key(), key, order),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        if which.is_le() {
            let row = std::mem::replace(&mut lowest, below.next().transpose()?);
            if which.is_lt() {
                out.extend(row.map(Lower::copied));
                continue;
            }
        }
        out.extend(upper(&mut over));
    }
    Ok(out)
}

/// The next row of an upper layer, if it is one that is to be seen.
fn upper<'a>(over: &mut Peekable<impl Iterator<Item = Upper<'a>>>) -> Option<(Bytes, Bytes)> {
    let (key, value) = over.next()?;
    Some((Bytes::copy_from_slice(key), value?.clone()))
}
