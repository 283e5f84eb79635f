//! Vector indexes: what they are, what of an item they have, and the search for what is most like a vector.
//!
//! An index has a row for each of its items, under the item's place behind that of its partition, where the index has
//! partitions: the vector, packed. A search looks at every row of the partition, so that what it finds is what is nearest;
//! AWS's finds most of that. As AWS's, an index is read from elsewhere than the table: projected attributes come from the
//! item as it is.
//!
//! Source: "Using vector indexes in DynamoDB" in the developer guide; the words of refusals from its page on troubleshooting and
//! from AWS's `agent-toolkit-for-aws`, which quotes them.

mod define;
mod rows;
mod search;

pub(crate) use define::{Changes, create, description, only_on_demand};
pub(crate) use rows::{check, fill, write};

use crate::compact::{Corrupt, MapRef, ValueRef};
use crate::key::{KeyValue, encode_keys};
use crate::table::{IndexProjection, Table};
use minicbor::{Decode, Encode};

/// Most dimensions of a vector.
const MOST_DIMENSIONS: i64 = 4096;
/// Most vector indexes of a table.
const MOST_INDEXES: usize = 5;
/// Most attributes by which an index can be filtered.
const MOST_FILTERS: usize = 18;

/// A vector index.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct VectorIndex {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its number among the indexes of the table, of all kinds.
    #[n(1)]
    pub number: u16,
    /// The attribute with the vectors.
    #[n(2)]
    pub attribute: String,
    /// Numbers of each vector.
    #[n(3)]
    pub dimensions: usize,
    /// How alike two vectors are.
    #[n(4)]
    pub distance: Distance,
    /// The attribute that says which partition of the index, if it has any.
    #[n(5)]
    pub partition: Option<String>,
    /// The attributes by which a search can be narrowed.
    #[n(6)]
    pub filters: Vec<String>,
    /// Which attributes it has besides.
    #[n(7)]
    pub projection: IndexProjection,
}

/// How alike two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Distance {
    /// One less the cosine of the angle between them: 0 to 2, least first.
    #[n(0)]
    Cosine,
    /// Least first.
    #[n(1)]
    Euclidean,
    /// Their product, greatest first.
    #[n(2)]
    DotProduct,
}

impl Distance {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Cosine, Self::Euclidean, Self::DotProduct].into_iter().find(|distance| distance.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cosine => "COSINE",
            Self::Euclidean => "EUCLIDEAN",
            Self::DotProduct => "DOT_PRODUCT",
        }
    }

    /// The score of two vectors of one length.
    pub(crate) fn score(self, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let product = || pairs().map(|(a, b)| a * b).sum::<f64>();
        match self {
            Self::DotProduct => product(),
            Self::Euclidean => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
            Self::Cosine => {
                let length = |v: &[f32]| v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
                let lengths = length(a) * length(b);
                // What has no direction is at right angles to everything.
                if lengths == 0.0 { 1.0 } else { (1.0 - product() / lengths).clamp(0.0, 2.0) }
            }
        }
    }

    /// The order of two scores, the more alike first.
    pub(crate) fn order(self, a: f64, b: f64) -> std::cmp::Ordering {
        match self {
            Self::DotProduct => b.total_cmp(&a),
            Self::Cosine | Self::Euclidean => a.total_cmp(&b),
        }
    }
}

impl VectorIndex {
    /// The attributes of its search schema.
    pub fn schema(&self) -> impl Iterator<Item = &str> {
        self.partition.iter().chain(&self.filters).map(String::as_str)
    }

    /// Whether it has this attribute of an item. The vectors themselves are given to those who ask for them.
    pub(crate) fn projects(&self, table: &Table, name: &str) -> bool {
        match &self.projection {
            IndexProjection::All => true,
            _ if name == self.attribute || table.key.names().chain(self.schema()).any(|own| own == name) => true,
            IndexProjection::KeysOnly => false,
            IndexProjection::Include(names) => names.iter().any(|own| own == name),
        }
    }

    /// What the places of a partition begin with; of an index without partitions, nothing.
    fn prefix(&self, value: Option<KeyValue>) -> Vec<u8> {
        value.map_or_else(Vec::new, |value| encode_keys(&[value], &[]))
    }

    /// What the index has of an item: the beginning of its place, and the vector. `None`: it does not have it.
    fn entry(&self, table: &Table, item: MapRef<'_>) -> Result<Option<(Vec<u8>, Vec<f32>)>, Corrupt> {
        let Some(vector) = vector(item, &self.attribute)? else { return Ok(None) };
        if vector.len() != self.dimensions {
            return Ok(None);
        }
        let Some(name) = &self.partition else { return Ok(Some((Vec::new(), vector))) };
        let value = item.get(name)?.filter(|value| value.kind() == table.kind(name));
        let value = match value {
            Some(ValueRef::S("") | ValueRef::B([])) | None => return Ok(None),
            Some(value) => KeyValue::from_attribute(&value.to_value()?),
        };
        Ok(value.map(|value| (self.prefix(Some(value)), vector)))
    }
}

/// A number of a vector.
fn number(value: ValueRef<'_>) -> Option<f32> {
    match value {
        ValueRef::N(text) => text.parse::<f32>().ok().filter(|number| number.is_finite()),
        _ => None,
    }
}

/// The vector in an attribute. `None`: there is none.
fn vector(item: MapRef<'_>, attribute: &str) -> Result<Option<Vec<f32>>, Corrupt> {
    let Some(ValueRef::L(list)) = item.get(attribute)? else { return Ok(None) };
    let numbers = list.iter().map(|value| value.map(number));
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::Distance::{Cosine, DotProduct, Euclidean};

    #[test]
    fn scores() {
        let (a, b, c) = ([1.0, 0.0, 0.0, 0.0], [10.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
        assert_eq!((Cosine.score(&a, &b), Euclidean.score(&a, &b), DotProduct.score(&a, &b)), (0.0, 9.0, 10.0));
        assert_eq!((Cosine.score(&a, &c), DotProduct.score(&a, &c)), (1.0, 0.0));
        assert_eq!(Cosine.score(&a, &[-1.0, 0.0, 0.0, 0.0]), 2.0);
        assert_eq!(Cosine.score(&a, &[0.0; 4]), 1.0);
        assert!(DotProduct.order(2.0, 1.0).is_lt() && Euclidean.order(2.0, 1.0).is_gt());
    }
}
