//! The patterns of each bus in memory: which rules want an event, in a time that hardly depends on how many there are.
//!
//! A bus's patterns are read when an event first comes, and again as far as they differ whenever its rules were changed
//! since: the rows say how often they were. So what a call sees is what the store has, and nothing has to be told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value as Json;
use undercast_kernel::Result;
use undercast_kernel::store::Snapshot;
use undercast_pattern::{Pattern, Rules};

use crate::name::BusName;
use crate::rule::{self, RULES, State};

/// The patterns of all buses.
#[derive(Debug, Default)]
pub(crate) struct Indexes(Mutex<HashMap<BusName, Arc<RwLock<Index>>>>);

/// The patterns of a bus, as they were after so many changes.
#[derive(Debug, Default)]
struct Index {
    change: u64,
    rules: Rules<Arc<str>>,
    /// The change by which each rule got its pattern, and whether it wants to be told of calls that change nothing.
    known: HashMap<Arc<str>, (u64, bool)>,
}

/// A rule that wants an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) rule: Arc<str>,
    /// It wants to be told of calls that change nothing as well.
    pub(crate) all_calls: bool,
}

impl Index {
    /// Reads what has changed.
    fn renew(&mut self, from: &Snapshot, bus: &BusName, change: u64) -> Result<()> {
        let mut there = HashSet::new();
        for entry in RULES.all(from, &bus.key())? {
            let rule = entry.row;
            let Some(pattern) = rule.pattern.as_deref().filter(|_| rule.is_enabled()) else { continue };
            let name: Arc<str> = rule.name.as_str().into();
            there.insert(name.clone());
            if self.known.get(&name).is_some_and(|(known, _)| *known == rule.change) {
                continue;
            }
            // It was read when the rule was put; a pattern that can be read no more wants nothing.
            match Pattern::parse(pattern) {
                Ok(pattern) => self.rules.insert(name.clone(), pattern),
                Err(error) => {
                    tracing::error!(rule = rule.name, error = &error as &dyn std::error::Error, "a stored pattern");
                    self.rules.remove(&name);
                }
            }
            self.known.insert(name, (rule.change, rule.state == State::EnabledWithAllCalls));
        }
        let gone: Vec<Arc<str>> = self.known.keys().filter(|name| !there.contains(*name)).cloned().collect();
        for name in gone {
            self.rules.remove(&name);
            self.known.remove(&name);
        }
        self.change = change;
        Ok(())
    }

    fn matching(&self, event: &Json) -> Vec<Match> {
        let all_calls = |rule: &Arc<str>| self.known.get(rule).is_some_and(|(_, all)| *all);
        let found = self.rules.matching(event).into_iter();
        found.map(|rule| Match { all_calls: all_calls(&rule), rule }).collect()
    }
}

impl Indexes {
    fn of(&self, bus: &BusName) -> Arc<RwLock<Index>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(bus) {
            return found.clone();
        }
        all.entry(bus.clone()).or_default().clone()
    }

    /// The rules of a bus that want an event.
    pub(crate) fn matching(&self, from: &Snapshot, bus: &BusName, event: &Json) -> Result<Vec<Match>> {
        let change = rule::changes(from, bus)?;
        if change == 0 {
            return Ok(Vec::new());
        }
        let index = self.of(bus);
        {
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            if index.change == change {
                return Ok(index.matching(event));
            }
        }
        let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
        index.renew(from, bus, change)?;
        Ok(index.matching(event))
    }
}
