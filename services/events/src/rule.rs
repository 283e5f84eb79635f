//! Rules: PutRule and its kin.

use minicbor::{Decode, Encode};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result};
use undercast_pattern::Pattern;

use crate::api::{self, output};
use crate::bus::page;
use crate::error::{bad_pattern, managed, no_bus, no_rule, validation};
use crate::name::BusName;
use crate::target::TARGETS;
use crate::{Events, schedule, tags};

/// Account, region, bus; name.
pub(crate) static RULES: Table<Rule> = Table::new("events.rules");
/// Account, region, bus → how often its rules were changed, so that whoever keeps patterns in memory sees that they are old.
static CHANGES: Table<u64> = Table::new("events.changes");

/// Most bytes of a pattern; the model has a larger number, which is wrong.
const LONGEST_PATTERN: usize = 2048;

/// Whether a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum State {
    #[n(0)]
    Enabled,
    #[n(1)]
    Disabled,
    /// Calls that change nothing are told of as well.
    #[n(2)]
    EnabledWithAllCalls,
}

impl State {
    fn parse(text: &str) -> Self {
        match text {
            "DISABLED" => Self::Disabled,
            "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" => Self::EnabledWithAllCalls,
            _ => Self::Enabled,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::EnabledWithAllCalls => "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rule {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) pattern: Option<String>,
    #[n(2)]
    pub(crate) schedule: Option<String>,
    #[n(3)]
    pub(crate) state: State,
    #[n(4)]
    pub(crate) description: Option<String>,
    #[n(5)]
    pub(crate) role: Option<String>,
    #[n(6)]
    pub(crate) tags: Tags,
    /// The service that made it, and alone may change it.
    #[n(7)]
    pub(crate) managed_by: Option<String>,
    #[n(8)]
    pub(crate) created_by: String,
    /// The change of the bus's rules by which it got its pattern and state.
    #[n(9)]
    pub(crate) change: u64,
    /// When its schedule began, in milliseconds since 1970.
    #[n(10)]
    pub(crate) begun: i64,
}

impl Rule {
    pub(crate) fn is_enabled(&self) -> bool {
        self.state != State::Disabled
    }
}

/// How often the rules of a bus were changed.
pub(crate) fn changes(from: &(impl Read + ?Sized), bus: &BusName) -> Result<u64> {
    Ok(CHANGES.get(from, &bus.key())?.unwrap_or(0))
}

/// Says that rules of a bus are changed.
pub(crate) fn changed(tx: &mut Tx<'_>, bus: &BusName) -> Result<u64> {
    let change = changes(tx, bus)? + 1;
    CHANGES.put(tx, &bus.key(), &change);
    Ok(change)
}

/// The rule of a call.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), bus: &BusName, name: &str) -> Result<Rule> {
    bus.find_here(cx, from)?;
    RULES.get(from, &(bus.key(), name))?.ok_or_else(|| no_rule(bus, name).into())
}

/// The service that makes a call by the role that an account has for that service alone: rules that it makes are its own.
pub(crate) fn manager(cx: &Cx) -> Option<&str> {
    match &cx.principal().kind {
        PrincipalKind::AssumedRole { role_arn, .. } => {
            role_arn.split_once("role/aws-service-role/").and_then(|(_, rest)| rest.split('/').next())
        }
        _ => None,
    }
}

/// Refuses what only the service may do that made a rule.
pub(crate) fn check_managed(cx: &Cx, rule: &Rule, force: Option<bool>) -> Result<()> {
    match &rule.managed_by {
        Some(by) if force != Some(true) && manager(cx) != Some(by) => Err(managed(&rule.name, by).into()),
        _ => Ok(()),
    }
}

/// Checks what a rule reacts to.
fn check(bus: &BusName, input: &api::PutRuleInput) -> Result<()> {
    let (pattern, schedule) = (given(&input.event_pattern), given(&input.schedule_expression));
    if pattern.is_none() && schedule.is_none() {
        return Err(validation("Parameter(s) EventPattern or ScheduleExpression must be specified.").into());
    }
    if let Some(schedule) = schedule {
        if !bus.is_default() {
            return Err(validation("ScheduleExpression is supported only on the default event bus.").into());
        }
        schedule::parse(schedule)?;
    }
    if let Some(pattern) = pattern {
        if pattern.len() > LONGEST_PATTERN {
            let message = format!("Parameter EventPattern for rule {} exceeds limit of {LONGEST_PATTERN}.", input.name);
            return Err(validation(message).into());
        }
        Pattern::parse(pattern).map_err(|why| bad_pattern(&why))?;
    }
    Ok(())
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

pub(crate) async fn put(service: &Events, cx: &Cx, mut input: api::PutRuleInput) -> Result<api::PutRuleOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    check(&bus, &input)?;
    let tags = tags::read(input.tags.take())?;
    if let Some(pattern) = given(&input.event_pattern) {
        service.listen_for(cx, pattern);
    }
    cx.write(|tx| {
        bus.find_here(cx, tx)?;
        let there = RULES.get(tx, &(bus.key(), &input.name))?;
        if let Some(rule) = &there {
            check_managed(cx, rule, None)?;
        }
        let schedule = given(&input.schedule_expression).map(str::to_owned);
        // A rate goes on as it began, unless it is another one.
        let same = there.as_ref().filter(|rule| rule.schedule == schedule && rule.is_enabled());
        let rule = Rule {
            name: input.name.clone(),
            pattern: given(&input.event_pattern).map(str::to_owned),
            schedule,
            state: input.state.as_deref().map_or(State::Enabled, State::parse),
            description: input.description.clone(),
            role: input.role_arn.clone(),
            // Who updates a rule does not change its tags by it.
            tags: there.as_ref().map_or_else(|| tags.clone(), |rule| rule.tags.clone()),
            managed_by: manager(cx).map(str::to_owned),
            created_by: there.as_ref().map_or_else(|| cx.principal().account.clone(), |rule| rule.created_by.clone()),
            change: changed(tx, &bus)?,
            begun: same.map_or(cx.now_millis(), |rule| rule.begun),
        };
        RULES.put(tx, &(bus.key(), &rule.name), &rule);
        schedule::plan(cx, tx, &bus, &rule)
    })
    .await?;
    Ok(api::PutRuleOutput { rule_arn: Some(bus.rule_arn(&input.name)) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteRuleInput) -> Result<()> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    cx.write(|tx| {
        bus.find_here(cx, tx)?;
        // One that is not there is gone already.
        let Some(rule) = RULES.get(tx, &(bus.key(), &input.name))? else { return Ok(()) };
        check_managed(cx, &rule, input.force)?;
        let first =
            TARGETS.page(tx, &(bus.key(), &input.name), None::<&()>, undercast_kernel::store::Order::Ascending, 1)?;
        if !first.is_empty() {
            return Err(validation("Rule can't be deleted since it has targets.").into());
        }
        RULES.delete(tx, &(bus.key(), &input.name));
        changed(tx, &bus)?;
        schedule::cancel(cx, tx, &bus, &input.name)
    })
    .await
}

async fn set(cx: &Cx, bus: Option<&str>, name: &str, state: State) -> Result<()> {
    let bus = BusName::of(cx, bus);
    cx.write(|tx| {
        let mut rule = find(cx, tx, &bus, name)?;
        check_managed(cx, &rule, None)?;
        if rule.state == state || (state == State::Enabled && rule.is_enabled()) {
            return Ok(());
        }
        if rule.state == State::Disabled {
            rule.begun = cx.now_millis();
        }
        rule.state = state;
        rule.change = changed(tx, &bus)?;
        RULES.put(tx, &(bus.key(), name), &rule);
        schedule::plan(cx, tx, &bus, &rule)
    })
    .await
}

pub(crate) async fn enable(cx: &Cx, input: api::EnableRuleInput) -> Result<()> {
    set(cx, input.event_bus_name.as_deref(), &input.name, State::Enabled).await
}

pub(crate) async fn disable(cx: &Cx, input: api::DisableRuleInput) -> Result<()> {
    set(cx, input.event_bus_name.as_deref(), &input.name, State::Disabled).await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeRuleInput) -> Result<api::DescribeRuleOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    let rule = find(cx, &cx.read(), &bus, &input.name)?;
    Ok(api::DescribeRuleOutput {
        arn: Some(bus.rule_arn(&rule.name)),
        name: Some(rule.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state.name().to_owned()),
        description: rule.description,
        role_arn: rule.role,
        managed_by: rule.managed_by,
        event_bus_name: Some(bus.name),
        created_by: Some(rule.created_by),
    })
}

/// All rules of a bus of a call.
fn all(cx: &Cx, from: &(impl Read + ?Sized), bus: &BusName) -> Result<Vec<Rule>> {
    if bus.region != cx.region() || bus.get(from)?.is_none() {
        return Err(no_bus(&bus.name).into());
    }
    Ok(RULES.all(from, &bus.key())?.into_iter().map(|entry| entry.row).collect())
}

pub(crate) fn list(cx: &Cx, input: &api::ListRulesInput) -> Result<api::ListRulesOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    let prefix = input.name_prefix.as_deref().unwrap_or("");
    let mut found = all(cx, &cx.read(), &bus)?;
    found.retain(|rule| rule.name.starts_with(prefix));
    let scope = format!("ListRules/{}/{prefix}", bus.name);
    let (page, next_token) = page(&scope, found, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|rule| output::Rule {
        arn: Some(bus.rule_arn(&rule.name)),
        name: Some(rule.name),
        event_pattern: rule.pattern,
        state: Some(rule.state.name().to_owned()),
        description: rule.description,
        schedule_expression: rule.schedule,
        role_arn: rule.role,
        managed_by: rule.managed_by,
        event_bus_name: Some(bus.name.clone()),
    });
    Ok(api::ListRulesOutput { rules: Some(shown.collect()), next_token })
}

pub(crate) fn list_by_target(
    cx: &Cx,
    input: &api::ListRuleNamesByTargetInput,
) -> Result<api::ListRuleNamesByTargetOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    let from = cx.read();
    let mut names = Vec::new();
    for rule in all(cx, &from, &bus)? {
        let targets = TARGETS.all(&from, &(bus.key(), &rule.name))?;
        if targets.iter().any(|entry| entry.row.arn == input.target_arn) {
            names.push(rule.name);
        }
    }
    let scope = format!("ListRuleNamesByTarget/{}/{}", bus.name, input.target_arn);
    let (page, next_token) = page(&scope, names, input.next_token.as_deref(), input.limit)?;
    Ok(api::ListRuleNamesByTargetOutput { rule_names: Some(page), next_token })
}

/// Whether an event is one that a pattern wants: what AWS demands of an event here is less than of one that is put.
pub(crate) fn test_pattern(input: &api::TestEventPatternInput) -> Result<api::TestEventPatternOutput> {
    let pattern = Pattern::parse(&input.event_pattern).map_err(|why| bad_pattern(&why))?;
    let invalid = |why: &str| Failure::from(validation(format!("Parameter Event is not valid. Reason: {why}")));
    let event: serde_json::Value =
        serde_json::from_str(&input.event).map_err(|_| invalid("Provided event is not a valid JSON."))?;
    if !event.is_object() {
        return Err(invalid("Provided event is not a valid JSON object."));
    }
    for field in ["id", "account", "source", "time", "region", "resources", "detail-type"] {
        if event.get(field).is_none() {
            return Err(invalid(&format!("{field} is a required field.")));
        }
    }
    Ok(api::TestEventPatternOutput { result: Some(pattern.matches(&event)) })
}
