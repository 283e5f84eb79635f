//! Rotation: how it is configured, when it is due.
//!
//! Source: "Rotation schedules" in the user guide, RotateSecret and RotationRulesType in the API reference: windows begin on the hour,
//! those of rates in days at midnight; what is not said of their length is a day, or an hour where a schedule is in hours; all in UTC.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::schedule::Schedule;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::api::{self, kept::RotationRulesType};
use crate::labels::{CURRENT, PENDING};
use crate::rows::{Rotation, SECRETS, Secret, UnderWay, VERSIONS, Version, day, moment};
use crate::{PRINCIPAL, SERVICE, error, rotate, sealed};

/// The kind of the tasks that begin rotations which are due.
pub(crate) const DUE: &str = "due";

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// A secret is rotated every four hours at most, and every 999 days at least.
const LEAST_HOURS: i64 = 4;
const MOST_DAYS: i64 = 999;

/// How often a secret is rotated.
enum Every {
    /// In days, from midnight.
    Days(i64),
    Hours(i64),
    Cron {
        schedule: Schedule,
        /// It comes several times a day.
        hourly: bool,
    },
}

/// A schedule, and how long its windows are.
struct Rules {
    every: Every,
    hours: Option<i64>,
}

fn bad_expression(expression: &str) -> Failure {
    error::parameter(format!("The schedule expression {expression} isn't valid for a rotation schedule."))
}

impl Every {
    fn parse(expression: &str) -> Result<Self> {
        let wrong = || bad_expression(expression);
        if let Some(inside) = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')) {
            let (count, unit) = inside.trim().split_once(' ').ok_or_else(wrong)?;
            let count: i64 = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
            return match unit.trim() {
                "hour" | "hours" if (LEAST_HOURS..=MOST_DAYS * 24).contains(&count) => Ok(Self::Hours(count)),
                "day" | "days" if count <= MOST_DAYS => Ok(Self::Days(count)),
                _ => Err(wrong()),
            };
        }
        let inside = expression.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
        let fields: Vec<&str> = inside.split_whitespace().collect();
        let ["0", hours, _, _, _, "*"] = fields[..] else { return Err(wrong()) };
        let hourly = hours.contains(['*', '/', ',', '-']);
        let schedule = Schedule::parse(expression, None).map_err(|_| wrong())?;
        Ok(Self::Cron { schedule, hourly })
    }
}

impl Rules {
    fn of(rotation: &Rotation) -> Result<Self> {
        let hours = match &rotation.duration {
            None => None,
            Some(text) => {
                let hours = text.strip_suffix('h').and_then(|hours| hours.parse().ok());
                let bad = || error::parameter(format!("The duration {text} isn't valid for a rotation window."));
                Some(hours.filter(|hours| (1..=24).contains(hours)).ok_or_else(bad)?)
            }
        };
        let every = match (&rotation.expression, rotation.days) {
            (Some(expression), _) => Every::parse(expression)?,
            (None, days) => Every::Days(days.unwrap_or(MOST_DAYS)),
        };
        Ok(Self { every, hours })
    }

    /// Beginning and end of the first window that begins behind a moment. Rates in hours count from `begun`.
    fn window(&self, begun: i64, after: i64) -> Option<(i64, i64)> {
        let start = match &self.every {
            Every::Days(days) => day(after) + days * DAY,
            Every::Hours(hours) => begun + ((after - begun).div_euclid(hours * HOUR) + 1) * hours * HOUR,
            Every::Cron { schedule, .. } => schedule.next(moment(begun), moment(after))?.as_millisecond(),
        };
        let usual = match &self.every {
            Every::Days(_) => start + DAY,
            Every::Hours(_) | Every::Cron { hourly: true, .. } => start + HOUR,
            Every::Cron { .. } => day(start) + DAY,
        };
        Some((start, self.hours.map_or(usual, |hours| start + hours * HOUR)))
    }

    /// Refuses windows that reach into the next, or (where they come once a day at most) into the next day.
    fn check(&self, begun: i64, now: i64) -> Result<()> {
        let mut before: Option<(i64, i64)> = None;
        for _ in 0..4 {
            let after = before.map_or(now, |(start, _)| start);
            let Some((start, end)) = self.window(begun, after) else { break };
            if let Some((earlier, over)) = before {
                if start - earlier < LEAST_HOURS * HOUR {
                    return Err(error::parameter("A secret can be rotated every four hours at most."));
                }
                if over > start {
                    return Err(error::parameter("The rotation window must not extend into the next rotation window."));
                }
            }
            let daily = matches!(self.every, Every::Days(_) | Every::Cron { hourly: false, .. });
            if daily && end > day(start) + DAY {
                return Err(error::parameter("The rotation window must not extend into the next UTC day."));
            }
            before = Some((start, end));
        }
        if before.is_none() { Err(error::parameter("The rotation schedule never comes.")) } else { Ok(()) }
    }

    /// Days from one rotation to the next, as AWS works them out.
    fn days(&self, begun: i64) -> Option<i64> {
        if let Every::Days(days) = self.every {
            return Some(days);
        }
        let (first, _) = self.window(begun, begun)?;
        let (second, _) = self.window(begun, first)?;
        Some((second - first + DAY - 1).div_euclid(DAY))
    }
}

/// The rules as answers show them.
pub(crate) fn shown(rotation: &Rotation) -> RotationRulesType {
    let worked_out = || Rules::of(rotation).ok().and_then(|rules| rules.days(rotation.begun));
    let days = rotation.days.or_else(|| rotation.expression.as_ref().and_then(|_| worked_out()));
    RotationRulesType {
        automatically_after_days: days,
        duration: rotation.duration.clone(),
        schedule_expression: rotation.expression.clone(),
    }
}

/// What a rotation will be by, after a request.
fn configured(cx: &Cx, secret: &Secret, input: &api::RotateSecretInput) -> Result<Rotation> {
    let before = secret.rotation.clone();
    let given = input.rotation_lambda_arn.clone().filter(|arn| !arn.is_empty());
    let function = given.or_else(|| before.as_ref().map(|rotation| rotation.function.clone()));
    let function = function.ok_or_else(error::no_rotation_function)?;
    if Arn::parse(&function).is_none_or(|arn| arn.service != "lambda") {
        return Err(error::parameter(format!("The rotation function {function} isn't the ARN of a Lambda function.")));
    }
    let mut rotation = before.unwrap_or_else(|| Rotation {
        enabled: true,
        function: String::new(),
        days: None,
        duration: None,
        expression: None,
        begun: 0,
        next: None,
        last: None,
        under_way: None,
    });
    (rotation.function, rotation.enabled) = (function, true);
    if let Some(rules) = &input.rotation_rules {
        if rules.automatically_after_days.is_some() && rules.schedule_expression.is_some() {
            return Err(error::parameter(
                "You cannot specify both rotation frequency and schedule expression together.",
            ));
        }
        rotation.days = rules.automatically_after_days;
        rotation.expression.clone_from(&rules.schedule_expression);
        rotation.duration.clone_from(&rules.duration);
        rotation.begun = day(cx.now_millis());
    }
    if rotation.days.is_some() || rotation.expression.is_some() {
        Rules::of(&rotation)?.check(rotation.begun, cx.now_millis())?;
    } else if rotation.duration.is_some() {
        return Err(error::parameter(
            "A rotation window needs a schedule: AutomaticallyAfterDays or ScheduleExpression.",
        ));
    }
    Ok(rotation)
}

/// The version that a rotation has made and not made the current one.
fn unfinished(secret: &Secret) -> Option<&str> {
    secret.labels.version(PENDING).filter(|pending| secret.labels.version(CURRENT) != Some(pending))
}

/// Refuses a function that Secrets Manager may not invoke.
async fn may_invoke(cx: &Cx, secret: &Secret, function: &str) -> Result<()> {
    let own = secret.home(cx).as_service(PRINCIPAL, Some(&secret.arn(cx)));
    let asked = json!({"FunctionName": function, "InvocationType": "DryRun"});
    match own.call("lambda", "Invoke", asked).await {
        Ok(_) => Ok(()),
        Err(Failure::Aws(_)) => Err(error::access_denied(
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.",
        )),
        Err(other) => Err(other),
    }
}

pub(crate) async fn rotate(cx: &Cx, input: api::RotateSecretInput) -> Result<api::RotateSecretOutput> {
    let secret = Secret::changeable(cx, &cx.read(), &input.secret_id)?;
    let version = input.client_request_token.clone().ok_or_else(error::no_token)?;
    let rotation = configured(cx, &secret, &input)?;
    let answer = |secret: &Secret| api::RotateSecretOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name.clone()),
        version_id: Some(version.clone()),
    };
    if secret.labels.has(&version) {
        return Ok(answer(&secret));
    }
    let current = secret.labels.version(CURRENT).ok_or_else(|| error::no_stage(CURRENT))?;
    if unfinished(&secret).is_some() {
        cx.write(|tx| retry(cx, tx, &secret)).await?;
        return Err(error::request("A previous rotation isn't complete. That rotation will be reattempted."));
    }
    may_invoke(cx, &secret, &rotation.function).await?;
    let test = input.rotate_immediately == Some(false);
    let value = if test { Some(copied(cx, &secret, current, &version).await?) } else { None };
    let secret = cx
        .write(|tx| {
            let mut secret = Secret::changeable(cx, tx, &input.secret_id)?;
            secret.rotation = Some(rotation.clone());
            secret.changed = cx.now_millis();
            plan(cx, tx, &mut secret)?;
            begin(cx, tx, &mut secret, &version, value.clone(), test)?;
            secret.put(tx);
            Ok(secret)
        })
        .await?;
    Ok(answer(&secret))
}

/// The value of the current version, for another version of this id.
async fn copied(cx: &Cx, secret: &Secret, current: &str, version: &str) -> Result<crate::rows::Sealed> {
    let value = secret.version(&cx.read(), current)?.and_then(|found| found.value);
    let value = value.ok_or_else(|| error::no_stage(CURRENT))?;
    let plain = sealed::open(cx, secret, current, &value).await?;
    sealed::seal(cx, secret, version, &plain).await
}

/// Begins a rotation: its version is there, without a value, and waits for the function.
fn begin(
    cx: &Cx,
    tx: &mut Tx<'_>,
    secret: &mut Secret,
    version: &str,
    value: Option<crate::rows::Sealed>,
    test: bool,
) -> Result<()> {
    if secret.version(tx, version)?.is_none() {
        crate::values::sweep(cx, tx, secret)?;
        Version { id: version.to_owned(), created: cx.now_millis(), accessed: None, value }.put(tx, secret);
    }
    secret.labels.attach(PENDING, version)?;
    let under_way = UnderWay { version: version.to_owned(), token: cx.random().uuid(), test, failures: 0 };
    if let Some(rotation) = &mut secret.rotation {
        rotation.under_way = Some(under_way);
    }
    rotate::plan(cx, tx, secret, cx.now_millis())
}

/// Goes on with a rotation that was not completed.
fn retry(cx: &Cx, tx: &mut Tx<'_>, seen: &Secret) -> Result<()> {
    let Some(mut secret) = seen.again(tx)?.filter(|secret| secret.rotation.is_some()) else { return Ok(()) };
    let Some(pending) = unfinished(&secret).map(ToOwned::to_owned) else { return Ok(()) };
    let under_way = secret.rotation.as_ref().is_some_and(|rotation| rotation.under_way.is_some());
    if !under_way {
        begin(cx, tx, &mut secret, &pending, None, false)?;
        secret.put(tx);
    }
    Ok(())
}

pub(crate) async fn cancel(cx: &Cx, input: &api::CancelRotateSecretInput) -> Result<api::CancelRotateSecretOutput> {
    let (secret, version) = cx
        .write(|tx| {
            let mut secret = Secret::changeable(cx, tx, &input.secret_id)?;
            let Some(rotation) = &mut secret.rotation else { return Err(error::no_rotation_function()) };
            (rotation.enabled, rotation.next) = (false, None);
            let under_way = rotation.under_way.take();
            if let Some(tried) = under_way.as_ref().filter(|under_way| under_way.test) {
                forget_test(tx, &mut secret, &tried.version);
            }
            secret.changed = cx.now_millis();
            unplan(cx, tx, &secret)?;
            secret.put(tx);
            Ok((secret, under_way.filter(|under_way| !under_way.test).map(|under_way| under_way.version)))
        })
        .await?;
    Ok(api::CancelRotateSecretOutput { arn: Some(secret.arn(cx)), name: Some(secret.name), version_id: version })
}

/// Removes the version that a configuration was tried out with.
pub(crate) fn forget_test(tx: &mut Tx<'_>, secret: &mut Secret, version: &str) {
    if secret.labels.version(PENDING) == Some(version) {
        secret.labels.detach(PENDING);
    }
    if !secret.labels.has(version) {
        VERSIONS.delete(tx, &secret.version_place(version));
    }
}

fn task_id(secret: &Secret) -> String {
    format!("{DUE}/{}/{}/{}", secret.account, secret.region, secret.name)
}

/// Has a secret rotated in its next window, at any moment of it.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, secret: &mut Secret) -> Result<()> {
    let Some(rotation) = secret.rotation.as_mut().filter(|rotation| rotation.enabled) else { return Ok(()) };
    if rotation.days.is_none() && rotation.expression.is_none() {
        return Ok(());
    }
    let window = Rules::of(rotation)?.window(rotation.begun, cx.now_millis());
    rotation.next = window.map(|(_, end)| end - 1000);
    let id = task_id(secret);
    let Some((start, end)) = window else { return cx.tasks().cancel(tx, SERVICE, &id) };
    let within = u64::try_from(end - 1000 - start).unwrap_or(0);
    let at = start + i64::try_from(cx.random().below(within)).unwrap_or(0);
    let payload = json!({"name": secret.name, "suffix": secret.suffix}).to_string();
    cx.tasks().schedule(&secret.home(cx), tx, SERVICE, &id, DUE, payload, moment(at))
}

/// Has it rotated no more.
pub(crate) fn unplan(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret) -> Result<()> {
    cx.tasks().cancel(tx, SERVICE, &task_id(secret))?;
    rotate::unplan(cx, tx, secret)
}

/// The current version was changed by hand, which counts as a rotation where they are so many days apart.
pub(crate) fn was_changed(cx: &Cx, tx: &mut Tx<'_>, secret: &mut Secret) -> Result<()> {
    if secret.rotation.as_ref().is_some_and(|rotation| rotation.days.is_some()) {
        return plan(cx, tx, secret);
    }
    Ok(())
}

/// The secret of a task, as it is by now.
pub(crate) fn of_task(
    cx: &Cx,
    from: &(impl undercast_kernel::store::Read + ?Sized),
    task: &Task,
) -> Result<Option<Secret>> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let found = SECRETS.get(from, &cx.key(told["name"].as_str().unwrap_or_default()))?;
    Ok(found.filter(|found| told["suffix"] == found.suffix.as_str()))
}

/// A rotation is due.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    cx.write(|tx| {
        let Some(mut secret) = of_task(cx, tx, task)?.filter(|secret| secret.deletion.is_none()) else {
            return Ok(());
        };
        let Some(rotation) = secret.rotation.clone().filter(|rotation| rotation.enabled) else { return Ok(()) };
        plan(cx, tx, &mut secret)?;
        if rotation.under_way.is_none() {
            let left = unfinished(&secret).map(ToOwned::to_owned);
            let version = left.unwrap_or_else(|| cx.random().uuid());
            begin(cx, tx, &mut secret, &version, None, false)?;
        }
        secret.put(tx);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}
