//! Tags of endpoints, validations and bindings.

use undercast_kernel::store::Tx;
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result};

use super::rows::{BINDINGS, ENDPOINTS, Named, VALIDATIONS, missing};
use crate::api::{self, errors};
use crate::{error, tagging};

/// A resource has so many tags at most.
const MOST: usize = 50;

fn named(cx: &Cx, arn: &str) -> Result<Named> {
    // A certificate has its own operations.
    if crate::rows::id_of(arn).is_some() {
        return Err(error::validation(format!("{arn} is not the ARN of an ACME resource.")));
    }
    Named::parse(cx, arn).ok_or_else(|| missing(arn))
}

/// `ListTagsForResource`
pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let tags = named(cx, &input.resource_arn)?.tags(cx, &cx.read())?;
    let tags = tags.ok_or_else(|| missing(&input.resource_arn))?;
    Ok(api::ListTagsForResourceOutput { tags: Some(tagging::shown(&tags)) })
}

async fn change(cx: &Cx, arn: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    let named = named(cx, arn)?;
    let gone = || -> Failure { missing(arn) };
    cx.write(|tx: &mut Tx<'_>| {
        match &named {
            Named::Endpoint(id) => {
                let mut row = ENDPOINTS.get(tx, &cx.key(id))?.ok_or_else(gone)?;
                change(&mut row.tags)?;
                ENDPOINTS.put(tx, &cx.key(id), &row);
            }
            Named::Validation(endpoint, id) => {
                let place = (cx.account(), cx.region(), endpoint, id);
                let mut row = VALIDATIONS.get(tx, &place)?.ok_or_else(gone)?;
                change(&mut row.tags)?;
                VALIDATIONS.put(tx, &place, &row);
            }
            Named::Binding(endpoint, id) => {
                let place = (cx.account(), cx.region(), endpoint, id);
                let mut row = BINDINGS.get(tx, &place)?.ok_or_else(gone)?;
                change(&mut row.tags)?;
                BINDINGS.put(tx, &place, &row);
            }
        }
        Ok(())
    })
    .await
}

/// `TagResource`
pub(crate) async fn tag(cx: &Cx, input: &api::TagResourceInput) -> Result<()> {
    let new = tagging::of_acme(Some(&input.tags))?;
    change(cx, &input.resource_arn, |tags| {
        tags.extend(new.clone());
        if tags.len() > MOST {
            let message = format!("A resource has at most {MOST} tags.");
            return Err(errors::service_quota_exceeded_exception(message).into());
        }
        Ok(())
    })
    .await
}

/// `UntagResource`
pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}
