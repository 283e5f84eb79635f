//! Archives: the events of a bus, kept for those who want them again.
//!
//! As on AWS an archive is behind a rule that the service makes on the bus and that nobody else may change. Its events are kept in the
//! order of their times, and stored with what acknowledges them.
//!
//! Source: "Archiving and replaying events in Amazon EventBridge" in the user guide.

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Next, Result, Task};
use undercast_pattern::Pattern;

use crate::Events;
use crate::api::kept::{InputTransformer, Target};
use crate::api::{self, errors, output};
use crate::bus::{moment, page};
use crate::error::{bad_pattern, validation};
use crate::event::Event;
use crate::name::BusName;
use crate::rule::{self, RULES, Rule, State};
use crate::target::{Row, TARGETS};

/// Account, region, name.
pub(crate) static ARCHIVES: Table<Archive> = Table::new("events.archives");
/// Account, region, id of the archive; seconds of the event, its id.
pub(crate) static ARCHIVED: Table<Kept> = Table::new("events.archived");

/// The service behind the rules of archives.
const MANAGER: &str = "prod.vhs.events.aws.internal";
/// The kind of the tasks that remove what is too old.
pub(crate) const SWEEP: &str = "archive";
const DAY: i64 = 86_400_000;
/// So many events are looked at in one go.
const BATCH: usize = 1000;

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Archive {
    #[n(0)]
    pub(crate) name: String,
    /// Another one for each that is made, so that one made anew begins empty.
    #[n(1)]
    pub(crate) id: String,
    /// The bus, by its name.
    #[n(2)]
    pub(crate) bus: String,
    #[n(3)]
    description: Option<String>,
    #[n(4)]
    pattern: Option<String>,
    /// 0: for ever.
    #[n(5)]
    days: u32,
    #[n(6)]
    created: i64,
    #[n(7)]
    count: u64,
    #[n(8)]
    bytes: u64,
}

/// An event in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Kept {
    #[n(0)]
    pub(crate) event: String,
    /// When it came, in milliseconds since 1970.
    #[n(1)]
    kept: i64,
    #[n(2)]
    bytes: u64,
}

impl Archive {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("events", &format!("archive/{}", self.name))
    }

    fn rule_name(&self) -> String {
        format!("Events-Archive-{}", self.name)
    }

    /// The first moment at which an event that came then is too old.
    fn end(&self, kept: i64) -> Option<i64> {
        (self.days > 0).then(|| kept + i64::from(self.days) * DAY)
    }
}

fn missing(name: &str) -> Failure {
    errors::resource_not_found_exception(format!("Archive {name} does not exist.")).into()
}

pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Archive> {
    ARCHIVES.get(from, &cx.key(name))?.ok_or_else(|| missing(name))
}

/// What the rule of an archive wants: what the archive does, but for what comes out of archives.
fn pattern_of_rule(pattern: Option<&str>) -> Result<String> {
    let mut all = match pattern {
        Some(text) => serde_json::from_str(text).map_err(Failure::broken)?,
        None => json!({}),
    };
    all["replay-name"] = json!([{"exists": false}]);
    Ok(all.to_string())
}

fn check_pattern(pattern: Option<&str>) -> Result<()> {
    match pattern {
        Some(text) => Pattern::parse(text).map(drop).map_err(|why| bad_pattern(&why).into()),
        None => Ok(()),
    }
}

/// The bus of an ARN, which must be of this account and region.
fn bus_of(cx: &Cx, arn: &str) -> Result<BusName> {
    let invalid = || validation("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.");
    let bus = BusName::from_arn(arn).ok_or_else(invalid)?;
    if bus.account != cx.account() || bus.region != cx.region() {
        return Err(invalid().into());
    }
    Ok(bus)
}

/// Makes the rule of an archive, or changes it.
fn put_rule(cx: &Cx, tx: &mut Tx<'_>, archive: &Archive) -> Result<()> {
    let bus = BusName::new(cx, &archive.bus);
    let name = archive.rule_name();
    let rule = Rule {
        name: name.clone(),
        pattern: Some(pattern_of_rule(archive.pattern.as_deref())?),
        schedule: None,
        state: State::Enabled,
        description: None,
        role: None,
        tags: Tags::new(),
        managed_by: Some(MANAGER.to_owned()),
        created_by: cx.account().to_owned(),
        change: rule::changed(tx, &bus)?,
        begun: cx.now_millis(),
    };
    RULES.put(tx, &(bus.key(), &name), &rule);
    let template = format!(
        "{{\"archive-arn\": \"{}:{}\", \"event\": <aws.events.event.json>, \"ingestion-time\": <aws.events.event.ingestion-time>}}",
        archive.arn(cx),
        archive.id
    );
    let target = Target {
        id: name.clone(),
        arn: format!("arn:{}:events:{}:::", cx.partition(), cx.region()),
        input_transformer: Some(InputTransformer { input_paths_map: None, input_template: template }),
        ..Target::default()
    };
    TARGETS.put(tx, &(bus.key(), &name, &name), &Row::new(&target)?);
    Ok(())
}

/// The archive that a target of a rule stands for, if it does.
pub(crate) fn behind(target: &str, arn: &str) -> Option<String> {
    if !arn.ends_with(":::") {
        return None;
    }
    target.strip_prefix("Events-Archive-").map(str::to_owned)
}

/// Keeps an event in an archive.
pub(crate) fn keep(cx: &Cx, tx: &mut Tx<'_>, name: &str, event: &Event) -> Result<()> {
    // It was deleted meanwhile.
    let Some(mut archive) = ARCHIVES.get(tx, &cx.key(name))? else { return Ok(()) };
    let key = (cx.key(&archive.id), event.time, &event.id);
    if ARCHIVED.has(tx, &key)? {
        return Ok(());
    }
    let bytes = u64::try_from(event.text().len()).unwrap_or(0);
    let text = serde_json::to_string(event).map_err(Failure::broken)?;
    ARCHIVED.put(tx, &key, &Kept { event: text, kept: cx.now_millis(), bytes });
    archive.count += 1;
    archive.bytes += bytes;
    ARCHIVES.put(tx, &cx.key(name), &archive);
    match archive.end(cx.now_millis()) {
        Some(end) => {
            let (tasks, due) = (cx.tasks(), moment(end));
            tasks.schedule_sooner(cx, tx, "events", &task(cx, &archive), SWEEP, archive.name.clone(), due)
        }
        None => Ok(()),
    }
}

fn task(cx: &Cx, archive: &Archive) -> String {
    format!("archive/{}/{}/{}", cx.account(), cx.region(), archive.id)
}

/// Removes what is too old, and says when there is more of it.
pub(crate) async fn sweep(cx: &Cx, task: &Task) -> Result<Next> {
    let mut after: Option<(String, String, String, i64, String)> = None;
    let mut oldest: Option<i64> = None;
    loop {
        let from = cx.read();
        let Some(archive) = ARCHIVES.get(&from, &cx.key(&task.payload))? else { return Ok(Next::Done) };
        let Some(latest) = archive.end(0).map(|span| cx.now_millis() - span) else { return Ok(Next::Done) };
        let prefix = cx.key(&archive.id);
        let order = undercast_kernel::store::Order::Ascending;
        let rows = ARCHIVED.page(&from, &prefix, after.as_ref(), order, BATCH)?;
        let Some(last) = rows.last() else { break };
        after = last.key();
        let (old, young): (Vec<_>, Vec<_>) = rows.iter().partition(|entry| entry.row.kept <= latest);
        oldest = young.iter().map(|entry| entry.row.kept).chain(oldest).min();
        if old.is_empty() {
            continue;
        }
        cx.write(|tx| {
            let Some(mut archive) = ARCHIVES.get(tx, &cx.key(&task.payload))? else { return Ok(()) };
            for entry in &old {
                let Some(key) = entry.key::<(String, String, String, i64, String)>() else { continue };
                if ARCHIVED.has(tx, &key)? {
                    ARCHIVED.delete(tx, &key);
                    archive.count = archive.count.saturating_sub(1);
                    archive.bytes = archive.bytes.saturating_sub(entry.row.bytes);
                }
            }
            ARCHIVES.put(tx, &cx.key(&task.payload), &archive);
            Ok(())
        })
        .await?;
    }
    let archive = ARCHIVES.get(&cx.read(), &cx.key(&task.payload))?;
    let next = archive.and_then(|archive| oldest.and_then(|kept| archive.end(kept)));
    Ok(next.map_or(Next::Done, |due| Next::Again(moment(due))))
}

fn days(given: Option<i32>) -> u32 {
    given.and_then(|days| u32::try_from(days).ok()).unwrap_or(0)
}

pub(crate) async fn create(
    service: &Events,
    cx: &Cx,
    input: api::CreateArchiveInput,
) -> Result<api::CreateArchiveOutput> {
    let bus = bus_of(cx, &input.event_source_arn)?;
    check_pattern(input.event_pattern.as_deref())?;
    service.listen_for(cx, &pattern_of_rule(input.event_pattern.as_deref())?);
    let archive = Archive {
        name: input.archive_name,
        id: cx.random().uuid(),
        bus: bus.name.clone(),
        description: input.description,
        pattern: input.event_pattern,
        days: days(input.retention_days),
        created: cx.now_millis(),
        count: 0,
        bytes: 0,
    };
    cx.write(|tx| {
        bus.find(tx)?;
        if ARCHIVES.has(tx, &cx.key(&archive.name))? {
            let message = format!("Archive {} already exists.", archive.name);
            return Err(errors::resource_already_exists_exception(message).into());
        }
        put_rule(cx, tx, &archive)?;
        ARCHIVES.put(tx, &cx.key(&archive.name), &archive);
        Ok(())
    })
    .await?;
    Ok(api::CreateArchiveOutput {
        archive_arn: Some(archive.arn(cx)),
        state: Some("ENABLED".to_owned()),
        state_reason: None,
        creation_time: Some(moment(archive.created)),
    })
}

pub(crate) async fn update(
    service: &Events,
    cx: &Cx,
    input: api::UpdateArchiveInput,
) -> Result<api::UpdateArchiveOutput> {
    if input.description.is_none() && input.event_pattern.is_none() && input.retention_days.is_none() {
        let message = "At least one of EventPattern, RetentionDays or Description must be provided.";
        return Err(validation(message).into());
    }
    check_pattern(input.event_pattern.as_deref())?;
    if let Some(pattern) = &input.event_pattern {
        service.listen_for(cx, pattern);
    }
    let archive = cx
        .write(|tx| {
            let mut archive = find(cx, tx, &input.archive_name)?;
            if let Some(description) = &input.description {
                archive.description = Some(description.clone());
            }
            if let Some(pattern) = &input.event_pattern {
                archive.pattern = Some(pattern.clone());
                put_rule(cx, tx, &archive)?;
            }
            if input.retention_days.is_some() {
                archive.days = days(input.retention_days);
                // What is there may be too old by now.
                let id = task(cx, &archive);
                cx.tasks().schedule(cx, tx, "events", &id, SWEEP, archive.name.clone(), cx.now())?;
            }
            ARCHIVES.put(tx, &cx.key(&archive.name), &archive);
            Ok(archive)
        })
        .await?;
    Ok(api::UpdateArchiveOutput {
        archive_arn: Some(archive.arn(cx)),
        state: Some("ENABLED".to_owned()),
        state_reason: None,
        creation_time: Some(moment(archive.created)),
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteArchiveInput) -> Result<()> {
    cx.write(|tx| {
        let archive = find(cx, tx, &input.archive_name)?;
        let (bus, rule) = (BusName::new(cx, &archive.bus), archive.rule_name());
        RULES.delete(tx, &(bus.key(), &rule));
        TARGETS.clear(tx, &(bus.key(), &rule))?;
        rule::changed(tx, &bus)?;
        ARCHIVED.clear(tx, &cx.key(&archive.id))?;
        ARCHIVES.delete(tx, &cx.key(&archive.name));
        cx.tasks().cancel(tx, "events", &task(cx, &archive))
    })
    .await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeArchiveInput) -> Result<api::DescribeArchiveOutput> {
    let archive = find(cx, &cx.read(), &input.archive_name)?;
    Ok(api::DescribeArchiveOutput {
        archive_arn: Some(archive.arn(cx)),
        event_source_arn: Some(BusName::new(cx, &archive.bus).arn()),
        archive_name: Some(archive.name),
        description: archive.description,
        event_pattern: archive.pattern,
        state: Some("ENABLED".to_owned()),
        state_reason: None,
        kms_key_identifier: None,
        retention_days: i32::try_from(archive.days).ok(),
        size_bytes: i64::try_from(archive.bytes).ok(),
        event_count: i64::try_from(archive.count).ok(),
        creation_time: Some(moment(archive.created)),
    })
}

/// Refuses more than one of the filters that a list can have.
pub(crate) fn check_filters(operation: &str, given: [bool; 3]) -> Result<()> {
    if given.iter().filter(|is| **is).count() > 1 {
        let message = format!(
            "At most one filter is allowed for {operation}. Use either : State, EventSourceArn, or NamePrefix."
        );
        return Err(validation(message).into());
    }
    Ok(())
}

pub(crate) fn list(cx: &Cx, input: &api::ListArchivesInput) -> Result<api::ListArchivesOutput> {
    let (prefix, source, state) = (&input.name_prefix, &input.event_source_arn, &input.state);
    check_filters("ListArchives", [prefix.is_some(), source.is_some(), state.is_some()])?;
    let mut all: Vec<Archive> =
        ARCHIVES.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    all.retain(|archive| {
        prefix.as_ref().is_none_or(|prefix| archive.name.starts_with(prefix))
            && source.as_ref().is_none_or(|source| BusName::new(cx, &archive.bus).arn() == *source)
            && state.as_ref().is_none_or(|state| state == "ENABLED")
    });
    let scope = format!("ListArchives/{prefix:?}/{source:?}/{state:?}");
    let (page, next_token) = page(&scope, all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|archive| output::Archive {
        event_source_arn: Some(BusName::new(cx, &archive.bus).arn()),
        archive_name: Some(archive.name),
        state: Some("ENABLED".to_owned()),
        state_reason: None,
        retention_days: i32::try_from(archive.days).ok(),
        size_bytes: i64::try_from(archive.bytes).ok(),
        event_count: i64::try_from(archive.count).ok(),
        creation_time: Some(moment(archive.created)),
    });
    Ok(api::ListArchivesOutput { archives: Some(shown.collect()), next_token })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    #[test]
    fn what_comes_out_of_an_archive_does_not_go_into_one() {
        assert_eq!(pattern_of_rule(None).unwrap(), r#"{"replay-name":[{"exists":false}]}"#);
        let pattern: Json = serde_json::from_str(&pattern_of_rule(Some(r#"{"source":["a"]}"#)).unwrap()).unwrap();
        assert_eq!(pattern, json!({"source": ["a"], "replay-name": [{"exists": false}]}));
    }
}
