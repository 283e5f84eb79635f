//! How much the wildcards of a field make whoever matches keep in mind at once.
//!
//! A text that has been read as far as here may be the beginning of what a pattern with stars wants in several ways: `*a*` may
//! have got to its first star, its `a`, or its second star. AWS refuses fields where a text can be so many of these at once
//! that there are more than ten.

use std::collections::{BTreeSet, HashSet};

use crate::wildcard::{Token, Wildcard};

/// AWS takes so many beginnings at once.
const MOST: usize = 10;
/// So many different states are looked at; what has more is too complex in any case.
const PATIENCE: usize = 5_000;

/// Whether a text can be more beginnings of these patterns at once than AWS takes.
pub(crate) fn is_too_complex<'a>(wildcards: impl Iterator<Item = &'a Wildcard>) -> bool {
    let patterns: Vec<Vec<Token>> = wildcards.map(Wildcard::tokens).collect();
    patterns.iter().map(Vec::len).sum::<usize>() > MOST && beyond(&patterns, MOST)
}

/// How far each pattern has got: its number, and how many of its tokens.
type State = BTreeSet<(usize, usize)>;

/// Goes on over stars, which may stand for nothing.
fn reach(patterns: &[Vec<Token>], into: &mut State, (pattern, mut at): (usize, usize)) {
    into.insert((pattern, at));
    while patterns[pattern].get(at) == Some(&Token::Any) {
        at += 1;
        into.insert((pattern, at));
    }
}

/// What follows a state when this byte is read; `None`: any that no pattern names.
fn next(patterns: &[Vec<Token>], state: &State, byte: Option<u8>) -> State {
    let mut all = State::new();
    for &(pattern, at) in state {
        let tokens = &patterns[pattern];
        if at > 0 && tokens[at - 1] == Token::Any {
            all.insert((pattern, at));
        }
        if let (Some(Token::Byte(wanted)), Some(byte)) = (tokens.get(at), byte)
            && *wanted == byte
        {
            reach(patterns, &mut all, (pattern, at + 1));
        }
    }
    // A star that goes on lets what is behind it begin again.
    for (pattern, at) in all.clone() {
        reach(patterns, &mut all, (pattern, at));
    }
    all
}

fn beyond(patterns: &[Vec<Token>], most: usize) -> bool {
    let named: BTreeSet<u8> = patterns.iter().flatten().filter_map(|token| token.byte()).collect();
    let bytes: Vec<Option<u8>> = named.into_iter().map(Some).chain([None]).collect();
    let mut first = State::new();
    (0..patterns.len()).for_each(|pattern| reach(patterns, &mut first, (pattern, 0)));
    let (mut seen, mut waiting) = (HashSet::from([first.clone()]), vec![first]);
    while let Some(state) = waiting.pop() {
        for byte in &bytes {
            let state = next(patterns, &state, *byte);
            // Nothing is no beginning.
            if state.iter().filter(|(_, at)| *at > 0).count() > most || seen.len() > PATIENCE {
                return true;
            }
            if !state.is_empty() && seen.insert(state.clone()) {
                waiting.push(state);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most beginnings that a text can be at once.
    fn complexity(patterns: &[&str]) -> usize {
        let tokens: Vec<Vec<Token>> = patterns.iter().map(|p| Wildcard::parse(p).unwrap().tokens()).collect();
        (0..100).find(|most| !beyond(&tokens, *most)).unwrap()
    }

    #[test]
    fn beginnings_are_counted_as_aws_counts_them() {
        for (patterns, most) in [
            (&["*"] as &[&str], 1),
            (&["abc"], 1),
            (&["*ab"], 2),
            (&["*aa"], 3),
            (&["aa*"], 2),
            (&["a*bcb"], 3),
            (&["*ab*ad"], 4),
            (&["*aba*"], 4),
            (&["a*b*bb"], 5),
            (&["a*b*cd"], 3),
            (&["*abc", "*abcde"], 4),
            (&["a*aaa", "aa*aa"], 7),
            (&["ab*cd", "ab*wx", "ab*yz"], 6),
            (&["*ab*b*b*"], 7),
            (&["*a*a*a*a*a*a*a*a*"], 17),
        ] {
            assert_eq!(complexity(patterns), most, "{patterns:?}");
        }
    }

    #[test]
    fn the_guides_example_is_too_complex() {
        let is = |text: &str| is_too_complex([Wildcard::parse(text).unwrap()].iter());
        assert!(is("*:*:*:*:*:event-bus/*"));
        assert!(!is("arn:aws:events:us-east-1:*:event-bus/*"));
        assert!(!is("dir/*.png"));
    }
}
