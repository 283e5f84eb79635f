//! What becomes of events: how old they get, how often they are tried again, and who is told of what came of them.

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::{self, input, output};
use crate::destination::{self, Outcome};
use crate::error;
use crate::function::{Function, FunctionName};
use crate::holder::Holder;

/// Account, region, name, qualifier → configuration.
static CONFIGS: Table<EventConfig> = Table::new("lambda.event-configs");

/// How events of a function, a version or an alias are handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct EventConfig {
    #[n(0)]
    qualifier: String,
    /// So often an event is tried again.
    #[n(1)]
    retries: Option<i32>,
    /// Seconds.
    #[n(2)]
    oldest: Option<i32>,
    /// ARN of what is told of successes.
    #[n(3)]
    success: Option<String>,
    /// ARN of what is told of failures.
    #[n(4)]
    failure: Option<String>,
    /// Milliseconds since 1970.
    #[n(5)]
    modified: i64,
}

impl EventConfig {
    /// How often an event is tried again.
    pub(crate) fn retries(&self) -> usize {
        self.retries.and_then(|n| usize::try_from(n).ok()).unwrap_or(2)
    }

    /// An event is dropped after so many milliseconds.
    pub(crate) fn oldest_millis(&self) -> i64 {
        i64::from(self.oldest.unwrap_or(21_600)) * 1_000
    }

    /// ARN of what is told of this outcome.
    pub(crate) fn destination(&self, outcome: Outcome) -> Option<&String> {
        if outcome == Outcome::Success { self.success.as_ref() } else { self.failure.as_ref() }
    }

    fn show(&self, cx: &Cx, name: &FunctionName) -> output::FunctionEventInvokeConfig {
        let on_success = output::OnSuccess { destination: self.success.clone() };
        let on_failure = output::OnFailure { destination: self.failure.clone() };
        let name = FunctionName { qualifier: Some(self.qualifier.clone()), ..name.clone() };
        output::FunctionEventInvokeConfig {
            last_modified: Timestamp::from_millisecond(self.modified).ok(),
            function_arn: Some(name.qualified_arn(cx)),
            maximum_retry_attempts: self.retries,
            maximum_event_age_in_seconds: self.oldest,
            destination_config: Some(output::DestinationConfig {
                on_success: Some(on_success),
                on_failure: Some(on_failure),
            }),
        }
    }
}

fn qualifier(name: &FunctionName) -> String {
    name.qualifier.clone().unwrap_or_else(|| "$LATEST".to_owned())
}

fn key(name: &FunctionName) -> (&str, &str, &str, String) {
    (&name.account, &name.region, &name.name, qualifier(name))
}

/// The configuration for what was invoked under this name.
pub(crate) fn of(from: &(impl Read + ?Sized), name: &FunctionName) -> Result<EventConfig> {
    Ok(CONFIGS.get(from, &key(name))?.unwrap_or_default())
}

/// Forgets the configurations of a function that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, name: &FunctionName) -> Result<()> {
    CONFIGS.clear(tx, &name.key())?;
    Ok(())
}

/// Forgets the configuration of a version or an alias that is deleted.
pub(crate) fn forget_one(tx: &mut Tx<'_>, name: &FunctionName) {
    CONFIGS.delete(tx, &key(name));
}

fn none(cx: &Cx, name: &FunctionName) -> Failure {
    let name = FunctionName { qualifier: Some(qualifier(name)), ..name.clone() };
    error::not_found(format!("The function {} doesn't have an EventInvokeConfig", name.qualified_arn(cx)))
}

/// What a call says.
struct Said {
    retries: Option<i32>,
    oldest: Option<i32>,
    destinations: Option<(Option<String>, Option<String>)>,
}

impl Said {
    fn new(
        cx: &Cx,
        name: &FunctionName,
        retries: Option<i32>,
        oldest: Option<i32>,
        destinations: Option<input::DestinationConfig>,
    ) -> Result<Self> {
        if retries.is_none() && oldest.is_none() && destinations.is_none() {
            return Err(error::invalid("You must specify at least one of error handling or destination setting."));
        }
        let named = |arn: Option<String>| arn.filter(|arn| !arn.is_empty());
        let destinations = destinations.map(|given| {
            let success = named(given.on_success.and_then(|to| to.destination));
            (success, named(given.on_failure.and_then(|to| to.destination)))
        });
        let said = Self { retries, oldest, destinations };
        said.check(cx, name)?;
        Ok(said)
    }

    /// Looks whether the destinations are such as can be told, and whether the function's role may tell them.
    fn check(&self, cx: &Cx, name: &FunctionName) -> Result<()> {
        let missing = || error::not_found("The function doesn't exist.");
        let function = Holder::look(cx, &cx.read(), name)?.ok_or_else(missing)?.function().clone();
        let Some((success, failure)) = &self.destinations else { return Ok(()) };
        let part = |kind: &str, arn: &Option<String>| {
            arn.as_ref().map_or_else(|| "null".to_owned(), |arn| format!("{kind}(destination={arn})"))
        };
        let invalid = || {
            error::invalid(format!(
                "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                part("OnSuccess", success),
                part("OnFailure", failure)
            ))
        };
        let given = [(success, Outcome::Success), (failure, Outcome::RetriesExhausted)];
        for (arn, outcome) in given.into_iter().filter_map(|(arn, outcome)| Some((arn.as_ref()?, outcome))) {
            let parsed = Arn::parse(arn).filter(|parsed| destination::takes(parsed, outcome)).ok_or_else(invalid)?;
            if parsed.service == "lambda" && FunctionName::parse(cx, arn, None)?.key() == name.key() {
                return Err(error::invalid("You can't specify the function as a destination for itself."));
            }
            check_rights(cx, &function, &parsed, arn)?;
        }
        Ok(())
    }
}

fn check_rights(cx: &Cx, function: &Function, parsed: &Arn, arn: &str) -> Result<()> {
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let (service, operation, input) = destination::call(cx, parsed, arn, &json!({}), function);
    if role.would_be_denied(service, operation, input)?.is_some() {
        return Err(error::invalid(format!(
            "The function's execution role does not have permissions to call {operation} on {arn}"
        )));
    }
    Ok(())
}

/// `PutFunctionEventInvokeConfig`: what is not said has its default again.
pub(crate) async fn put(
    cx: &Cx,
    input: api::PutFunctionEventInvokeConfigInput,
) -> Result<api::PutFunctionEventInvokeConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let said = Said::new(
        cx,
        &name,
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    )?;
    let (success, failure) = said.destinations.unwrap_or((None, None));
    let config = EventConfig {
        qualifier: qualifier(&name),
        retries: said.retries,
        oldest: said.oldest,
        success,
        failure,
        modified: cx.now_millis(),
    };
    cx.write(|tx| {
        CONFIGS.put(tx, &key(&name), &config);
        Ok(())
    })
    .await?;
    Ok(config.show(cx, &name))
}

/// `UpdateFunctionEventInvokeConfig`: what is not said stays.
pub(crate) async fn update(
    cx: &Cx,
    input: api::UpdateFunctionEventInvokeConfigInput,
) -> Result<api::UpdateFunctionEventInvokeConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let said = Said::new(
        cx,
        &name,
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    )?;
    let config = cx
        .write(|tx| {
            let mut config = CONFIGS.get(tx, &key(&name))?.ok_or_else(|| none(cx, &name))?;
            config.retries = said.retries.or(config.retries);
            config.oldest = said.oldest.or(config.oldest);
            if let Some((success, failure)) = said.destinations.clone() {
                (config.success, config.failure) = (success, failure);
            }
            config.modified = cx.now_millis();
            CONFIGS.put(tx, &key(&name), &config);
            Ok(config)
        })
        .await?;
    Ok(config.show(cx, &name))
}

/// `GetFunctionEventInvokeConfig`
pub(crate) fn get(
    cx: &Cx,
    input: &api::GetFunctionEventInvokeConfigInput,
) -> Result<api::GetFunctionEventInvokeConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    Ok(CONFIGS.get(&cx.read(), &key(&name))?.ok_or_else(|| none(cx, &name))?.show(cx, &name))
}

/// `DeleteFunctionEventInvokeConfig`
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteFunctionEventInvokeConfigInput) -> Result<()> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    cx.write(|tx| {
        CONFIGS.get(tx, &key(&name))?.ok_or_else(|| none(cx, &name))?;
        CONFIGS.delete(tx, &key(&name));
        Ok(())
    })
    .await
}

/// `ListFunctionEventInvokeConfigs`
pub(crate) fn list(
    cx: &Cx,
    input: &api::ListFunctionEventInvokeConfigsInput,
) -> Result<api::ListFunctionEventInvokeConfigsOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?.unqualified();
    let read = cx.read();
    Holder::look(cx, &read, &name)?.ok_or_else(|| error::not_found("The function doesn't exist."))?;
    let all: Vec<EventConfig> = CONFIGS.all(&read, &name.key())?.into_iter().map(|entry| entry.row).collect();
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let scope = format!("ListFunctionEventInvokeConfigs/{}", name.name);
    let (page, next_marker) =
        paging::page(&scope, all, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    let function_event_invoke_configs = Some(page.iter().map(|config| config.show(cx, &name)).collect());
    Ok(api::ListFunctionEventInvokeConfigsOutput { function_event_invoke_configs, next_marker })
}
