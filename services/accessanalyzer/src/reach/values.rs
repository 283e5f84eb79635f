//! Values of condition keys that stand for all others.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use undercast_kernel::policy::{ConditionEntry, Version, address_range, date};

use super::Undecided;
use super::automaton::{Fold, Glob, witnesses};
use super::space::holds;

/// What a request has of a key: nothing, or so many values.
pub(crate) type Found = Option<Vec<String>>;

/// Of so many values that are told apart each set is looked at.
const MOST_TOGETHER: usize = 8;
/// Keys that hold many values whatever operator compares them.
///
/// Source: "AWS global condition context keys" in the IAM user guide.
const MANY: &[&str] = &[
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:tagkeys",
];

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Text,
    Number,
    Date,
    Address,
    Binary,
    Null,
}

/// An operator without what stands before and behind it.
pub(crate) fn base(operator: &str) -> &str {
    let name = operator.strip_prefix("ForAllValues:").or(operator.strip_prefix("ForAnyValue:")).unwrap_or(operator);
    name.strip_suffix("IfExists").unwrap_or(name)
}

fn family(operator: &str) -> Family {
    let base = base(operator);
    match base {
        "Null" => Family::Null,
        "BinaryEquals" => Family::Binary,
        "IpAddress" | "NotIpAddress" => Family::Address,
        _ if base.starts_with("Numeric") => Family::Number,
        _ if base.starts_with("Date") => Family::Date,
        _ => Family::Text,
    }
}

/// An entry of a condition, and the version of the policy that it stands in.
pub(crate) type Entry<'a> = (&'a ConditionEntry, Option<Version>);

/// The patterns of texts by which an entry compares.
pub(crate) fn globs((entry, version): Entry<'_>) -> Result<Vec<Glob>, Undecided> {
    let variables = version == Some(Version::V2012);
    let base = base(&entry.operator);
    let mut all = Vec::new();
    for value in &entry.values {
        match base {
            "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => all.extend(Glob::arn(value, variables, false)),
            "Bool" => all.push(Glob::new(value, false, variables, Fold::Ascii)),
            "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => {
                if !value.is_ascii() {
                    return Err(Undecided::new("it compares other than Latin letters without regard to their case"));
                }
                all.push(Glob::new(value, false, variables, Fold::Letters));
            }
            "StringLike" | "StringNotLike" => all.push(Glob::new(value, true, variables, Fold::Exact)),
            _ => all.push(Glob::new(value, false, variables, Fold::Exact)),
        }
    }
    Ok(all)
}

/// What requests can have of a key, as far as these entries tell it apart.
pub(crate) fn of_key(key: &str, entries: &[Entry<'_>]) -> Result<Vec<Found>, Undecided> {
    let families: BTreeSet<Family> =
        entries.iter().map(|(entry, _)| family(&entry.operator)).filter(|family| *family != Family::Null).collect();
    let single = match families.iter().copied().collect::<Vec<_>>()[..] {
        [] => vec!["x".to_owned()],
        [Family::Text] => {
            let globs = entries.iter().map(|entry| globs(*entry)).collect::<Result<Vec<_>, _>>()?.concat();
            witnesses(&globs, &Glob::new("*", true, false, Fold::Exact))?
        }
        [Family::Number] => numbers(entries)?,
        [Family::Date] => dates(entries),
        [Family::Address] => addresses(entries),
        [Family::Binary] => binary(entries),
        _ => return Err(Undecided::new(format!("it compares the key {key} in several ways"))),
    };
    let single = distinct(key, entries, single);
    let together = MANY.contains(&key) || entries.iter().any(|(entry, _)| entry.operator.contains(':'));
    if !together {
        return Ok(std::iter::once(None).chain(single.into_iter().map(|value| Some(vec![value]))).collect());
    }
    if single.len() > MOST_TOGETHER {
        return Err(Undecided::new(format!("it tells too many values of the key {key} apart")));
    }
    let sets = 0_u32..1 << single.len();
    let of_set = |set: u32| -> Found {
        let chosen: Vec<String> =
            single.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, value)| value.clone()).collect();
        (!chosen.is_empty()).then_some(chosen)
    };
    Ok(sets.map(of_set).collect())
}

/// Of values that no entry tells apart, the first.
fn distinct(key: &str, entries: &[Entry<'_>], values: Vec<String>) -> Vec<String> {
    let mut seen: HashSet<Vec<bool>> = HashSet::new();
    let told = |value: &String| -> Vec<bool> {
        entries.iter().map(|entry| holds(&[*entry], key, Some(std::slice::from_ref(value)))).collect()
    };
    values.into_iter().filter(|value| seen.insert(told(value))).collect()
}

fn values<'a>(entries: &'a [Entry<'_>]) -> impl Iterator<Item = &'a String> {
    entries.iter().filter(|(entry, _)| family(&entry.operator) != Family::Null).flat_map(|(entry, _)| &entry.values)
}

/// Every number that is named, one between each two, one below and one above all, and what is none.
fn numbers(entries: &[Entry<'_>]) -> Result<Vec<String>, Undecided> {
    let mut named = Vec::new();
    for number in values(entries).filter_map(|value| value.trim().parse::<f64>().ok()).filter(|n| n.is_finite()) {
        // Beyond this, there may be no number between two others.
        if number.abs() > 1e12 {
            return Err(Undecided::new("it compares very large numbers"));
        }
        named.push(number);
    }
    named.sort_by(f64::total_cmp);
    let between = named.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    let ends = [named.first().map_or(0.0, |n| n - 1.0), named.last().map_or(0.0, |n| n + 1.0)];
    let all: Vec<f64> = named.iter().copied().chain(between).chain(ends).collect();
    Ok(values(entries).cloned().chain(all.iter().map(ToString::to_string)).chain(["x".to_owned()]).collect())
}

fn dates(entries: &[Entry<'_>]) -> Vec<String> {
    let near = values(entries).filter_map(|value| date(value)).flat_map(|at| [at - 1, at, at + 1]);
    let written = near.chain([0]).filter_map(|at| Timestamp::from_second(at).ok()).map(|at| at.to_string());
    written.chain(["x".to_owned()]).collect()
}

/// The ends of every range that is named, and what is beside them.
fn addresses(entries: &[Entry<'_>]) -> Vec<String> {
    use std::net::IpAddr;
    let beside = |address: IpAddr, by: i8| match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add_signed(by.into()).map(|bits| IpAddr::from(bits.to_be_bytes())),
        IpAddr::V6(v6) => v6.to_bits().checked_add_signed(by.into()).map(|bits| IpAddr::from(bits.to_be_bytes())),
    };
    let ranges = values(entries).filter_map(|value| address_range(value));
    let ends = ranges.flat_map(|(first, last)| [beside(first, -1), Some(first), Some(last), beside(last, 1)]);
    let others = ["198.18.0.1", "2001:db8::1", "x"].map(ToOwned::to_owned);
    ends.flatten().map(|address| address.to_string()).chain(others).collect()
}

fn binary(entries: &[Entry<'_>]) -> Vec<String> {
    values(entries).cloned().chain(["\u{e000}".to_owned()]).collect()
}
