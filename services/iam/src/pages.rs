//! What lists have in common: pages (`MaxItems`, 100 by default, and `Marker`), tags, rows of a user.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{AwsError, Result, paging};

use crate::api::output;
use crate::entity::tags_output;

/// A page of a list that is in order of `name`, with the marker of the next one.
pub(crate) fn page<T>(
    list: &str,
    items: Vec<T>,
    name: impl Fn(&T) -> String,
    marker: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<T>, Option<bool>, Option<String>)> {
    let after = match marker {
        Some(marker) => {
            let bad = || AwsError::new("ValidationError", 400, format!("Invalid Marker: {marker}"));
            Some(paging::position(list, marker).ok_or_else(bad)?)
        }
        None => None,
    };
    let limit = usize::try_from(most.unwrap_or(100)).unwrap_or(100);
    let mut rest = items.into_iter().filter(|i| after.as_ref().is_none_or(|a| name(i) > *a));
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let marker = page.last().filter(|_| more).map(|last| paging::token(list, &name(last)));
    Ok((page, Some(more), marker))
}

/// A page of tags, in the order of their keys.
pub(crate) fn tags(
    list: &str,
    tags: &BTreeMap<String, String>,
    marker: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<output::Tag>, Option<bool>, Option<String>)> {
    page(list, tags_output(tags).unwrap_or_else(Vec::new), |tag| tag.key.clone(), marker, most)
}

/// What a user has goes with it to another name: rows under account, user and an id.
pub(crate) fn move_rows<V: for<'b> Decode<'b, ()> + Encode<()>>(
    tx: &mut Tx<'_>,
    table: &Table<V>,
    account: &str,
    before: &str,
    after: &str,
) -> Result<()> {
    for entry in table.all(tx, &(account, before))? {
        let Some((_, _, id)) = entry.key::<(String, String, String)>() else { continue };
        table.delete(tx, &(account, before, &id));
        table.put(tx, &(account, after, &id), &entry.row);
    }
    Ok(())
}
