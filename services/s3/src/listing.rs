//! Walking over keys in their order, with prefixes rolled up: what all lists of a bucket share.

use std::collections::VecDeque;

use undercast_kernel::store::{KeyDecode, Order, Snapshot, Table};
use undercast_kernel::{Cx, Result, paging};
use undercast_wire::text::percent_encode;

use crate::error;
use crate::rows::Bucket;

/// A list gives so many entries at most.
pub(crate) const MOST: usize = 1000;

/// Where rows come from, in the order of their keys.
pub(crate) trait Rows {
    /// What stands beside a key.
    type Row;

    /// The next row.
    fn next(&mut self) -> Result<Option<(String, Self::Row)>>;

    /// Goes on with the first key that is not before `start`.
    fn skip_to(&mut self, start: Vec<u8>);
}

/// The rows of one table in a bucket, read page by page.
pub(crate) struct Cursor<'a, V: 'static, K> {
    table: &'static Table<V>,
    from: &'a Snapshot,
    bucket: &'a Bucket,
    /// The next page begins here.
    start: Vec<u8>,
    end: Vec<u8>,
    page: VecDeque<(K, V)>,
    /// Pages grow as long as nothing is skipped.
    size: usize,
    done: bool,
}

/// The first text behind all that begin with `prefix`. No text contains the byte FF.
pub(crate) fn behind(prefix: &str) -> Vec<u8> {
    undercast_kernel::store::prefix_end(prefix.as_bytes()).unwrap_or_else(|| vec![0xff])
}

/// The first text behind `key`.
pub(crate) fn after(key: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// A table's key as lists need it: the object's key, and what follows it.
pub(crate) trait InBucket: Sized {
    type Stored: KeyDecode;
    fn of(stored: Self::Stored) -> Self;
    fn key(&self) -> &str;
}

/// The key of an object.
pub(crate) struct Plain(pub(crate) String);

impl InBucket for Plain {
    type Stored = (String, String, String, String);

    fn of(stored: Self::Stored) -> Self {
        Self(stored.3)
    }

    fn key(&self) -> &str {
        &self.0
    }
}

/// The key of an old version, with its rank.
pub(crate) struct Ranked(pub(crate) String);

impl InBucket for Ranked {
    type Stored = (String, String, String, String, u64);

    fn of(stored: Self::Stored) -> Self {
        Self(stored.3)
    }

    fn key(&self) -> &str {
        &self.0
    }
}

/// The key of an upload, with its id.
pub(crate) struct Uploading(pub(crate) String, pub(crate) String);

impl InBucket for Uploading {
    type Stored = (String, String, String, String, String);

    fn of(stored: Self::Stored) -> Self {
        Self(stored.3, stored.4)
    }

    fn key(&self) -> &str {
        &self.0
    }
}

impl<'a, V, K> Cursor<'a, V, K>
where
    V: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
    K: InBucket,
{
    pub(crate) fn new(
        table: &'static Table<V>,
        from: &'a Snapshot,
        bucket: &'a Bucket,
        prefix: &str,
        start: Vec<u8>,
    ) -> Self {
        let start = start.max(prefix.as_bytes().to_vec());
        Self { table, from, bucket, start, end: behind(prefix), page: VecDeque::new(), size: 32, done: false }
    }

    /// The next row, left where it is.
    pub(crate) fn peek(&mut self) -> Result<Option<&(K, V)>> {
        if self.page.is_empty() && !self.done {
            self.fill()?;
        }
        Ok(self.page.front())
    }

    pub(crate) fn take(&mut self) -> Option<(K, V)> {
        self.page.pop_front()
    }

    fn fill(&mut self) -> Result<()> {
        let (account, region, name) = self.bucket.all();
        let start = (account, region, name, self.start.as_slice());
        let end = (account, region, name, self.end.as_slice());
        if self.start >= self.end {
            self.done = true;
            return Ok(());
        }
        let mut rows = self.table.range(self.from, &start, &end, Order::Ascending, self.size)?;
        self.done = rows.len() < self.size;
        let mut page: VecDeque<(K, V)> = rows.drain(..).filter_map(|e| Some((K::of(e.key()?), e.row))).collect();
        // Rows of the last key may go on behind the page; they are read again with the next one, whole.
        if !self.done
            && let Some(last) = page.back().map(|(k, _)| k.key().to_owned())
        {
            if page.front().is_some_and(|(k, _)| k.key() != last) {
                page.retain(|(k, _)| k.key() != last);
                self.start = last.into_bytes();
            } else {
                // One key fills the page: a larger page holds it.
                self.size *= 4;
                return self.fill();
            }
        }
        self.size = (self.size * 2).min(MOST + 24).max(self.size);
        self.page = page;
        Ok(())
    }

    pub(crate) fn skip(&mut self, start: Vec<u8>) {
        while self.page.front().is_some_and(|(k, _)| k.key().as_bytes() < start.as_slice()) {
            self.page.pop_front();
        }
        if self.page.is_empty() && !self.done {
            self.start = start.max(std::mem::take(&mut self.start));
            self.size = 32;
        }
    }
}

/// An entry of a list.
pub(crate) enum Item<R> {
    Row(String, R),
    /// Keys that begin alike, up to the delimiter.
    Prefix(String),
}

impl<R> Item<R> {
    /// The key or prefix.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Row(name, _) | Self::Prefix(name) => name,
        }
    }
}

/// A page of a list.
pub(crate) struct Listing<R> {
    pub(crate) items: Vec<Item<R>>,
    pub(crate) truncated: bool,
}

/// What a list is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// A rolled-up prefix that was given already.
    pub(crate) given: Option<&'a str>,
    pub(crate) most: usize,
}

/// Walks until the page is full.
pub(crate) fn walk<S: Rows>(rows: &mut S, asked: &Asked<'_>) -> Result<Listing<S::Row>> {
    let mut items = Vec::new();
    if asked.most == 0 {
        return Ok(Listing { items, truncated: false });
    }
    while let Some((key, row)) = rows.next()? {
        let rolled = asked.delimiter.and_then(|d| {
            let at = key.get(asked.prefix.len()..)?.find(d)?;
            key.get(..asked.prefix.len() + at + d.len()).map(ToOwned::to_owned)
        });
        if let Some(prefix) = &rolled {
            rows.skip_to(behind(prefix));
            if asked.given == Some(prefix) {
                continue;
            }
        }
        if items.len() == asked.most {
            return Ok(Listing { items, truncated: true });
        }
        items.push(match rolled {
            Some(prefix) => Item::Prefix(prefix),
            None => Item::Row(key, row),
        });
    }
    Ok(Listing { items, truncated: false })
}

/// Where the page of a continuation token begins.
pub(crate) fn position(scope: &str, token: &str) -> Result<String> {
    let wrong = || error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token);
    paging::position(scope, token).ok_or_else(|| wrong().into())
}

/// A page's size as the request names it.
pub(crate) fn most(asked: Option<i32>, name: &str) -> Result<usize> {
    let Some(asked) = asked else { return Ok(MOST) };
    usize::try_from(asked).map(|n| n.min(MOST)).map_err(|_| {
        let message = format!("Argument {name} must be an integer between 0 and 2147483647");
        error::invalid_argument(message, name, &asked.to_string()).into()
    })
}

/// A page's size as the answer names it.
pub(crate) fn shown_most(most: usize) -> Option<i32> {
    i32::try_from(most).ok()
}

/// Names as the answer writes them: as they are, or encoded for XML that could not carry them.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    encoded: bool,
}

impl Names {
    pub(crate) fn new(encoding: Option<&str>) -> Result<Self> {
        match encoding {
            None => Ok(Self { encoded: false }),
            Some("url") => Ok(Self { encoded: true }),
            Some(other) => {
                Err(error::invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", other)
                    .into())
            }
        }
    }

    pub(crate) fn show(self, name: &str) -> String {
        if !self.encoded {
            return name.to_owned();
        }
        escaped(name)
    }
}

/// A name as forms in URLs have it: a space is a plus sign, and an asterisk stays where a tilde does not.
///
/// Source: measured (github.com/brekkylab/backlot issue 178).
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 16);
    for (at, word) in name.split(' ').enumerate() {
        if at > 0 {
            out.push('+');
        }
        percent_encode(word, true, &mut out);
    }
    if out.contains('~') || out.contains("%2A") { out.replace('~', "%7E").replace("%2A", "*") } else { out }
}

/// A delimiter that means something.
pub(crate) fn delimiter(asked: Option<&String>) -> Option<&str> {
    asked.map(String::as_str).filter(|d| !d.is_empty())
}

/// The bucket of a list.
pub(crate) fn open(cx: &Cx, from: &Snapshot, name: &str, owner: Option<&str>) -> Result<Bucket> {
    crate::bucket::open(cx, from, name, owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Keys(VecDeque<String>);

    impl Rows for Keys {
        type Row = ();

        fn next(&mut self) -> Result<Option<(String, ())>> {
            Ok(self.0.pop_front().map(|k| (k, ())))
        }

        fn skip_to(&mut self, start: Vec<u8>) {
            while self.0.front().is_some_and(|k| k.as_bytes() < start.as_slice()) {
                self.0.pop_front();
            }
        }
    }

    fn list(keys: &[&str], prefix: &str, delimiter: Option<&str>, given: Option<&str>, most: usize) -> (String, bool) {
        let mut rows = Keys(keys.iter().filter(|k| k.starts_with(prefix)).map(|k| (*k).to_owned()).collect());
        match walk(&mut rows, &Asked { prefix, delimiter, given, most }) {
            Ok(page) => (page.items.iter().map(Item::name).collect::<Vec<_>>().join(" "), page.truncated),
            Err(error) => (error.to_string(), false),
        }
    }

    #[test]
    fn prefixes_are_rolled_up() {
        let keys = ["a", "b/1", "b/2", "b/c/3", "d", "e/1"];
        let answer = |text: &str, truncated| (text.to_owned(), truncated);
        assert_eq!(list(&keys, "", None, None, 1000), answer("a b/1 b/2 b/c/3 d e/1", false));
        assert_eq!(list(&keys, "", Some("/"), None, 1000), answer("a b/ d e/", false));
        assert_eq!(list(&keys, "b/", Some("/"), None, 1000), answer("b/1 b/2 b/c/", false));
        assert_eq!(list(&keys, "", Some("/"), None, 2), answer("a b/", true));
        assert_eq!(list(&keys[1..], "", Some("/"), Some("b/"), 2), answer("d e/", false));
        assert_eq!(list(&keys, "", Some("/"), None, 0), answer("", false));
        assert_eq!(behind("a/"), b"a0".to_vec());
    }
}
