//! Page tokens: where the next page begins, in a form that callers cannot read or make up by accident.

use sha2::{Digest, Sha256};
use undercast_wire::text;

/// A token for `position` in the list `scope` (an operation and whatever filters it).
pub fn token(scope: &str, position: &str) -> String {
    let mut bytes = check(scope, position).to_vec();
    bytes.extend_from_slice(position.as_bytes());
    text::base64(&bytes)
}

/// The position of a token. `None`: it is not one, or not of this list.
pub fn position(scope: &str, token: &str) -> Option<String> {
    let bytes = text::unbase64(token)?;
    let (sum, position) = bytes.split_at_checked(8)?;
    let position = String::from_utf8(position.to_vec()).ok()?;
    (check(scope, &position) == sum).then_some(position)
}

/// The position of a token where it is a number: how many came before. `None`: it is not one, or not of this list.
pub fn number(scope: &str, token: &str) -> Option<usize> {
    position(scope, token).and_then(|p| p.parse().ok())
}

/// A page of at most `size` of `items`, from where `token` says on, and the token of the next one. `None`: the token is not of
/// this list.
pub fn page<T>(scope: &str, items: Vec<T>, token_given: Option<&str>, size: usize) -> Option<(Vec<T>, Option<String>)> {
    let start = token_given.map_or(Some(0), |given| number(scope, given))?;
    let total = items.len();
    let page: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let end = start.saturating_add(page.len());
    Some((page, (end < total).then(|| token(scope, &end.to_string()))))
}

fn check(scope: &str, position: &str) -> [u8; 8] {
    let hash = Sha256::new().chain_update(scope).chain_update([0]).chain_update(position).finalize();
    let mut out = [0; 8];
    out.copy_from_slice(&hash[..8]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_pages() {
        let (first, next) = page("ListQueues", vec![1, 2, 3], None, 2).unwrap();
        assert_eq!(first, [1, 2]);
        assert_eq!(page("ListQueues", vec![1, 2, 3], next.as_deref(), 2), Some((vec![3], None)));
        assert_eq!(page("ListTopics", vec![1, 2, 3], next.as_deref(), 2), None);
    }

    #[test]
    fn a_token_works_in_its_list_only() {
        let made = token("ListQueues", "queue-7");
        assert_eq!(position("ListQueues", &made).as_deref(), Some("queue-7"));
        assert_eq!(position("ListTopics", &made), None);
        assert_eq!(position("ListQueues", "bm9uc2Vuc2U="), None);
        assert_eq!((number("ListQueues", &token("ListQueues", "7")), number("ListQueues", &made)), (Some(7), None));
    }
}
