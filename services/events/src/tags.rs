//! Tags of buses and rules: TagResource and its kin.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, input, output};
use crate::bus::BUSES;
use crate::error::{managed, no_rule, too_many, validation};
use crate::name::Tagged;
use crate::rule::{self, RULES};

/// A resource has at most so many.
const MOST: usize = 50;

/// The tags of a request.
pub(crate) fn read(given: Option<Vec<input::Tag>>) -> Result<Tags> {
    let mut all = Tags::new();
    for tag in given.into_iter().flatten() {
        if all.insert(tag.key, tag.value).is_some() {
            return Err(validation("Duplicate tag keys found. Please note that Tag keys are case insensitive.").into());
        }
    }
    check(&all, 0)?;
    Ok(all)
}

/// Checks tags that come to so many others.
fn check(given: &Tags, others: usize) -> Result<()> {
    match tags::check(given, others, MOST) {
        Ok(()) => Ok(()),
        Err(BadTag::TooMany(_)) => Err(too_many().into()),
        Err(bad) => Err(validation(format!("Parameter Tags is not valid. Reason: {bad}.")).into()),
    }
}

fn parse(arn: &str) -> Result<Tagged> {
    Tagged::parse(arn).ok_or_else(|| {
        validation(format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")).into()
    })
}

/// The tags of a bus or a rule.
pub(crate) fn of(from: &(impl Read + ?Sized), of: &Tagged) -> Result<Tags> {
    match of {
        Tagged::Bus(bus) => Ok(bus.find(from)?.tags),
        Tagged::Rule(bus, rule) => {
            bus.find(from)?;
            let found = RULES.get(from, &(bus.key(), rule))?;
            // Errors of tags have words of their own for it.
            let missing = || errors::resource_not_found_exception(no_rule(bus, rule).message);
            Ok(found.ok_or_else(missing)?.tags)
        }
    }
}

fn change(tx: &mut Tx<'_>, cx: &Cx, of: &Tagged, change: impl FnOnce(&mut Tags) -> Result<()>) -> Result<()> {
    match of {
        Tagged::Bus(name) => {
            let mut bus = name.find(tx)?;
            change(&mut bus.tags)?;
            BUSES.put(tx, &name.key(), &bus);
        }
        Tagged::Rule(bus, name) => {
            let mut rule = rule::find(cx, tx, bus, name)?;
            if let Some(by) = &rule.managed_by {
                return Err(managed(name, by).into());
            }
            change(&mut rule.tags)?;
            RULES.put(tx, &(bus.key(), name), &rule);
        }
    }
    Ok(())
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let (resource, given) = (parse(&input.resource_arn)?, read(Some(input.tags))?);
    cx.write(|tx| {
        change(tx, cx, &resource, |tags| {
            check(&given, tags.keys().filter(|key| !given.contains_key(*key)).count())?;
            tags.extend(given.clone());
            Ok(())
        })
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
    let resource = parse(&input.resource_arn)?;
    cx.write(|tx| {
        change(tx, cx, &resource, |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let found = of(&cx.read(), &parse(&input.resource_arn)?)?;
    let tags = found.into_iter().map(|(key, value)| output::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}
