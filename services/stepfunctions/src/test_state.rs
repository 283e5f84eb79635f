//! `TestState`: one state, run for once, with all that it makes of its data on the way.
//!
//! Source: "Using TestState API to test a state in Step Functions" in the developer guide; recorded answers.

use serde_json::{Map, Value as Json, json};
use undercast_asl as asl;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::engine::Around;
use crate::error::{invalid_arn, validation};
use crate::executions::check_input;
use crate::mock;
use crate::resource::{Pattern, Resource};
use crate::tasks::{self, Outcome};

fn invalid_definition(why: impl Into<String>) -> Failure {
    errors::invalid_definition(why).into()
}

/// The state that is to be run, and the name that it has.
struct Chosen {
    state: Json,
    name: String,
    language: Option<Json>,
}

/// The state with a name, wherever in a machine it stands.
fn find<'a>(machine: &'a Json, name: &str) -> Option<&'a Json> {
    let states = machine["States"].as_object()?;
    states.get(name).or_else(|| {
        states.values().find_map(|state| {
            let inner = state["Branches"].as_array().into_iter().flatten().chain(state.get("ItemProcessor"));
            inner.chain(state.get("Iterator")).find_map(|machine| find(machine, name))
        })
    })
}

fn chosen(input: &api::TestStateInput) -> Result<Chosen> {
    let given: Json = serde_json::from_str(&input.definition).map_err(|why| {
        invalid_definition(format!("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {why}'"))
    })?;
    match (&input.state_name, given.get("States").is_some()) {
        (Some(name), true) => {
            let state = find(&given, name).cloned();
            let state =
                state.ok_or_else(|| validation(format!("State name '{name}' not found in the state machine.")))?;
            Ok(Chosen { state, name: name.clone(), language: given.get("QueryLanguage").cloned() })
        }
        (None, true) => Err(validation("StateName is required when the definition is a state machine.")),
        (Some(_), false) => Err(validation("StateName is given for a definition that is one state.")),
        (None, false) => Ok(Chosen { state: given, name: "State".to_owned(), language: None }),
    }
}

/// A machine of that state alone. Where it leads to there are states that end.
fn read(cx: &Cx, chosen: &Chosen) -> Result<asl::State> {
    let mut states = Map::from_iter([(chosen.name.clone(), chosen.state.clone())]);
    let parts = [&chosen.state["Choices"], &chosen.state["Catch"]];
    let named = parts.iter().flat_map(|part| part.as_array().into_iter().flatten()).map(|one| &one["Next"]);
    let named = named.chain([&chosen.state["Next"], &chosen.state["Default"]]);
    for next in named.filter_map(Json::as_str) {
        states.entry(next).or_insert_with(|| json!({"Type": "Succeed"}));
    }
    let mut machine = json!({"StartAt": chosen.name, "States": states});
    if let Some(language) = &chosen.language {
        machine["QueryLanguage"] = language.clone();
    }
    let machine = crate::machines::read(cx, &machine.to_string(), false)?;
    machine.state(&chosen.name).cloned().ok_or_else(|| cx.broken("the state that is tested is not there"))
}

fn check(input: &api::TestStateInput, state: &asl::State) -> Result<()> {
    if matches!(state.kind, asl::Kind::Map(_) | asl::Kind::Parallel(_)) {
        if input.mock.is_some() {
            return Err(Failure::not_built("mocks of Map and Parallel states"));
        }
        let why = "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]";
        return Err(invalid_definition(why));
    }
    if input.mock.is_some() && !matches!(state.kind, asl::Kind::Task(_)) {
        let why = format!("State type '{}' is not supported when a mock is specified", state.kind_name());
        return Err(validation(why));
    }
    if input.mock.is_none() && matches!(state.kind, asl::Kind::Task(_)) && input.role_arn.is_none() {
        return Err(validation("RoleArn must be specified when testing a Task state without a mock."));
    }
    Ok(())
}

/// What a text of the call is as JSON; what it is without one.
fn json_of(given: Option<&str>, name: &str, or: Json) -> Result<Json> {
    let Some(given) = given else { return Ok(or) };
    let read: Json = serde_json::from_str(given).map_err(|_| validation(format!("{name} must be valid JSON")))?;
    if read.is_object() { Ok(read) } else { Err(validation(format!("{name} must be a JSON object"))) }
}

/// One state on its way.
struct Test<'a> {
    cx: &'a Cx,
    state: asl::State,
    input: Json,
    context: Json,
    variables: Map<String, Json>,
    /// How often each retrier has tried already.
    retried: u64,
    data: output::InspectionData,
    jsonata: bool,
}

/// How it ended.
struct Ended {
    status: &'static str,
    output: Option<Json>,
    failure: Option<asl::Failure>,
    next: Option<String>,
}

impl Test<'_> {
    fn scoped<T>(&self, look: impl FnOnce(&asl::Scope<'_>) -> T) -> T {
        let around = Around { now: self.cx.now(), random: self.cx.random() };
        let (input, context, variables) = (&self.input, &self.context, &self.variables);
        look(&asl::Scope { input, context, variables, outside: &around })
    }

    fn left(&mut self, done: asl::Done, next: Option<String>) -> Ended {
        if !done.assigned.is_empty() {
            let mut all = self.variables.clone();
            all.extend(done.assigned);
            self.data.variables = Some(Json::Object(all).to_string());
        }
        Ended { status: "SUCCEEDED", output: Some(done.output), failure: None, next }
    }

    /// What a failure comes to: another try, a catcher, or the end.
    fn failed(&mut self, failure: asl::Failure) -> Ended {
        if let Some((index, retrier)) = self.state.retrier(&failure)
            && let Some(delay) = retrier.delay(self.retried, self.cx.random().fraction())
        {
            self.data.error_details = Some(output::InspectionErrorDetails {
                retry_index: i32::try_from(index).ok(),
                retry_backoff_interval_seconds: i32::try_from(delay.as_secs()).ok(),
                catch_index: None,
            });
            return Ended { status: "RETRIABLE", output: None, failure: Some(failure), next: None };
        }
        match self.scoped(|scope| self.state.catch(scope, &failure)) {
            Ok(Some(caught)) => {
                self.data.error_details = Some(output::InspectionErrorDetails {
                    catch_index: i32::try_from(caught.index).ok(),
                    ..Default::default()
                });
                let ended = self.left(caught.done, Some(caught.next));
                Ended { status: "CAUGHT_ERROR", failure: Some(failure), ..ended }
            }
            Ok(None) => Ended { status: "FAILED", output: None, failure: Some(failure), next: None },
            Err(other) => Ended { status: "FAILED", output: None, failure: Some(other), next: None },
        }
    }

    /// What the state works with, which is told.
    fn effective(&mut self) -> std::result::Result<asl::Effective, asl::Failure> {
        let effective = self.scoped(|scope| self.state.effective_input(scope))?;
        if self.jsonata {
            self.data.after_arguments = Some(effective.value.to_string());
        } else {
            self.data.after_input_path = Some(effective.selected.to_string());
            self.data.after_parameters = Some(effective.value.to_string());
        }
        Ok(effective)
    }

    /// What becomes of a result, which is told.
    fn complete(&mut self, result: Json) -> std::result::Result<asl::Done, asl::Failure> {
        self.data.result = Some(result.to_string());
        if !self.jsonata {
            let selected = self.scoped(|scope| self.state.select_result(scope, result.clone()))?;
            self.data.after_result_selector = Some(selected.after_selector.to_string());
            self.data.after_result_path = Some(selected.after_path.to_string());
        }
        self.scoped(|scope| self.state.complete(scope, result))
    }

    async fn run(&mut self, role: Option<String>, mock: Option<Outcome>) -> Result<Ended> {
        Ok(match self.reckon(role, mock).await? {
            Ok(ended) => ended,
            Err(failure) => self.failed(failure),
        })
    }

    async fn reckon(
        &mut self,
        role: Option<String>,
        mock: Option<Outcome>,
    ) -> Result<std::result::Result<Ended, asl::Failure>> {
        let next = self.state.next_state().map(ToOwned::to_owned);
        let kind = self.state.kind.clone();
        let done = match kind {
            asl::Kind::Task(task) => {
                let effective = match self.effective() {
                    Ok(effective) => effective,
                    Err(failure) => return Ok(Err(failure)),
                };
                let outcome = match mock {
                    Some(mocked) => mocked,
                    None => self.perform(&task, effective.value, role.unwrap_or_default()).await?,
                };
                match outcome {
                    Outcome::Succeeded(result) | Outcome::Submitted(result) => self.complete(result),
                    Outcome::Failed(error, cause) => return Ok(Err(asl::Failure::new(error, cause))),
                }
            }
            asl::Kind::Pass(pass) => match self.effective() {
                Ok(effective) => self.complete(pass.result(&effective)),
                Err(failure) => Err(failure),
            },
            asl::Kind::Choice(_) => {
                let chosen = self.scoped(|scope| self.state.choose(scope));
                return Ok(chosen.map(|chosen| self.left(chosen.done, Some(chosen.next))));
            }
            asl::Kind::Fail(fail) => {
                let told = self.scoped(|scope| fail.failure(scope));
                return Ok(Err(told.unwrap_or_else(|failure| failure)));
            }
            _ => self.scoped(|scope| self.state.leave(scope)),
        };
        Ok(done.map(|done| self.left(done, next)))
    }

    /// Does the task for real.
    async fn perform(&self, task: &asl::Task, arguments: Json, role: String) -> Result<Outcome> {
        let waits = match Resource::parse(&task.resource)? {
            Resource::Activity(_) => true,
            Resource::Function(_) => false,
            Resource::Service(call) => call.pattern != Pattern::RequestResponse,
        };
        if waits {
            return Err(validation(
                "TestState does not support activities, .sync and .waitForTaskToken without a mock.",
            ));
        }
        let text = |of: &str, member: &str| self.context[of][member].as_str().unwrap_or_default().to_owned();
        let order = tasks::Order {
            resource: task.resource.clone(),
            arguments,
            role,
            execution: text("Execution", "Id"),
            machine: text("StateMachine", "Id"),
        };
        Ok(tasks::perform(self.cx, &order).await)
    }
}

pub(crate) async fn test(cx: &Cx, input: api::TestStateInput) -> Result<api::TestStateOutput> {
    let chosen = chosen(&input)?;
    let state = read(cx, &chosen)?;
    check(&input, &state)?;
    if let Some(role) = &input.role_arn {
        crate::machines::check_role(cx, role).map_err(|_| invalid_arn(format!("Invalid Role Arn: {role}")))?;
    }
    if input.mock.is_some() && input.reveal_secrets == Some(true) {
        return Err(validation("TestState does not support RevealSecrets when a mock is specified."));
    }
    let settings = input.state_configuration.unwrap_or_else(Default::default);
    if settings.map_iteration_failure_count.is_some() && input.mock.is_none() {
        return Err(validation("TestState does not support MapIterationFailureCount when a mock is not specified."));
    }
    let resource = match &state.kind {
        asl::Kind::Task(task) => task.resource.as_str(),
        _ => "",
    };
    let mock = input.mock.as_ref().map(|mock| mock::outcome(cx, mock, resource)).transpose()?;
    let given = input.input.unwrap_or_else(|| "{}".to_owned());
    check_input(&given)?;
    let tells = matches!(input.inspection_level.as_deref(), Some("DEBUG" | "TRACE"));
    let Json::Object(variables) = json_of(input.variables.as_deref(), "Variables", json!({}))? else {
        return Err(cx.broken("variables are no object"));
    };
    let entered = json!({"EnteredTime": cx.now().to_string(), "Name": chosen.name, "RetryCount": settings.retrier_retry_count.unwrap_or(0)});
    let mut test = Test {
        cx,
        jsonata: state.query_language == asl::QueryLanguage::Jsonata,
        input: serde_json::from_str(&given).map_err(Failure::broken)?,
        context: json_of(input.context.as_deref(), "Context", json!({"State": entered}))?,
        variables,
        retried: settings.retrier_retry_count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        data: output::InspectionData { input: Some(given), ..Default::default() },
        state,
    };
    let ended = test.run(input.role_arn, mock).await?;
    Ok(api::TestStateOutput {
        output: ended.output.map(|output| output.to_string()),
        error: ended.failure.as_ref().map(|failure| failure.error.clone()),
        cause: ended.failure.map(|failure| failure.cause),
        inspection_data: tells.then_some(test.data),
        next_state: ended.next,
        status: Some(ended.status.to_owned()),
    })
}
