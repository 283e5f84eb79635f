//! What alarms do: messages to topics, calls of functions, scaling policies.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use super::rows::{ALARMS, Alarm, Definition, State};
use super::{history, message, state};

/// Who calls topics, and who calls functions.
const PRINCIPAL: &str = "cloudwatch.amazonaws.com";
const CALLER: &str = "lambda.alarms.cloudwatch.amazonaws.com";

/// The service whose scaling policies alarms set off.
pub(super) const SCALING: &str = "application-autoscaling";

/// What an action is, by its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Function,
    ScalingPolicy,
}

impl Kind {
    /// `None`: AWS has such actions, and nobody here does them.
    pub(super) fn of(arn: &Arn) -> Option<Self> {
        match arn.service.as_str() {
            "sns" => Some(Self::Topic),
            "lambda" => Some(Self::Function),
            // Those of EC2's groups name a group instead.
            "autoscaling" if arn.resource.starts_with("scalingPolicy:") && arn.resource.contains(":resource/") => {
                Some(Self::ScalingPolicy)
            }
            _ => None,
        }
    }
}

fn is_scaling(action: &str) -> bool {
    Arn::parse(action).and_then(|arn| Kind::of(&arn)) == Some(Kind::ScalingPolicy)
}

/// Whether an alarm does something again for as long as it stays in its state: scaling goes on.
pub(super) fn repeats(alarm: &Alarm, definition: &Definition) -> bool {
    alarm.actions_enabled && definition.actions(alarm.state.value).iter().any(|action| is_scaling(action))
}

/// Has that done, with what its points are now.
pub(super) fn repeat(
    cx: &Cx,
    tx: &mut Tx<'_>,
    alarm: &Alarm,
    definition: &Definition,
    data: Option<String>,
) -> Result<()> {
    let mut now = alarm.clone();
    now.state.data = data;
    let mut scaling = definition.actions(alarm.state.value).iter().filter(|action| is_scaling(action));
    scaling.try_for_each(|action| state::order(cx, tx, &now, &alarm.state, action))
}

/// Does one thing that an alarm does.
pub(crate) async fn act(cx: &Cx, task: &Task) -> Result<Next> {
    let payload: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
    let (name, action) = (text("alarm"), text("action"));
    let (Some(before), Some(now)) = (state::parse(&payload["before"]), state::parse(&payload["now"])) else {
        return Err(Failure::broken("an action's states cannot be read"));
    };
    let Some(alarm) = ALARMS.get(&cx.read(), &cx.key(&name))? else { return Ok(Next::Done) };
    let definition = alarm.definition()?;
    let told = Told { alarm: &alarm, definition: &definition, before: &before, now: &now };
    let arn = Arn::parse(&action).ok_or_else(|| Failure::broken("an action is no ARN"))?;
    let done = match Kind::of(&arn) {
        Some(Kind::Topic) => publish(cx, &told, &arn).await,
        Some(Kind::Function) => invoke(cx, &told, &arn).await,
        Some(Kind::ScalingPolicy) => return scale(cx, &told, &action).await,
        None => Err(Failure::not_built(action.clone())),
    };
    let (published, error) = match &done {
        Ok(published) => (published.as_deref(), None),
        Err(failure @ (Failure::Aws(_) | Failure::NotBuilt { .. })) => (None, Some(failure.to_string())),
        // It comes again.
        Err(_) => return done.map(|_| Next::Done),
    };
    cx.write(|tx| {
        let whose = (name.as_str(), &definition);
        history::acted(cx, tx, whose, &action, (published, error.as_deref()), now.since)
    })
    .await?;
    Ok(Next::Done)
}

/// What is told of a change.
pub(super) struct Told<'a> {
    pub(super) alarm: &'a Alarm,
    pub(super) definition: &'a Definition,
    pub(super) before: &'a State,
    pub(super) now: &'a State,
}

async fn publish(cx: &Cx, told: &Told<'_>, topic: &Arn) -> Result<Option<String>> {
    let message = message::of_topic(cx, told).to_string();
    let there = cx.elsewhere(&topic.account, &topic.region).as_service(PRINCIPAL, Some(&told.alarm.arn(cx)));
    let input = json!({"TopicArn": topic.to_string(), "Subject": message::subject(cx, told), "Message": message});
    there.call("sns", "Publish", input).await?;
    Ok(Some(message))
}

async fn invoke(cx: &Cx, told: &Told<'_>, function: &Arn) -> Result<Option<String>> {
    let event = message::of_function(cx, told).to_string();
    let there = cx.elsewhere(&function.account, &function.region).as_service(CALLER, Some(&told.alarm.arn(cx)));
    let input =
        json!({"FunctionName": function.to_string(), "InvocationType": "Event", "Payload": base64(event.as_bytes())});
    there.call("lambda", "Invoke", input).await?;
    Ok(None)
}

/// Tells the service of the policy, whose own task it becomes: there is no operation by which AWS does it.
async fn scale(cx: &Cx, told: &Told<'_>, policy: &str) -> Result<Next> {
    let name = &told.alarm.name;
    let repeated = told.before.since == told.now.since;
    let state = told.now.value.as_str();
    let payload = json!({"alarm": name, "policy": policy, "state": state, "data": told.now.data});
    let id = format!("alarm/{}/{}/{}", cx.account(), cx.region(), cx.random().uuid());
    cx.write(|tx| {
        cx.tasks().schedule(cx, tx, SCALING, &id, "alarm", payload.to_string(), cx.now())?;
        if repeated {
            return Ok(());
        }
        history::acted(cx, tx, (name, told.definition), policy, (None, None), told.now.since)
    })
    .await?;
    Ok(Next::Done)
}
