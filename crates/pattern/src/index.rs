//! Many patterns at once: which of them an event matches, in a time that hardly depends on how many there are.
//!
//! Each pattern is kept under one of its fields: the one that fewest others are found by. An event is walked through once,
//! beside the tree of the names of those fields; what is found on the way is held against the event as a whole. Patterns
//! that nothing leads to (all of whose fields may be anything but something, or absent) are always held against it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde_json::Value as Json;

use crate::matcher::Matcher;
use crate::number::{Amount, Range};
use crate::{Field, Leaf, Node, Pattern};

/// Patterns under names of their own.
#[derive(Debug)]
pub struct Rules<K> {
    places: HashMap<K, usize>,
    rules: Vec<Option<Rule<K>>>,
    free: Vec<usize>,
    root: Names,
    /// Those that nothing leads to.
    always: Vec<usize>,
}

#[derive(Debug)]
struct Rule<K> {
    name: K,
    pattern: Pattern,
    /// Where it is kept.
    ways: Vec<Way>,
}

/// A field, and what of it leads to a pattern.
#[derive(Debug, Clone, PartialEq)]
struct Way {
    names: Vec<String>,
    sign: Sign,
}

/// What a value of a field must have for a pattern to come into question.
#[derive(Debug, Clone, PartialEq)]
enum Sign {
    /// It is this scalar, as JSON writes it.
    Is(String),
    Number(Amount),
    /// In small letters.
    Folded(String),
    Begins(String),
    BeginsFolded(String),
    Ends(String),
    EndsFolded(String),
    Within(Range),
}

/// The tree of the names of fields.
#[derive(Debug, Default)]
struct Names {
    inside: HashMap<String, Names>,
    field: Signs,
}

/// The patterns that values of one field lead to.
#[derive(Debug, Default)]
struct Signs {
    is: HashMap<String, Vec<usize>>,
    numbers: HashMap<i64, Vec<usize>>,
    folded: HashMap<String, Vec<usize>>,
    begins: Ends,
    begins_folded: Ends,
    ends: Ends,
    ends_folded: Ends,
    within: Vec<(Range, usize)>,
}

/// Beginnings of texts, or ends, by their lengths in bytes.
#[derive(Debug, Default)]
struct Ends(BTreeMap<usize, HashMap<String, Vec<usize>>>);

impl Ends {
    fn of(&mut self, end: &str) -> &mut Vec<usize> {
        self.0.entry(end.len()).or_default().entry(end.to_owned()).or_default()
    }

    fn count(&self, end: &str) -> usize {
        self.0.get(&end.len()).and_then(|all| all.get(end)).map_or(0, Vec::len)
    }

    fn collect<'a>(&self, part: impl Fn(usize) -> Option<&'a str>, into: &mut Vec<usize>) {
        for (length, all) in &self.0 {
            if let Some(found) = part(*length).and_then(|part| all.get(part)) {
                into.extend(found);
            }
        }
    }

    fn remove(&mut self, end: &str, place: usize) {
        if let Some(all) = self.0.get_mut(&end.len()) {
            remove(all, end, place);
            if all.is_empty() {
                self.0.remove(&end.len());
            }
        }
    }
}

fn remove<Q: ?Sized + Hash + Eq, T: Hash + Eq + std::borrow::Borrow<Q>>(
    all: &mut HashMap<T, Vec<usize>>,
    key: &Q,
    place: usize,
) {
    if let Some(found) = all.get_mut(key) {
        found.retain(|other| *other != place);
        if found.is_empty() {
            all.remove(key);
        }
    }
}

impl Signs {
    fn add(&mut self, sign: &Sign, place: usize) {
        match sign {
            Sign::Is(text) => self.is.entry(text.clone()).or_default().push(place),
            Sign::Number(amount) => self.numbers.entry(amount.key()).or_default().push(place),
            Sign::Folded(text) => self.folded.entry(text.clone()).or_default().push(place),
            Sign::Begins(text) => self.begins.of(text).push(place),
            Sign::BeginsFolded(text) => self.begins_folded.of(text).push(place),
            Sign::Ends(text) => self.ends.of(text).push(place),
            Sign::EndsFolded(text) => self.ends_folded.of(text).push(place),
            Sign::Within(range) => self.within.push((*range, place)),
        }
    }

    fn remove(&mut self, sign: &Sign, place: usize) {
        match sign {
            Sign::Is(text) => remove(&mut self.is, text.as_str(), place),
            Sign::Number(amount) => remove(&mut self.numbers, &amount.key(), place),
            Sign::Folded(text) => remove(&mut self.folded, text.as_str(), place),
            Sign::Begins(text) => self.begins.remove(text, place),
            Sign::BeginsFolded(text) => self.begins_folded.remove(text, place),
            Sign::Ends(text) => self.ends.remove(text, place),
            Sign::EndsFolded(text) => self.ends_folded.remove(text, place),
            Sign::Within(_) => self.within.retain(|(_, other)| *other != place),
        }
    }

    /// How many patterns this sign leads to already.
    fn count(&self, sign: &Sign) -> usize {
        match sign {
            Sign::Is(text) => self.is.get(text).map_or(0, Vec::len),
            Sign::Number(amount) => self.numbers.get(&amount.key()).map_or(0, Vec::len),
            Sign::Folded(text) => self.folded.get(text).map_or(0, Vec::len),
            Sign::Begins(text) => self.begins.count(text),
            Sign::BeginsFolded(text) => self.begins_folded.count(text),
            Sign::Ends(text) => self.ends.count(text),
            Sign::EndsFolded(text) => self.ends_folded.count(text),
            // Each is looked at.
            Sign::Within(_) => self.within.len(),
        }
    }

    /// The patterns that a scalar leads to.
    fn collect(&self, value: &Json, into: &mut Vec<usize>) {
        if !self.is.is_empty()
            && let Some(found) = self.is.get(&value.to_string())
        {
            into.extend(found);
        }
        if let Some(amount) = Amount::of(value) {
            into.extend(self.numbers.get(&amount.key()).into_iter().flatten());
            into.extend(self.within.iter().filter(|(range, _)| range.has(amount)).map(|(_, place)| place));
        }
        let Some(text) = value.as_str() else { return };
        self.begins.collect(|length| text.get(..length), into);
        self.ends.collect(|length| text.len().checked_sub(length).and_then(|at| text.get(at..)), into);
        if self.folded.is_empty() && self.begins_folded.0.is_empty() && self.ends_folded.0.is_empty() {
            return;
        }
        let folded = text.to_lowercase();
        into.extend(self.folded.get(&folded).into_iter().flatten());
        self.begins_folded.collect(|length| folded.get(..length), into);
        self.ends_folded.collect(|length| folded.len().checked_sub(length).and_then(|at| folded.get(at..)), into);
    }
}

impl Sign {
    /// What a matcher lets one look for. `None`: nothing.
    fn of(matcher: &Matcher) -> Option<Self> {
        match matcher {
            Matcher::Exactly(value) => Some(Self::Is(value.to_string())),
            Matcher::Number(amount) => Some(Self::Number(*amount)),
            Matcher::Numeric(range) => Some(Self::Within(*range)),
            Matcher::Prefix(text) => Some(Self::Begins(text.clone())),
            Matcher::Suffix(text) => Some(Self::Ends(text.clone())),
            Matcher::PrefixIgnoringCase(text) => Some(Self::BeginsFolded(text.clone())),
            Matcher::SuffixIgnoringCase(text) => Some(Self::EndsFolded(text.clone())),
            Matcher::EqualsIgnoringCase(text) => Some(Self::Folded(text.clone())),
            Matcher::Wildcard(wildcard) => match wildcard.ends() {
                (first, last) if first.len() >= last.len() => Some(Self::Begins(first.to_owned())),
                (_, last) => Some(Self::Ends(last.to_owned())),
            },
            Matcher::Cidr(_) | Matcher::AnythingBut(_) | Matcher::Exists => None,
        }
    }
}

/// The ways to a leaf. `None`: nothing leads there.
fn ways_to(leaf: &Leaf, names: &[String]) -> Option<Vec<Way>> {
    if leaf.absent.is_some() {
        return None;
    }
    leaf.any.iter().map(|matcher| Some(Way { names: names.to_vec(), sign: Sign::of(matcher)? })).collect()
}

impl Names {
    fn at(&self, names: &[String]) -> Option<&Names> {
        names.iter().try_fold(self, |here, name| here.inside.get(name))
    }

    fn made(&mut self, names: &[String]) -> &mut Names {
        names.iter().fold(self, |here, name| here.inside.entry(name.clone()).or_default())
    }

    fn cost(&self, ways: &[Way]) -> usize {
        ways.iter().map(|way| self.at(&way.names).map_or(0, |here| here.field.count(&way.sign))).sum()
    }

    fn collect(&self, value: &Json, into: &mut Vec<usize>) {
        match value {
            Json::Object(fields) if fields.len() < self.inside.len() => {
                for (name, value) in fields {
                    if let Some(inside) = self.inside.get(name) {
                        inside.collect(value, into);
                    }
                }
            }
            Json::Object(fields) => {
                for (name, inside) in &self.inside {
                    if let Some(value) = fields.get(name) {
                        inside.collect(value, into);
                    }
                }
            }
            Json::Array(elements) => elements.iter().for_each(|element| self.collect(element, into)),
            scalar => self.field.collect(scalar, into),
        }
    }

    /// The ways to a pattern by which fewest others are found. `None`: nothing leads there.
    fn best(&self, node: &Node, names: &mut Vec<String>) -> Option<Vec<Way>> {
        let mut best: Option<(usize, Vec<Way>)> = None;
        let mut consider = |ways: Option<Vec<Way>>| {
            if let Some(ways) = ways {
                let cost = self.cost(&ways);
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, ways));
                }
            }
        };
        for (name, field) in &node.fields {
            names.push(name.clone());
            match field {
                Field::Leaf(leaf) => consider(ways_to(leaf, names)),
                Field::Inside(node) => consider(self.best(node, names)),
            }
            names.pop();
        }
        for alternatives in &node.either {
            // One of them must hold, so there must be a way to each.
            let ways: Option<Vec<_>> = alternatives.iter().map(|node| self.best(node, names)).collect();
            consider(ways.map(|ways| ways.into_iter().flatten().collect()));
        }
        best.map(|(_, ways)| ways)
    }
}

impl<K> Default for Rules<K> {
    fn default() -> Self {
        Self { places: HashMap::new(), rules: Vec::new(), free: Vec::new(), root: Names::default(), always: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash> Rules<K> {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a pattern, in the place of the one that had its name.
    pub fn insert(&mut self, name: K, pattern: Pattern) {
        self.remove(&name);
        let ways = self.root.best(&pattern.0, &mut Vec::new()).unwrap_or_default();
        let place = self.free.pop().unwrap_or_else(|| {
            self.rules.push(None);
            self.rules.len() - 1
        });
        if ways.is_empty() {
            self.always.push(place);
        }
        for way in &ways {
            self.root.made(&way.names).field.add(&way.sign, place);
        }
        self.places.insert(name.clone(), place);
        self.rules[place] = Some(Rule { name, pattern, ways });
    }

    /// Removes a pattern; says whether there was one of this name.
    pub fn remove(&mut self, name: &K) -> bool {
        let Some(place) = self.places.remove(name) else { return false };
        if let Some(rule) = self.rules[place].take() {
            for way in &rule.ways {
                self.root.made(&way.names).field.remove(&way.sign, place);
            }
        }
        self.always.retain(|other| *other != place);
        self.free.push(place);
        true
    }

    /// The names of the patterns that an event matches, in no order.
    pub fn matching(&self, event: &Json) -> Vec<K> {
        let mut places = self.always.clone();
        self.root.collect(event, &mut places);
        places.sort_unstable();
        places.dedup();
        let rules = places.into_iter().filter_map(|place| self.rules[place].as_ref());
        rules.filter(|rule| rule.pattern.matches(event)).map(|rule| rule.name.clone()).collect()
    }
}
