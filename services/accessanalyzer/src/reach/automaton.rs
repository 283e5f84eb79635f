//! Texts that stand for all texts: of some patterns, every combination that a text can match, with a shortest such text.
//!
//! All patterns run side by side as one automaton, so that no combination is left out. What a pattern does not name it does not tell
//! apart, so that of all other characters one stands for all.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use undercast_kernel::policy;

use super::Undecided;

/// More steps than these are not taken.
const MOST_STEPS: usize = 6_000_000;

/// Which letters are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// None but itself.
    Exact,
    /// Small and capital letters of ASCII.
    Ascii,
    /// All that are the same in small letters.
    Letters,
}

impl Fold {
    fn same(self, a: char, b: char) -> bool {
        match self {
            Self::Exact => a == b,
            Self::Ascii => a.eq_ignore_ascii_case(&b),
            Self::Letters => a == b || a.to_lowercase().eq(b.to_lowercase()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char, Fold),
    /// One character; `true`: a colon too.
    One(bool),
    /// Any number of them.
    Many(bool),
}

/// A pattern over whole texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Token>);

impl Glob {
    /// One without variables.
    pub(crate) fn new(text: &str, wildcards: bool, variables: bool, fold: Fold) -> Self {
        let mut tokens = Vec::new();
        push(&mut tokens, text, wildcards, variables, fold, true);
        Self(tokens)
    }

    /// All actions: a service, a colon and a name.
    pub(crate) fn actions() -> Self {
        Self(vec![
            Token::One(false),
            Token::Many(false),
            Token::Char(':', Fold::Exact),
            Token::One(false),
            Token::Many(false),
        ])
    }

    /// A text that matches itself and nothing else.
    pub(crate) fn literal(text: &str) -> Self {
        Self(text.chars().map(|c| Token::Char(c, Fold::Exact)).collect())
    }

    /// A pattern of ARNs, whose parts are matched one by one. `None`: it matches none. One with too few parts is `complete`d by
    /// any others, as those of `Resource` are.
    pub(crate) fn arn(text: &str, variables: bool, complete: bool) -> Option<Self> {
        let whole = Self::new(text, true, variables, Fold::Exact);
        if whole.0 == [Token::Many(true)] {
            return Some(whole);
        }
        let mut parts: Vec<&str> = text.splitn(6, ':').collect();
        if parts.len() < 6 && !complete {
            return None;
        }
        parts.resize(6, "*");
        if !policy::Wildcard::new(parts[0]).matches("arn") {
            return None;
        }
        let mut tokens: Vec<Token> = "arn".chars().map(|c| Token::Char(c, Fold::Exact)).collect();
        for (at, part) in parts.into_iter().enumerate().skip(1) {
            tokens.push(Token::Char(':', Fold::Exact));
            push(&mut tokens, part, true, variables, Fold::Exact, at == 5);
        }
        Some(Self(tokens))
    }
}

fn push(tokens: &mut Vec<Token>, text: &str, wildcards: bool, variables: bool, fold: Fold, colons: bool) {
    for glob in policy::globs(text, wildcards, variables) {
        match glob {
            policy::Glob::Text(text) => tokens.extend(text.chars().map(|c| Token::Char(c, fold))),
            policy::Glob::One => tokens.push(Token::One(colons)),
            // What a variable stands for is anything.
            policy::Glob::Many | policy::Glob::Variable { .. } => tokens.push(Token::Many(colons)),
        }
    }
}

/// Where the patterns are: a pattern and a place in it, in order.
type State = Vec<(u32, u32)>;

struct Machine<'a> {
    globs: Vec<&'a Glob>,
    alphabet: Vec<char>,
    other: char,
}

/// For each combination of `globs` that a text of `domain` matches, a shortest such text.
///
/// # Errors
/// When there are too many of them to tell.
pub(crate) fn witnesses(globs: &[Glob], domain: &Glob) -> Result<Vec<String>, Undecided> {
    let machine = Machine::new(globs, domain);
    let start = machine.closed((0..machine.globs.len()).map(|glob| (glob, 0)));
    let mut texts: HashMap<State, String> = HashMap::from([(start.clone(), String::new())]);
    let mut waiting = VecDeque::from([start]);
    let mut found: HashSet<Vec<u32>> = HashSet::new();
    let mut all = Vec::new();
    let mut steps = 0;
    while let Some(state) = waiting.pop_front() {
        let text = texts.get(&state).cloned().unwrap_or_else(String::new);
        let accepted = machine.accepted(&state);
        if accepted.first() == Some(&0) && found.insert(accepted) {
            all.push(text.clone());
        }
        for c in machine.distinguished(&state) {
            let next = machine.step(&state, c);
            steps += next.len() + 1;
            if steps > MOST_STEPS {
                return Err(Undecided::new("its patterns overlap in too many ways"));
            }
            // Once no text of the domain can come of it, the rest is of no matter.
            if next.first().is_some_and(|(glob, _)| *glob == 0) && !texts.contains_key(&next) {
                texts.insert(next.clone(), format!("{text}{c}"));
                waiting.push_back(next);
            }
        }
    }
    Ok(all)
}

impl<'a> Machine<'a> {
    fn new(globs: &'a [Glob], domain: &'a Glob) -> Self {
        let globs: Vec<&Glob> = std::iter::once(domain).chain(globs).collect();
        let mut alphabet: BTreeSet<char> = BTreeSet::from([':']);
        for token in globs.iter().flat_map(|glob| &glob.0) {
            let Token::Char(c, fold) = token else { continue };
            alphabet.insert(*c);
            if *fold != Fold::Exact {
                alphabet.extend(c.to_lowercase().chain(c.to_uppercase()).filter(|other| fold.same(*c, *other)));
            }
            // The sign of Kelvin is a k in small letters.
            if *fold == Fold::Letters && c.eq_ignore_ascii_case(&'k') {
                alphabet.insert('\u{212a}');
            }
        }
        let other =
            "xyzwvutsrqponmlkjihgfedcba0123456789-_".chars().find(|c| !alphabet.contains(c)).unwrap_or('\u{e000}');
        Self { globs, alphabet: alphabet.into_iter().collect(), other }
    }

    fn token(&self, (glob, place): (u32, u32)) -> Option<Token> {
        self.globs.get(glob as usize)?.0.get(place as usize).copied()
    }

    fn closed(&self, places: impl Iterator<Item = (usize, u32)>) -> State {
        let mut all = BTreeSet::new();
        for (glob, mut place) in places {
            let glob = u32::try_from(glob).unwrap_or(u32::MAX);
            all.insert((glob, place));
            while let Some(Token::Many(_)) = self.token((glob, place)) {
                place += 1;
                all.insert((glob, place));
            }
        }
        all.into_iter().collect()
    }

    fn accepted(&self, state: &State) -> Vec<u32> {
        let at_end = |&&(glob, place): &&(u32, u32)| self.globs[glob as usize].0.len() == place as usize;
        state.iter().filter(at_end).map(|(glob, _)| *glob).collect()
    }

    /// The characters that lead to different places from here: those that are named, a colon, and one for all others.
    fn distinguished(&self, state: &State) -> Vec<char> {
        let mut all = BTreeSet::from([':', self.other]);
        for place in state {
            match self.token(*place) {
                Some(Token::Char(c, Fold::Exact)) => {
                    all.insert(c);
                }
                Some(Token::Char(c, fold)) => all.extend(self.alphabet.iter().filter(|other| fold.same(c, **other))),
                _ => {}
            }
        }
        all.into_iter().collect()
    }

    fn step(&self, state: &State, c: char) -> State {
        let moved = state.iter().filter_map(|&(glob, place)| match self.token((glob, place))? {
            Token::Char(wanted, fold) => fold.same(wanted, c).then_some((glob as usize, place + 1)),
            Token::One(colons) => (colons || c != ':').then_some((glob as usize, place + 1)),
            Token::Many(colons) => (colons || c != ':').then_some((glob as usize, place)),
        });
        self.closed(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(patterns: &[&str]) -> Vec<String> {
        let globs: Vec<Glob> = patterns.iter().map(|p| Glob::new(p, true, false, Fold::Exact)).collect();
        witnesses(&globs, &Glob::new("*", true, false, Fold::Exact)).unwrap()
    }

    #[test]
    fn every_combination_has_a_text() {
        for patterns in [&["a*", "*b", "ab"][..], &["a?c", "abc", "*"], &["a*b*c", "*bc", "ac?"]] {
            let found: HashSet<Vec<bool>> = texts(patterns)
                .iter()
                .map(|text| patterns.iter().map(|p| policy::Wildcard::new(p).matches(text)).collect())
                .collect();
            assert_eq!(found.len(), texts(patterns).len());
            // All texts of up to five of these letters show no combination that was not found.
            let letters = ['a', 'b', 'c', 'd'];
            let mut all = vec![String::new()];
            for _ in 0..5 {
                all = all
                    .iter()
                    .flat_map(|t| letters.iter().map(move |c| format!("{t}{c}")))
                    .chain(all.clone())
                    .collect();
            }
            for text in all {
                let matched: Vec<bool> = patterns.iter().map(|p| policy::Wildcard::new(p).matches(&text)).collect();
                assert!(found.contains(&matched), "{text}");
            }
        }
    }

    #[test]
    fn arns_are_matched_part_by_part() {
        let domain = Glob::arn("arn:*", false, true).unwrap();
        let globs =
            [Glob::arn("arn:aws:s3:::b/*", false, true).unwrap(), Glob::arn("arn:aws:s3", false, true).unwrap()];
        let all = witnesses(&globs, &domain).unwrap();
        assert!(all.contains(&"arn:aws:s3:::b/".to_owned()), "{all:?}");
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(Glob::arn("arn:aws:s3", false, false), None);
    }

    #[test]
    fn capital_letters_can_be_small_ones() {
        let globs = [Glob::new("Ok", false, false, Fold::Letters), Glob::literal("ok")];
        let all = witnesses(&globs, &Glob::new("*", true, false, Fold::Exact)).unwrap();
        assert_eq!(all.len(), 3, "{all:?}");
    }
}
