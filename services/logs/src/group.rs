//! Log groups.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::{retention, stream};

/// Account, region, name → group.
pub(crate) static GROUPS: Table<Group> = Table::new("logs.groups");
/// Account, region → the next id of a group, a stream or an event.
static NEXT_ID: Table<u64> = Table::new("logs.next_id");
/// A group has at most so many tags.
const MOST_TAGS: usize = 50;

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Group {
    /// Unique in the account and region, also among groups of the same name.
    #[n(0)]
    pub(crate) id: u64,
    #[n(1)]
    pub(crate) name: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    /// Days; `None`: events never end.
    #[n(3)]
    pub(crate) retention: Option<i32>,
    #[n(4)]
    pub(crate) tags: BTreeMap<String, String>,
    /// A sweep of what has ended is planned.
    #[n(5)]
    pub(crate) swept: bool,
}

impl Group {
    /// Events before this moment (ms) have ended.
    pub(crate) fn horizon(&self, now: i64) -> i64 {
        self.retention.map_or(i64::MIN, |days| now - retention::millis(days))
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("logs", &format!("log-group:{}", self.name))
    }

    pub(crate) fn put(&self, cx: &Cx, tx: &mut Tx<'_>) {
        GROUPS.put(tx, &cx.key(self.name.as_str()), self);
    }
}

/// A fresh id.
pub(crate) fn next_ids(cx: &Cx, tx: &mut Tx<'_>, count: usize) -> Result<u64> {
    let first = NEXT_ID.get(tx, &(cx.account(), cx.region()))?.unwrap_or(1);
    NEXT_ID.put(tx, &(cx.account(), cx.region()), &(first + u64::try_from(count).map_err(Failure::broken)?));
    Ok(first)
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

/// The name in what identifies a group: a name, or an ARN, with `:*` behind it or not.
pub(crate) fn name_in(identifier: &str) -> &str {
    let name = identifier.split_once(":log-group:").map_or(identifier, |(_, name)| name);
    name.strip_suffix(":*").unwrap_or(name)
}

/// The group that is called so.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Group> {
    let found = GROUPS.get(from, &cx.key(name))?;
    found.ok_or_else(|| errors::resource_not_found_exception("The specified log group does not exist.").into())
}

/// The group that a call names in one of the two ways.
pub(crate) fn named(cx: &Cx, from: &impl Read, name: Option<&String>, identifier: Option<&String>) -> Result<Group> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters.")),
        (Some(name), None) => find(cx, from, name),
        (None, Some(identifier)) => {
            if let Some(arn) = Arn::parse(identifier).filter(|a| a.account != cx.account()) {
                return Err(Failure::not_built(format!("a log group of another account ({})", arn.account)));
            }
            find(cx, from, name_in(identifier))
        }
        (None, None) => Err(invalid("Either LogGroup name or LogGroup ARN must be specified.")),
    }
}

fn check_tags(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    undercast_kernel::tags::check(tags, others, MOST_TAGS).map_err(|bad| match bad {
        undercast_kernel::tags::BadTag::TooMany(_) => errors::too_many_tags_exception(bad.to_string()).into(),
        _ => invalid(bad.to_string()),
    })
}

pub(crate) async fn create(cx: &Cx, input: api::CreateLogGroupInput) -> Result<()> {
    if let Some(class) = input.log_group_class.filter(|c| c != "STANDARD") {
        return Err(Failure::not_built(format!("the log group class {class}")));
    }
    let tags = input.tags.unwrap_or_else(BTreeMap::new);
    check_tags(&tags, 0)?;
    cx.write(|tx| {
        if GROUPS.has(tx, &cx.key(input.log_group_name.as_str()))? {
            return Err(errors::resource_already_exists_exception("The specified log group already exists").into());
        }
        let group = Group {
            id: next_ids(cx, tx, 1)?,
            name: input.log_group_name.clone(),
            created: cx.now_millis(),
            retention: None,
            tags: tags.clone(),
            swept: false,
        };
        group.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, name: &str) -> Result<()> {
    cx.write(|tx| {
        let group = find(cx, tx, name)?;
        for stream in stream::STREAMS.all(tx, &cx.key(group.id))? {
            stream::EVENTS.clear(tx, &cx.key(stream.row.id))?;
        }
        stream::STREAMS.clear(tx, &cx.key(group.id))?;
        GROUPS.delete(tx, &cx.key(name));
        retention::cancel(cx, tx, &group)
    })
    .await
}

/// A group as answers show it.
fn show(cx: &Cx, from: &impl Read, group: &Group) -> Result<output::LogGroup> {
    let stored: i64 = stream::STREAMS.all(from, &cx.key(group.id))?.iter().map(|s| s.row.stored).sum();
    Ok(output::LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created),
        retention_in_days: group.retention,
        metric_filter_count: Some(0),
        arn: Some(format!("{}:*", group.arn(cx))),
        stored_bytes: Some(stored),
        log_group_class: Some("STANDARD".to_owned()),
        log_group_arn: Some(group.arn(cx)),
        deletion_protection_enabled: Some(false),
        ..output::LogGroup::default()
    })
}

pub(crate) async fn describe(cx: &Cx, input: api::DescribeLogGroupsInput) -> Result<api::DescribeLogGroupsOutput> {
    let prefix = input.log_group_name_prefix.filter(|p| !p.is_empty());
    let part = input.log_group_name_pattern.filter(|p| !p.is_empty());
    if prefix.is_some() && part.is_some() {
        return Err(invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
    }
    let wanted: Option<Vec<String>> =
        input.log_group_identifiers.map(|all| all.iter().map(|i| name_in(i).to_owned()).collect());
    let scope = format!("DescribeLogGroups/{prefix:?}/{part:?}/{wanted:?}/{:?}", input.log_group_class);
    let after = token_position(&scope, input.next_token.as_deref())?;
    let limit = usize::try_from(input.limit.unwrap_or(50)).map_err(Failure::broken)?;
    let read = cx.read();
    let all = GROUPS.all(&read, &(cx.account(), cx.region()))?;
    let chosen = |g: &Group| {
        prefix.as_ref().is_none_or(|p| g.name.starts_with(p))
            && part.as_ref().is_none_or(|p| g.name.contains(p))
            && wanted.as_ref().is_none_or(|w| w.contains(&g.name))
            && input.log_group_class.as_ref().is_none_or(|c| c == "STANDARD")
            && after.as_ref().is_none_or(|a| g.name > *a)
    };
    let mut rest = all.into_iter().map(|e| e.row).filter(chosen);
    let page: Vec<Group> = rest.by_ref().take(limit).collect();
    let next_token = rest.next().and(page.last()).map(|last| paging::token(&scope, &last.name));
    let log_groups = page.iter().map(|g| show(cx, &read, g)).collect::<Result<Vec<_>>>()?;
    Ok(api::DescribeLogGroupsOutput { log_groups: Some(log_groups), next_token })
}

/// Where a page begins.
pub(crate) fn token_position(scope: &str, token: Option<&str>) -> Result<Option<String>> {
    let position = |t| paging::position(scope, t).ok_or_else(|| invalid("The specified nextToken is invalid."));
    token.map(position).transpose()
}

/// The group that an ARN of a tagging call names.
fn of_arn(cx: &Cx, from: &impl Read, arn: &str) -> Result<Group> {
    let parsed = Arn::parse(arn).filter(|a| a.service == "logs");
    let Some(parsed) = parsed else { return Err(invalid("The specified resource ARN is invalid.")) };
    let Some(name) = parsed.resource.strip_prefix("log-group:") else {
        return Err(Failure::not_built(format!("tags of {arn}")));
    };
    let name = name.strip_suffix(":*").unwrap_or(name);
    let found = GROUPS.get(from, &(parsed.account.as_str(), cx.region(), name))?;
    found.ok_or_else(|| errors::resource_not_found_exception("The specified resource does not exist.").into())
}

/// How a tagging call names its group.
pub(crate) enum Tagged<'a> {
    Name(&'a str),
    Arn(&'a str),
}

impl Tagged<'_> {
    fn find(&self, cx: &Cx, from: &impl Read) -> Result<Group> {
        match self {
            Self::Name(name) => find(cx, from, name),
            Self::Arn(arn) => of_arn(cx, from, arn),
        }
    }
}

pub(crate) async fn tag(cx: &Cx, whose: Tagged<'_>, tags: BTreeMap<String, String>) -> Result<()> {
    cx.write(|tx| {
        let mut group = whose.find(cx, tx)?;
        check_tags(&tags, group.tags.keys().filter(|k| !tags.contains_key(*k)).count())?;
        group.tags.extend(tags.clone());
        group.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, whose: Tagged<'_>, keys: &[String]) -> Result<()> {
    cx.write(|tx| {
        let mut group = whose.find(cx, tx)?;
        group.tags.retain(|key, _| !keys.contains(key));
        group.put(cx, tx);
        Ok(())
    })
    .await
}

pub(crate) fn tags(cx: &Cx, whose: &Tagged<'_>) -> Result<BTreeMap<String, String>> {
    Ok(whose.find(cx, &cx.read())?.tags)
}

/// The streams of a group, by name.
pub(crate) fn streams(cx: &Cx, from: &impl Read, group: &Group) -> Result<Vec<(String, stream::Stream)>> {
    let rows = stream::STREAMS.page(from, &cx.key(group.id), None::<&()>, Order::Ascending, usize::MAX)?;
    Ok(rows.into_iter().filter_map(|e| Some((e.key::<(stream::Placed, String)>()?.1, e.row))).collect())
}

/// The error for a stream that is not there.
pub(crate) fn no_stream() -> AwsError {
    errors::resource_not_found_exception("The specified log stream does not exist.")
}
