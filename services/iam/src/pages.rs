//! Pages of IAM's lists: `MaxItems` (100 by default) and `Marker`.

use undercast_kernel::{AwsError, Result, paging};

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
