//! Configurations of which a bucket has several, each under an id: set, shown, listed and deleted alike.

use serde::Serialize;
use serde::de::DeserializeOwned;
use undercast_kernel::store::{Order, Read, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, paging};

use crate::rows::{Bucket, SETTINGS};
use crate::{bucket, error, listing};

/// A list gives so many at a time.
const PAGE: usize = 100;

/// A bucket has so many of each kind at most.
const MOST: usize = 1000;

/// An id is so long at most.
const MOST_BYTES: usize = 64;

/// What kind of configuration it is: the beginning of the names of its settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(pub(crate) &'static str);

fn missing() -> Failure {
    AwsError::new("NoSuchConfiguration", 404, "The specified configuration does not exist.").into()
}

impl Kind {
    fn name(self, id: &str) -> String {
        format!("{}/{id}", self.0)
    }

    /// The id of a request, which stands in its query and in its body.
    pub(crate) fn check_id(self, query: &str, body: &str) -> Result<()> {
        if query != body {
            let message = "Document ID does not match the specified configuration ID.";
            return Err(AwsError::new("IdMismatch", 400, message).into());
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if query.is_empty() || query.len() > MOST_BYTES || !query.bytes().all(plain) {
            let message = "The specified configuration ID is not valid";
            return Err(error::invalid_argument(message, "id", query).into());
        }
        Ok(())
    }

    pub(crate) fn put<T: Serialize>(self, tx: &mut Tx<'_>, bucket: &Bucket, id: &str, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(Failure::broken)?;
        let name = self.name(id);
        if SETTINGS.get(tx, &bucket.key(&name))?.is_none() && self.ids(tx, bucket, "", MOST)?.len() >= MOST {
            let message = "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.";
            return Err(AwsError::new("TooManyConfigurations", 400, message).into());
        }
        SETTINGS.put(tx, &bucket.key(&name), &text);
        Ok(())
    }

    pub(crate) fn get<T: DeserializeOwned>(self, from: &(impl Read + ?Sized), bucket: &Bucket, id: &str) -> Result<T> {
        let text = SETTINGS.get(from, &bucket.key(&self.name(id)))?.ok_or_else(missing)?;
        serde_json::from_str(&text).map_err(Failure::broken)
    }

    pub(crate) fn delete(self, tx: &mut Tx<'_>, bucket: &Bucket, id: &str) -> Result<()> {
        let name = self.name(id);
        SETTINGS.get(tx, &bucket.key(&name))?.ok_or_else(missing)?;
        SETTINGS.delete(tx, &bucket.key(&name));
        Ok(())
    }

    /// All of a bucket's.
    pub(crate) fn all<T: DeserializeOwned>(self, from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Vec<T>> {
        let texts = self.ids(from, bucket, "", MOST)?.into_iter();
        texts.map(|(_, text)| serde_json::from_str(&text).map_err(Failure::broken)).collect()
    }

    /// Whether a bucket has one.
    pub(crate) fn has_any(self, from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<bool> {
        Ok(!self.ids(from, bucket, "", 1)?.is_empty())
    }

    fn ids(
        self,
        from: &(impl Read + ?Sized),
        bucket: &Bucket,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, String)>> {
        let (start, end) = (self.name(&format!("{after}\0")), format!("{}0", self.0));
        let rows = SETTINGS.range(from, &bucket.key(&start), &bucket.key(&end), Order::Ascending, most)?;
        let named = rows.into_iter().filter_map(|e| Some((e.key::<(String, String, String, String)>()?.3, e.row)));
        Ok(named.filter_map(|(name, text)| Some((name.split_once('/')?.1.to_owned(), text))).collect())
    }
}

/// A page of configurations.
pub(crate) struct Page<T> {
    pub(crate) list: Option<Vec<T>>,
    pub(crate) truncated: bool,
    pub(crate) next: Option<String>,
}

/// A page of the configurations of a bucket.
pub(crate) fn list<T: DeserializeOwned>(
    cx: &Cx,
    kind: Kind,
    name: &str,
    owner: Option<&str>,
    token: Option<&str>,
) -> Result<Page<T>> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, name, owner)?;
    let scope = format!("s3 {} {name}", kind.0);
    let after = token.map(|t| listing::position(&scope, t)).transpose()?.unwrap_or_else(String::new);
    let mut found = kind.ids(&from, &bucket, &after, PAGE + 1)?;
    let truncated = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| truncated).map(|(id, _)| paging::token(&scope, id));
    let list: Vec<T> =
        found.iter().map(|(_, text)| serde_json::from_str(text).map_err(Failure::broken)).collect::<Result<_>>()?;
    Ok(Page { list: (!list.is_empty()).then_some(list), truncated, next })
}
