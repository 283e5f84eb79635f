//! A rotation: the function is invoked for each of four steps, one after the other.
//!
//! Source: "Rotation by Lambda function" in the user guide. A rotation that fails is done again as a whole some times, with the
//! version that it has made, and then when it is due again.

use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::labels::CURRENT;
use crate::rows::{Rotation, Secret, UnderWay, moment};
use crate::{PRINCIPAL, SERVICE, events, rotation};

/// The kind of these tasks.
pub(crate) const KIND: &str = "rotate";

const STEPS: &[&str] = &["createSecret", "setSecret", "testSecret", "finishSecret"];
/// What a configuration is tried out with.
const TEST: &[&str] = &["testSecret"];

/// A rotation is attempted so often before it waits for the next time that it is due.
const ATTEMPTS: u32 = 4;
/// Milliseconds to the second attempt; each later one takes twice as long.
const PAUSE: i64 = 60_000;

fn task_id(secret: &Secret) -> String {
    format!("{KIND}/{}/{}/{}", secret.account, secret.region, secret.name)
}

/// Has the rotation that is under way done.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret, at: i64) -> Result<()> {
    let payload = json!({"name": secret.name, "suffix": secret.suffix}).to_string();
    cx.tasks().schedule(&secret.home(cx), tx, SERVICE, &task_id(secret), KIND, payload, moment(at))
}

pub(crate) fn unplan(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret) -> Result<()> {
    cx.tasks().cancel(tx, SERVICE, &task_id(secret))
}

/// The rotation that is under way, if none of it was taken back.
fn under_way(secret: &Secret) -> Option<(&Rotation, &UnderWay)> {
    let rotation = secret.rotation.as_ref().filter(|_| secret.deletion.is_none())?;
    Some((rotation, rotation.under_way.as_ref()?))
}

/// Invokes the function for a step. The error is why it failed: not in the function's words, which may tell secrets.
async fn step(cx: &Cx, secret: &Secret, step: &str) -> Result<std::result::Result<(), String>> {
    let Some((rotation, under_way)) = under_way(secret) else { return Ok(Ok(())) };
    let arn = secret.arn(cx);
    let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": under_way.version,
        "RotationToken": under_way.token});
    let asked = json!({"FunctionName": rotation.function, "Payload": text::base64(event.to_string().as_bytes())});
    match cx.as_service(PRINCIPAL, Some(&arn)).call("lambda", "Invoke", asked).await {
        Ok(answer) => Ok(match &answer["FunctionError"] {
            Json::Null => Ok(()),
            kind => Err(format!("The rotation function failed in step {step}: {}.", kind.as_str().unwrap_or("error"))),
        }),
        Err(failure @ (Failure::Aws(_) | Failure::NotBuilt { .. })) => {
            let code = failure.code().unwrap_or("it is not here").to_owned();
            Ok(Err(format!("The rotation function could not be invoked for step {step}: {code}.")))
        }
        Err(other) => Err(other),
    }
}

pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(begun) = rotation::of_task(cx, &cx.read(), task)? else { return Ok(Next::Done) };
    let Some((_, work)) = under_way(&begun) else { return Ok(Next::Done) };
    let steps = if work.test { TEST } else { STEPS };
    if work.failures == 0 {
        events::tell(cx, if work.test { &events::TEST_STARTED } else { &events::ROTATION_STARTED }, &begun, None);
    }
    for name in steps {
        // It may have been cancelled meanwhile.
        let Some(secret) = begun.again(&cx.read())? else { return Ok(Next::Done) };
        if under_way(&secret).is_none_or(|(_, now)| now.token != work.token) {
            return Ok(Next::Done);
        }
        if let Err(why) = step(cx, &secret, name).await? {
            return failed(cx, &begun, work, why).await;
        }
    }
    succeeded(&cx.refreshed(), &begun, work).await
}

/// Ends a rotation, if it is still the one that is under way.
async fn end(cx: &Cx, begun: &Secret, work: &UnderWay, end: impl Fn(&mut Rotation)) -> Result<Option<Secret>> {
    cx.write(|tx| {
        let Some(mut secret) = begun.again(tx)? else { return Ok(None) };
        if under_way(&secret).is_none_or(|(_, now)| now.token != work.token) {
            return Ok(None);
        }
        if let Some(rotation) = &mut secret.rotation {
            end(rotation);
        }
        let done = under_way(&secret).is_none();
        if work.test && done {
            rotation::forget_test(tx, &mut secret, &work.version);
        }
        if done && !work.test && secret.labels.version(CURRENT) == Some(work.version.as_str()) {
            rotation::plan(cx, tx, &mut secret)?;
        }
        secret.put(tx);
        crate::replication::follow(cx, tx, &secret)?;
        Ok(Some(secret))
    })
    .await
}

async fn succeeded(cx: &Cx, begun: &Secret, work: &UnderWay) -> Result<Next> {
    let there = begun.again(&cx.read())?;
    let current = there.as_ref().and_then(|secret| secret.labels.version(CURRENT));
    if !work.test && current != Some(work.version.as_str()) {
        let why = "The rotation function did not make the new version the current one.".to_owned();
        return failed(cx, begun, work, why).await;
    }
    let now = cx.now_millis();
    let ended = end(cx, begun, work, |rotation| {
        rotation.under_way = None;
        if !work.test {
            rotation.last = Some(now);
        }
    });
    if let Some(secret) = ended.await? {
        let event = if work.test { &events::TEST_SUCCEEDED } else { &events::ROTATION_SUCCEEDED };
        events::tell(cx, event, &secret, None);
    }
    Ok(Next::Done)
}

async fn failed(cx: &Cx, begun: &Secret, work: &UnderWay, why: String) -> Result<Next> {
    let cx = &cx.refreshed();
    let failures = work.failures + 1;
    let gives_up = work.test || failures >= ATTEMPTS;
    let ended = end(cx, begun, work, |rotation| {
        rotation.under_way = (!gives_up).then(|| UnderWay { failures, ..work.clone() });
    });
    let Some(secret) = ended.await? else { return Ok(Next::Done) };
    events::tell(cx, if work.test { &events::TEST_FAILED } else { &events::ROTATION_FAILED }, &secret, Some(why));
    if gives_up {
        return Ok(Next::Done);
    }
    Ok(Next::Again(moment(cx.now_millis() + (PAUSE << (failures - 1)))))
}
