//! Which rows a SELECT reads: some partitions, as queries read them, or everything, as a scan does.
//!
//! A WHERE that names the partition in each of its alternatives is read partition by partition. Its alternatives are those of
//! an `OR` that is about keys, and the values of an `IN` on a key; what is not about keys stays a filter.

use super::bounds::{self, Range};
use super::problem::StatementProblem;
use crate::compact::ValueRef;
use crate::error::Result;
use crate::expression::condition::{Condition, Constant, Operand};
use crate::expression::key_condition::{KeyRange, SortCondition};
use crate::expression::syntax::Comparator;
use crate::key::KeyValue;
use crate::table::{Index, KeySchema, Table};
use crate::value::{AttributeValue, Type};
use std::cmp::Ordering;

/// Most reads that a SELECT is taken apart into.
const MAX_READS: usize = 50;

/// What is read of a partition.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) partition: KeyValue,
    pub(super) range: Range,
    /// What the rows must satisfy besides; all of these.
    pub(super) filters: Vec<Condition>,
    /// What it asks its sort key to be equal to, if it asks for nothing else.
    pub(super) sort: Option<KeyValue>,
    /// Whether its filters ask for something of the sort key that no range can say.
    odd: bool,
}

/// What a SELECT reads.
#[derive(Debug)]
pub(super) enum Reads {
    /// Partitions, in the order in which they are answered.
    Keyed { reads: Vec<Read>, descends: bool },
    /// Everything.
    Scan,
}

/// The key of what is read.
pub(super) struct Keys<'a> {
    table: &'a Table,
    schema: &'a KeySchema,
}

/// One alternative of a condition.
#[derive(Debug, Clone, Default)]
struct Branch {
    partitions: Vec<KeyValue>,
    sorts: Vec<SortCondition>,
    filters: Vec<Condition>,
    odd: bool,
}

impl Branch {
    fn and(mut self, other: Self) -> Self {
        self.partitions.extend(other.partitions);
        self.sorts.extend(other.sorts);
        self.filters.extend(other.filters);
        self.odd |= other.odd;
        self
    }

    /// Every one of some alternatives with every one of others. What is said once for all is not copied each time that
    /// something is added to it: conjunctions may be long.
    fn product(some: Vec<Self>, others: Vec<Self>) -> Vec<Self> {
        match <[Self; 1]>::try_from(others) {
            Ok([other]) => some.into_iter().map(|one| one.and(other.clone())).collect(),
            Err(others) => {
                let with_each = |one: Self| others.iter().map(move |other| one.clone().and(other.clone()));
                some.into_iter().flat_map(with_each).collect()
            }
        }
    }
}

/// What is compared with a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Partition,
    Sort,
}

impl<'a> Keys<'a> {
    /// The key of a table, or of one of its indexes.
    pub(super) fn of(table: &'a Table, index: Option<&'a Index>) -> Self {
        Self { table, schema: index.map_or(&table.key, |index| &index.key) }
    }

    fn part(&self, operand: &Operand) -> Option<Part> {
        match operand {
            Operand::Path(path) if path.is_nested() => None,
            Operand::Path(path) if path.root == self.schema.partition => Some(Part::Partition),
            Operand::Path(path) if Some(&path.root) == self.schema.sort.as_ref() => Some(Part::Sort),
            _ => None,
        }
    }

    fn name(&self, part: Part) -> &str {
        match part {
            Part::Partition => &self.schema.partition,
            Part::Sort => self.schema.sort.as_deref().unwrap_or_default(),
        }
    }

    fn mentioned(&self, condition: &Condition) -> bool {
        let mut found = false;
        condition.each_path(&mut |path| found |= self.schema.names().any(|name| name == path.root));
        found
    }

    fn sort_mentioned(&self, condition: &Condition) -> bool {
        let mut found = false;
        condition.each_path(&mut |path| found |= self.schema.sorts().any(|name| name == path.root));
        found
    }

    /// Whether each alternative says which partition it is about.
    pub(super) fn names_partition(&self, condition: &Condition) -> bool {
        let is_value = |operand: &Operand| matches!(operand, Operand::Value(_));
        let is_partition = |operand: &Operand| self.part(operand) == Some(Part::Partition);
        match condition {
            Condition::And(parts) => parts.iter().any(|part| self.names_partition(part)),
            Condition::Or(parts) => !parts.is_empty() && parts.iter().all(|part| self.names_partition(part)),
            Condition::Compare { comparator: Comparator::Equal, left, right } => {
                (is_partition(left) && is_value(right)) || (is_value(left) && is_partition(right))
            }
            Condition::In { value, candidates } => is_partition(value) && candidates.iter().all(is_value),
            _ => false,
        }
    }

    fn key_value(&self, part: Part, constant: &Constant) -> Result<KeyValue> {
        let name = self.name(part);
        let value = constant.value().and_then(ValueRef::to_value)?;
        if value.kind() != self.table.kind(name) {
            return Err(StatementProblem::KeyType(name.into()).into());
        }
        let empty = match &value {
            AttributeValue::S(text) if text.is_empty() => Some("string"),
            AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
            _ => None,
        };
        match (KeyValue::from_attribute(&value), empty) {
            (Some(value), None) => Ok(value),
            (_, Some(what)) => {
                Err(crate::expression::key_condition::KeyConditionError::EmptyKey { what, key: name.into() }.into())
            }
            (None, None) => Err(StatementProblem::KeyType(name.into()).into()),
        }
    }

    /// The alternatives of a condition, if they are not too many.
    fn branches(&self, condition: &Condition) -> Result<Vec<Branch>> {
        let branches = match condition {
            Condition::And(parts) => {
                let mut all = vec![Branch::default()];
                for part in parts {
                    let more = self.branches(part)?;
                    if all.len() * more.len() > MAX_READS {
                        return Err(StatementProblem::TooManyReads.into());
                    }
                    all = Branch::product(all, more);
                }
                all
            }
            Condition::Or(parts) if self.mentioned(condition) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.branches(part)?);
                    if all.len() > MAX_READS {
                        return Err(StatementProblem::TooManyReads.into());
                    }
                }
                all
            }
            leaf => match self.leaf(leaf)? {
                Some(branches) => branches,
                None => {
                    vec![Branch { filters: vec![leaf.clone()], odd: self.sort_mentioned(leaf), ..Branch::default() }]
                }
            },
        };
        if branches.len() > MAX_READS { Err(StatementProblem::TooManyReads.into()) } else { Ok(branches) }
    }

    /// What a comparison says of a key; `None` if it says nothing that can be looked up.
    fn leaf(&self, condition: &Condition) -> Result<Option<Vec<Branch>>> {
        let sort = |condition: SortCondition| vec![Branch { sorts: vec![condition], ..Branch::default() }];
        let equal = |part: Part, constant: &Constant| -> Result<Branch> {
            let value = self.key_value(part, constant)?;
            Ok(match part {
                Part::Partition => Branch { partitions: vec![value], ..Branch::default() },
                Part::Sort => {
                    Branch { sorts: vec![SortCondition::Compare(Comparator::Equal, value)], ..Branch::default() }
                }
            })
        };
        Ok(match condition {
            Condition::Compare { comparator, left, right } => {
                let (comparator, place, other) = match self.part(left) {
                    Some(_) => (*comparator, left, right),
                    None => (comparator.mirrored(), right, left),
                };
                match (self.part(place), other, comparator) {
                    (_, _, Comparator::NotEqual) | (None, ..) => None,
                    (Some(part), Operand::Value(constant), Comparator::Equal) => Some(vec![equal(part, constant)?]),
                    (Some(Part::Sort), Operand::Value(constant), comparator) => {
                        Some(sort(SortCondition::Compare(comparator, self.key_value(Part::Sort, constant)?)))
                    }
                    _ => None,
                }
            }
            Condition::Between { value, low: Operand::Value(low), high: Operand::Value(high) }
                if self.part(value) == Some(Part::Sort) =>
            {
                let (low, high) = (self.key_value(Part::Sort, low)?, self.key_value(Part::Sort, high)?);
                Some(sort(SortCondition::Between(low, high)))
            }
            Condition::BeginsWith(value, Operand::Value(prefix))
                if self.part(value) == Some(Part::Sort) && self.table.kind(self.name(Part::Sort)) != Type::N =>
            {
                Some(sort(SortCondition::BeginsWith(self.key_value(Part::Sort, prefix)?)))
            }
            Condition::In { value, candidates } => {
                let Some(part) = self.part(value) else { return Ok(None) };
                let mut all = Vec::with_capacity(candidates.len());
                for candidate in candidates {
                    let Operand::Value(constant) = candidate else { return Ok(None) };
                    all.push(equal(part, constant)?);
                }
                Some(all)
            }
            _ => None,
        })
    }

    /// What a SELECT with this condition reads, its alternatives not yet in order.
    ///
    /// # Errors
    /// When there are too many alternatives, or two that meet, or one compares a key with a value of another type.
    pub(super) fn reads(&self, condition: &Condition) -> Result<Option<Vec<Read>>> {
        if !self.names_partition(condition) {
            return Ok(None);
        }
        let mut reads = Vec::new();
        for branch in self.branches(condition)? {
            let Some((partition, others)) = branch.partitions.split_first() else { return Ok(None) };
            // No item is in two partitions; AWS does not notice, and looks through everything.
            if others.iter().any(|other| other != partition) {
                return Ok(None);
            }
            reads.push(read(partition, branch.clone()));
        }
        merge(reads, condition).map(Some)
    }

    /// Puts reads in the order that a SELECT asks for, and says whether each of them goes backwards.
    ///
    /// # Errors
    /// When they cannot be read in this order.
    pub(super) fn ordered(
        &self,
        reads: Option<Vec<Read>>,
        order: &[(String, bool)],
        conditional: bool,
    ) -> std::result::Result<Reads, StatementProblem> {
        let descends_by = |name: &str| order.iter().find(|(by, _)| by == name).map(|(_, descends)| *descends);
        if !order.is_empty() {
            if !conditional {
                return Err(StatementProblem::OrderWithoutWhere);
            }
            if let Some((name, _)) = order.iter().find(|(name, _)| !self.schema.names().any(|key| key == name)) {
                return Err(StatementProblem::OrderByOther(name.as_str().into()));
            }
        }
        let by_partition = descends_by(&self.schema.partition);
        let Some(mut reads) = reads else {
            return if order.is_empty() { Ok(Reads::Scan) } else { Err(StatementProblem::OrderWithoutKey) };
        };
        let partitions = |reads: &[Read]| reads.windows(2).any(|two| two[0].partition != two[1].partition);
        if !order.is_empty() && by_partition.is_none() && partitions(&reads) {
            return Err(StatementProblem::OrderWithoutHash);
        }
        // An order by the partition alone reads the sort keys backwards.
        let descends = match self.schema.sort.as_deref().and_then(descends_by) {
            Some(descends) => descends,
            None => !order.is_empty(),
        };
        reads.sort_by(|first, second| {
            let partition = first.partition.compare(&second.partition).unwrap_or(Ordering::Equal);
            let start = bounds::begin_order(&first.range, &second.range);
            let turned = |order: Ordering, turn: bool| if turn { order.reverse() } else { order };
            turned(partition, by_partition == Some(true)).then(turned(start, descends))
        });
        Ok(Reads::Keyed { reads, descends })
    }
}

fn read(partition: &KeyValue, branch: Branch) -> Read {
    let whole = KeyRange { partition: vec![partition.clone()], equal: Vec::new(), sort: None };
    let of = |sort: &SortCondition| KeyRange { sort: Some(sort.clone()), ..whole.clone() }.bounds();
    let range = branch.sorts.iter().fold(whole.bounds(), |range, sort| bounds::both(&range, &of(sort)));
    let values: Vec<Option<&KeyValue>> = branch
        .sorts
        .iter()
        .map(|sort| match sort {
            SortCondition::Compare(Comparator::Equal, value) => Some(value),
            _ => None,
        })
        .collect();
    let sort = match values.split_first() {
        Some((Some(first), others)) if others.iter().all(|other| *other == Some(*first)) => Some((*first).clone()),
        _ => None,
    };
    Read { partition: partition.clone(), range, filters: branch.filters, sort, odd: branch.odd }
}

/// Refuses reads that meet, unless one of them is by more than a range: then each partition is read once, as a whole.
fn merge(reads: Vec<Read>, condition: &Condition) -> Result<Vec<Read>> {
    let mut odd = false;
    for (place, first) in reads.iter().enumerate() {
        for second in reads.iter().skip(place + 1) {
            if first.partition != second.partition || !bounds::overlap(&first.range, &second.range) {
                continue;
            }
            if !first.odd && !second.odd {
                return Err(StatementProblem::Overlap.into());
            }
            odd = true;
        }
    }
    if !odd {
        return Ok(reads);
    }
    let mut partitions: Vec<Read> = Vec::new();
    for found in reads {
        if !partitions.iter().any(|known| known.partition == found.partition) {
            let branch = Branch { filters: vec![condition.clone()], odd: true, ..Branch::default() };
            partitions.push(read(&found.partition, branch));
        }
    }
    Ok(partitions)
}
