//! Policy variables. What `${aws:username}` stands for differs from request to request, and two things that differ together are hard
//! to tell of. So a pattern with variables is taken twice: as something that may match or not whenever it could, the same wherever
//! it is written alike ([`freed`]), which leaves nothing out; and with a value in each variable's place ([`settled`]), which is
//! what a request is like.

use std::collections::BTreeMap;

use undercast_kernel::policy::{ConditionEntry, Document, Element, Glob, Statement, Version, globs};

use super::Undecided;
use super::space::Part;

/// So many of them may stand in one `NotResource`.
const MOST_NEGATED: usize = 4;
/// What a key is called that says whether a pattern matches.
const ATOM: &str = "undercast:matches/";

/// Patterns with variables, by all that they depend on.
#[derive(Debug, Default)]
pub(crate) struct Atoms(BTreeMap<String, usize>);

impl Atoms {
    fn holds(&mut self, what: String, expected: bool) -> ConditionEntry {
        let next = self.0.len();
        let number = *self.0.entry(what).or_insert(next);
        let values = vec![expected.to_string()];
        ConditionEntry { operator: "Bool".to_owned(), key: format!("{ATOM}{number}"), values }
    }
}

/// Whether a text has a variable in it.
pub(crate) fn is_variable(text: &str, version: Option<Version>) -> bool {
    version == Some(Version::V2012)
        && text.contains("${")
        && globs(text, true, true).iter().any(|glob| matches!(glob, Glob::Variable { .. }))
}

/// A pattern that matches whatever one with variables may match.
fn widened(pattern: &str) -> String {
    let mut text = String::new();
    for glob in globs(pattern, true, true) {
        match glob {
            // What stands for itself still has to.
            Glob::Text(part) => part.chars().for_each(|c| match c {
                '*' | '?' | '$' => text.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
                _ => text.push(c),
            }),
            Glob::One => text.push('?'),
            Glob::Many | Glob::Variable { .. } => text.push('*'),
        }
    }
    text
}

/// The statements of a policy, without variables.
///
/// # Errors
/// When there are too many of them.
pub(crate) fn freed(policy: usize, document: &Document, atoms: &mut Atoms) -> Result<Vec<Part>, Undecided> {
    let version = document.version;
    let mut all = Vec::new();
    for (at, statement) in document.statements.iter().enumerate() {
        let mut statement = statement.clone();
        for entry in &mut statement.conditions {
            if entry.values.iter().any(|value| is_variable(value, version)) {
                let what = format!("{} {} {:?}", entry.operator, entry.key.to_lowercase(), entry.values);
                *entry = atoms.holds(what, true);
            }
        }
        let parts = resources(statement, version, atoms)?;
        all.extend(parts.into_iter().map(|statement| Part { of: (policy, at), version, statement }));
    }
    Ok(all)
}

/// A statement as several, none of which has a variable in its resources.
fn resources(statement: Statement, version: Option<Version>, atoms: &mut Atoms) -> Result<Vec<Statement>, Undecided> {
    let Some(element) = statement.resource.clone() else { return Ok(vec![statement]) };
    let (varying, fixed): (Vec<String>, Vec<String>) =
        element.patterns.into_iter().partition(|pattern| is_variable(pattern, version));
    if varying.is_empty() {
        return Ok(vec![statement]);
    }
    let with = |patterns: Vec<String>, more: Vec<ConditionEntry>| {
        let mut conditions = statement.conditions.clone();
        conditions.extend(more);
        let resource = Some(Element { negated: element.negated, patterns });
        Statement { resource, conditions, ..statement.clone() }
    };
    if !element.negated {
        let mut all: Vec<Statement> =
            varying.iter().map(|p| with(vec![widened(p)], vec![atoms.holds(p.clone(), true)])).collect();
        if !fixed.is_empty() {
            all.push(with(fixed, Vec::new()));
        }
        return Ok(all);
    }
    if varying.len() > MOST_NEGATED {
        return Err(Undecided::new("it has too many policy variables in one NotResource"));
    }
    // Each of them is left out because it cannot match, or because it does not.
    let mut all = vec![(fixed, Vec::new())];
    for pattern in &varying {
        let mut next = Vec::new();
        for (patterns, conditions) in all {
            let (mut wider, mut told): (Vec<String>, Vec<ConditionEntry>) = (patterns.clone(), conditions.clone());
            wider.push(widened(pattern));
            next.push((wider, conditions));
            told.push(atoms.holds(pattern.clone(), false));
            next.push((patterns, told));
        }
        all = next;
    }
    let all = all.into_iter().map(|(patterns, conditions)| {
        if patterns.is_empty() {
            let conditions = statement.conditions.iter().cloned().chain(conditions).collect();
            return Statement { resource: None, conditions, ..statement.clone() };
        }
        with(patterns, conditions)
    });
    Ok(all.collect())
}

/// The keys that the variables of a policy name, in small letters.
fn keys(document: &Document) -> Vec<String> {
    let of = |text: &String| {
        globs(text, true, document.version == Some(Version::V2012)).into_iter().filter_map(|glob| match glob {
            Glob::Variable { key, .. } => Some(key),
            _ => None,
        })
    };
    let statements = document.statements.iter();
    let texts = statements.flat_map(|s| {
        s.resource.iter().flat_map(|element| &element.patterns).chain(s.conditions.iter().flat_map(|e| &e.values))
    });
    texts.flat_map(of).collect()
}

/// The policies as they are for a request whose variables have certain values: for each way of giving them, what each key has.
pub(crate) fn settled(documents: &[&Document]) -> Vec<(BTreeMap<String, String>, Vec<Document>)> {
    let keys: std::collections::BTreeSet<String> = documents.iter().flat_map(|document| keys(document)).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let own = |key: &str| {
        let mut named: Vec<String> = documents
            .iter()
            .flat_map(|document| &document.statements)
            .flat_map(|statement| &statement.conditions)
            .filter(|entry| entry.key.eq_ignore_ascii_case(key))
            .flat_map(|entry| entry.values.iter().filter(|v| !v.contains(['*', '?', '$'])).cloned())
            .collect();
        named.extend(factors(documents));
        named.push(format!("some-{}", key.rsplit([':', '/']).next().unwrap_or(key)));
        named
    };
    let choices: Vec<(String, Vec<String>)> = keys.iter().map(|key| (key.clone(), own(key))).collect();
    let most = choices.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    // The last of each is its own and nobody else's; the others are tried together in turn.
    let pick = |round: usize| -> BTreeMap<String, String> {
        let value = |values: &[String]| values.get(round).or(values.last()).cloned().unwrap_or_else(String::new);
        choices.iter().map(|(key, values)| (key.clone(), value(values))).collect()
    };
    let rounds = (0..=most).map(pick);
    rounds.map(|chosen| (chosen.clone(), documents.iter().map(|document| with(document, &chosen)).collect())).collect()
}

/// What stands between two slashes or colons of resources: what a variable there may stand for.
fn factors(documents: &[&Document]) -> Vec<String> {
    let statements = documents.iter().flat_map(|document| &document.statements);
    let patterns = statements.flat_map(|statement| statement.resource.iter().flat_map(|element| &element.patterns));
    let parts = patterns.flat_map(|pattern| pattern.splitn(6, ':').nth(5).unwrap_or_default().split(['/', ':']));
    let plain = parts.filter(|part| !part.is_empty() && !part.contains(['*', '?', '$', '{', '}']));
    let mut all: Vec<String> = plain.map(ToOwned::to_owned).collect();
    all.sort();
    all.dedup();
    all.truncate(64);
    all
}

fn with(document: &Document, chosen: &BTreeMap<String, String>) -> Document {
    let version = document.version;
    let text = |text: &mut String| {
        if !is_variable(text, version) {
            return;
        }
        let mut settled = String::new();
        for glob in globs(text, true, true) {
            match glob {
                Glob::Text(part) => part.chars().for_each(|c| match c {
                    '*' | '?' | '$' => settled.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
                    _ => settled.push(c),
                }),
                Glob::One => settled.push('?'),
                Glob::Many => settled.push('*'),
                Glob::Variable { key, .. } => settled.extend(chosen.get(&key).map(String::as_str)),
            }
        }
        *text = settled;
    };
    let mut document = document.clone();
    for statement in &mut document.statements {
        statement.resource.iter_mut().flat_map(|element| &mut element.patterns).for_each(text);
        statement.conditions.iter_mut().flat_map(|entry| &mut entry.values).for_each(text);
    }
    document
}
