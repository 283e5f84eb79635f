//! TagResource, UntagResource and ListTagsOfResource.

use crate::DynamoDb;
use crate::api::input::Tag;
use crate::api::output;
use crate::api::{ListTagsOfResourceInput, ListTagsOfResourceOutput, TagResourceInput, UntagResourceInput};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::table::Table;
use std::sync::Arc;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, paging, tags};
use undercast_store::Read;

pub(crate) use undercast_kernel::tags::Tags;

/// Most tags of a table.
const MAX_TAGS: usize = 50;
/// How many tags ListTagsOfResource answers with at a time.
const PAGE: usize = 10;

/// The tags of a request.
///
/// # Errors
/// When a key is given twice, or AWS does not allow one.
pub(crate) fn tags(given: impl IntoIterator<Item = Tag>) -> Result<Tags> {
    let mut all = Tags::new();
    for tag in given {
        if let Some(_twice) = all.insert(tag.key.clone(), tag.value) {
            return Err(Error::invalid(format_args!("Duplicate Tag Key: {}", tag.key)));
        }
    }
    tags::check(&all, 0, MAX_TAGS).map_err(Error::invalid)?;
    Ok(all)
}

impl DynamoDb {
    /// Sets tags of a table.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn tag(&self, cx: &Cx, input: TagResourceInput) -> Result<()> {
        let new = tags(input.tags)?;
        cx.write(|tx| {
            let table = self.tagged(cx, tx, &input.resource_arn)?;
            let mut all = rows::tags(tx, scope(cx), &table.id)?;
            all.extend(new.clone());
            tags::check(&Tags::new(), all.len(), MAX_TAGS).map_err(Error::invalid)?;
            rows::put_tags(tx, scope(cx), &table.id, &all);
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// Takes tags off a table; those it does not have do not matter.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn untag(&self, cx: &Cx, input: UntagResourceInput) -> Result<()> {
        cx.write(|tx| {
            let table = self.tagged(cx, tx, &input.resource_arn)?;
            let mut all = rows::tags(tx, scope(cx), &table.id)?;
            all.retain(|key, _| !input.tag_keys.contains(key));
            rows::put_tags(tx, scope(cx), &table.id, &all);
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// The tags of a table, a page at a time.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn list_tags(&self, cx: &Cx, input: &ListTagsOfResourceInput) -> Result<ListTagsOfResourceOutput> {
        let from = cx.read();
        let table = self.tagged(cx, &from, &input.resource_arn)?;
        let list = format!("ListTagsOfResource {}", table.id);
        let after = match &input.next_token {
            None => None,
            Some(token) => Some(paging::position(&list, token).ok_or_else(|| Error::validation("Invalid NextToken"))?),
        };
        let all = rows::tags(&from, scope(cx), &table.id)?;
        let mut left = all.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        let page: Vec<output::Tag> = left.by_ref().take(PAGE).map(|(key, value)| output::Tag { key, value }).collect();
        let more = left.next().is_some();
        let next_token = page.last().filter(|_| more).map(|last| paging::token(&list, &last.key));
        Ok(ListTagsOfResourceOutput { tags: Some(page), next_token })
    }

    fn tagged(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Arc<Table>> {
        let arn = Arn::parse(given).filter(|arn| arn.service == "dynamodb");
        let arn = arn.ok_or_else(|| {
            Error::validation(format_args!("Invalid TableArn: Invalid ResourceArn provided as input {given}"))
        })?;
        let name = arn.resource.strip_prefix("table/").filter(|name| !name.contains('/'));
        let here = arn.account == cx.account() && arn.region == cx.region();
        let found = match name.filter(|_| here) {
            Some(name) => self.descriptions.get(from, scope(cx), name)?,
            None => None,
        };
        found.ok_or_else(|| Error::arn_not_found(given))
    }
}
