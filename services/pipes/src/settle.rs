//! How a pipe comes to the state that is wanted: some seconds after the call, by the clock.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::{Access, Cx, Failure, Next, Result, Task};
use undercast_sources::look;

use crate::definition::{dead_letters, source_kind};
use crate::parameters::Parameters;
use crate::rows::{CHECKPOINTS, PIPES, Pipe, State};
use crate::runner;
use crate::{PRINCIPAL, SERVICE};

/// The kind of these tasks.
const KIND: &str = "settle";
/// It takes so long: AWS takes up to a minute.
const WAIT: Duration = Duration::from_secs(1);

/// Has a pipe settled.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, pipe: &Pipe) -> Result<()> {
    let id = format!("{KIND}/{}/{}/{}", cx.account(), cx.region(), pipe.name);
    let at = cx.now().checked_add(WAIT).map_err(Failure::broken)?;
    cx.tasks().schedule(cx, tx, SERVICE, &id, KIND, json!({"name": pipe.name}).to_string(), at)
}

/// A pipe is where it was on the way to.
pub(crate) async fn run(state: &Arc<runner::State>, cx: &Cx, task: &Task) -> Result<Next> {
    if task.kind != KIND {
        return Err(Failure::broken(format!("{SERVICE} has no task `{}`", task.kind)));
    }
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let name = told["name"].as_str().unwrap_or_default();
    let Some(pipe) = PIPES.get(&cx.read(), &cx.key(name))?.filter(|pipe| pipe.state.is_passing()) else {
        return Ok(Next::Done);
    };
    match pipe.state {
        State::Deleting => {
            state.running.stop(&pipe.id);
            remove(cx, &pipe).await?;
        }
        State::Stopping => {
            state.running.stop(&pipe.id);
            become_(cx, &pipe, State::Stopped, false, None).await?;
        }
        _ => arrive(state, cx, &pipe).await?,
    }
    Ok(Next::Done)
}

/// A pipe that is to run begins to, if it can.
async fn arrive(state: &Arc<runner::State>, cx: &Cx, pipe: &Pipe) -> Result<()> {
    if let Some(problem) = problem(cx, pipe).await? {
        state.running.stop(&pipe.id);
        return become_(cx, pipe, pipe.state.failed(), false, Some(problem)).await;
    }
    if pipe.wanted {
        runner::begin(state, cx, pipe).await?;
        become_(cx, pipe, State::Running, true, None).await
    } else {
        state.running.stop(&pipe.id);
        become_(cx, pipe, State::Stopped, false, None).await
    }
}

/// Writes down what became of a pipe, unless it was changed again meanwhile.
async fn become_(cx: &Cx, pipe: &Pipe, state: State, takes: bool, problem: Option<String>) -> Result<()> {
    cx.write(|tx| {
        let there = PIPES.get(tx, &cx.key(pipe.name.as_str()))?;
        if let Some(there) = there.filter(|there| there.id == pipe.id && there.modified == pipe.modified) {
            let reason = problem.clone().or_else(|| Some("USER_INITIATED".to_owned()));
            PIPES.put(tx, &cx.key(pipe.name.as_str()), &Pipe { state, takes, reason, ..there });
        }
        Ok(())
    })
    .await
}

async fn remove(cx: &Cx, pipe: &Pipe) -> Result<()> {
    cx.write(|tx| {
        PIPES.delete(tx, &cx.key(pipe.name.as_str()));
        CHECKPOINTS.clear(tx, &(cx.account(), cx.region(), &pipe.id))?;
        Ok(())
    })
    .await
}

/// What stands against a pipe's running, in AWS's words.
async fn problem(cx: &Cx, pipe: &Pipe) -> Result<Option<String>> {
    let invalid = |why: String| Some(format!("Input parameter is invalid from the request due to : {why}"));
    let arn = pipe.arn(cx);
    if !cx.is_assumable(PRINCIPAL, &pipe.role, Some(&arn))? {
        return Ok(invalid(format!("The role {} cannot be assumed by {PRINCIPAL}", pipe.role)));
    }
    let role = cx.as_role(PRINCIPAL, &pipe.role, &pipe.name);
    let parameters = match Parameters::open(&role, &arn, &pipe.parameters).await {
        Ok(parameters) => parameters,
        Err(Failure::Aws(error)) => return Ok(invalid(error.message)),
        Err(other) => return Err(other),
    };
    match look(source_kind(&pipe.source)?, &role, &pipe.source, "The provided customer role").await {
        Ok(Ok(_)) => {}
        Ok(Err(problem)) => return Ok(invalid(problem.0)),
        Err(Failure::Aws(error)) => return Ok(invalid(error.message)),
        Err(other) => return Err(other),
    }
    let Some(dead) = dead_letters(&parameters) else { return Ok(None) };
    let service = Arn::parse(dead).map_or_else(String::new, |arn| arn.service);
    let (action, what) = if service == "sns" {
        ("sns:Publish", "publishing message to SNS topic")
    } else {
        ("sqs:SendMessage", "sending message to SQS queue")
    };
    let refused = role.denied(&Access::new(action, dead))?.is_some();
    Ok(if refused { invalid(format!("Error occurred while {what}: {dead}")) } else { None })
}
