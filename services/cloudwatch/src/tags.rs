//! Tags of alarms, mute rules, dashboards and rules of Contributor Insights. Services make the rules, and give them none.

use std::collections::BTreeMap;

use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, BadTag};
use undercast_kernel::{Cx, Failure, Result, insights};

use crate::alarms::{ALARMS, Alarm, MUTES, MuteRule};
use crate::api::{self, errors, output};
use crate::dashboards::{DASHBOARDS, Dashboard};
use crate::error::invalid;

const MOST: usize = 50;

/// What has tags.
enum Tagged {
    Alarm(Box<Alarm>),
    Dashboard(String, Box<Dashboard>),
    MuteRule(String, Box<MuteRule>),
}

fn not_found(kind: &str, arn: &str) -> Failure {
    let error = errors::resource_not_found_exception(format!("The resource {arn} does not exist."));
    error.with("ResourceType", kind).with("ResourceId", arn).into()
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), text: &str) -> Result<Tagged> {
    let wrong = || invalid(format!("The value {text} for parameter ResourceARN is invalid."));
    let arn = Arn::parse(text).filter(|arn| arn.service == "cloudwatch").ok_or_else(wrong)?;
    if arn.account != cx.account() {
        return Err(not_found("resource", text));
    }
    if let Some(name) = arn.resource.strip_prefix("alarm:") {
        let found = ALARMS.get(from, &(arn.account.as_str(), arn.region.as_str(), name))?;
        return found.map(|alarm| Tagged::Alarm(Box::new(alarm))).ok_or_else(|| not_found("alarm", text));
    }
    if let Some(name) = arn.resource.strip_prefix("alarm-mute-rule:") {
        let found = MUTES.get(from, &(arn.account.as_str(), arn.region.as_str(), name))?;
        let tagged = |rule| Tagged::MuteRule(name.to_owned(), Box::new(rule));
        return found.map(tagged).ok_or_else(|| not_found("alarm-mute-rule", text));
    }
    if let Some(name) = arn.resource.strip_prefix("dashboard/") {
        let found = DASHBOARDS.get(from, &(arn.account.as_str(), name))?;
        let tagged = |dashboard| Tagged::Dashboard(name.to_owned(), Box::new(dashboard));
        return found.map(tagged).ok_or_else(|| not_found("dashboard", text));
    }
    if arn.resource.starts_with("insight-rule/") {
        return Err(Failure::not_built("tags of rules of Contributor Insights"));
    }
    Err(wrong())
}

impl Tagged {
    fn tags(&mut self) -> &mut BTreeMap<String, String> {
        match self {
            Self::Alarm(alarm) => &mut alarm.tags,
            Self::Dashboard(_, dashboard) => &mut dashboard.tags,
            Self::MuteRule(_, rule) => &mut rule.tags,
        }
    }

    fn put(&self, cx: &Cx, tx: &mut Tx<'_>) {
        match self {
            Self::Alarm(alarm) => ALARMS.put(tx, &cx.key(&alarm.name), alarm),
            Self::MuteRule(name, rule) => MUTES.put(tx, &cx.key(name.as_str()), rule),
            Self::Dashboard(name, dashboard) => DASHBOARDS.put(tx, &(cx.account(), name.as_str()), dashboard),
        }
    }
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let from = cx.read();
    if let Some(rule) =
        Arn::parse(&input.resource_arn).and_then(|a| a.resource.strip_prefix("insight-rule/").map(ToOwned::to_owned))
    {
        let there = insights::rule(cx, &from, &rule)?.is_some();
        return if there {
            Ok(api::ListTagsForResourceOutput { tags: Some(Vec::new()) })
        } else {
            Err(not_found("insight-rule", &input.resource_arn))
        };
    }
    let mut found = find(cx, &from, &input.resource_arn)?;
    let tags = std::mem::take(found.tags()).into_iter().map(|(key, value)| output::Tag { key, value });
    Ok(api::ListTagsForResourceOutput { tags: Some(tags.collect()) })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let given: tags::Tags = input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    cx.write(|tx| {
        let mut found = find(cx, tx, &input.resource_arn)?;
        let there = found.tags();
        let kept = there.keys().filter(|key| !given.contains_key(*key)).count();
        tags::check(&given, kept, MOST).map_err(|why: BadTag| invalid(format!("Tags are invalid: {why}.")))?;
        there.extend(given.clone());
        found.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let mut found = find(cx, tx, &input.resource_arn)?;
        found.tags().retain(|key, _| !input.tag_keys.contains(key));
        found.put(cx, tx);
        Ok(())
    })
    .await
}
