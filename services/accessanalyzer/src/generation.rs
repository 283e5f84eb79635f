//! Policy generation: the policy by which somebody could have done what they did.
//!
//! What was done is what this cloud saw being done with the rights of the user or role; a trail is asked for, by the role that is handed
//! over, to see that it may be read, but its files are not. So the policy has actions on data as well, which a trail may not record.
//!
//! Source: "IAM Access Analyzer policy generation" in the IAM user guide.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp, fingerprint};

use crate::SERVICE;
use crate::analyzers::is_repeated;
use crate::api::{self, output};
use crate::error::{conflict, invalid, page};
use crate::facts;
use crate::role::PRINCIPAL;
use crate::rows::moment;

/// Account, region; id.
static JOBS: Table<Job> = Table::new("accessanalyzer.jobs");

/// The kind of the tasks that generate policies.
pub(crate) const KIND: &str = "generate";

const DAY_MILLIS: i64 = 86_400_000;
/// Jobs are told of for so long.
const KEPT_MILLIS: i64 = 7 * DAY_MILLIS;
/// Trails are looked back on for so long.
const MOST_DAYS: i64 = 90;
/// A job takes some time, in which it can be cancelled.
const TAKES_MILLIS: i64 = 2_000;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Job {
    #[n(0)]
    id: String,
    #[n(1)]
    principal: String,
    #[n(2)]
    status: String,
    #[n(3)]
    started: i64,
    #[n(4)]
    completed: Option<i64>,
    /// Code and message.
    #[n(5)]
    error: Option<(String, String)>,
    #[n(6)]
    trails: Option<Trails>,
    /// Actions that were done.
    #[n(7)]
    actions: Vec<String>,
    /// By which the request is known again.
    #[n(8)]
    token: Option<String>,
}

/// Trails that are to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Trails {
    #[n(0)]
    arns: Vec<String>,
    #[n(1)]
    role: String,
    #[n(2)]
    start: i64,
    #[n(3)]
    end: i64,
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Job> {
    let found = JOBS.get(from, &cx.key(id))?;
    found.ok_or_else(|| invalid(format!("There is no policy generation with the job ID {id}.")).into())
}

fn trails(cx: &Cx, details: api::input::CloudTrailDetails) -> Result<Trails> {
    let (start, now) = (details.start_time.as_millisecond(), cx.now_millis());
    let end = details.end_time.map_or(now, Timestamp::as_millisecond);
    if start > now || end < start || start < now - MOST_DAYS * DAY_MILLIS {
        let message = format!("The startTime must be before the endTime and within the last {MOST_DAYS} days.");
        return Err(invalid(message).into());
    }
    // Of what was done it is known when it was done last, which may be after an end.
    if end < now - 60_000 {
        return Err(Failure::not_built("policy generation for a time that ends in the past"));
    }
    if details.trails.is_empty() || details.trails.iter().any(|trail| trail.all_regions != Some(true)) {
        return Err(invalid("Each trail must have allRegions or regions.").into());
    }
    let arns = details.trails.into_iter().map(|trail| trail.cloud_trail_arn).collect();
    Ok(Trails { arns, role: details.access_role, start, end })
}

pub(crate) async fn start(cx: &Cx, input: api::StartPolicyGenerationInput) -> Result<api::StartPolicyGenerationOutput> {
    let request = fingerprint(&input);
    let now = cx.now_millis();
    let job = Job {
        id: cx.random().uuid(),
        principal: input.policy_generation_details.principal_arn,
        status: "IN_PROGRESS".to_owned(),
        started: now,
        completed: None,
        error: None,
        trails: input.cloud_trail_details.map(|details| trails(cx, details)).transpose()?,
        actions: Vec::new(),
        token: input.client_token,
    };
    let due = Timestamp::from_millisecond(now + TAKES_MILLIS).unwrap_or(Timestamp::MAX);
    let id = cx
        .write(|tx| {
            let all = JOBS.all(tx, &(cx.account(), cx.region()))?;
            let before = all.iter().find(|entry| job.token.is_some() && entry.row.token == job.token);
            if is_repeated(cx, tx, job.token.as_deref(), &request)?
                && let Some(before) = before
            {
                return Ok(before.row.id.clone());
            }
            if let Some(other) = all.iter().find(|entry| entry.row.status == "IN_PROGRESS") {
                let message = "A policy generation is in progress. Wait until it is done, or cancel it.";
                return Err(conflict("policy-generation", &other.row.id, message));
            }
            for old in all.iter().filter(|entry| entry.row.started + KEPT_MILLIS < now) {
                JOBS.delete(tx, &cx.key(old.row.id.as_str()));
            }
            JOBS.put(tx, &cx.key(job.id.as_str()), &job);
            cx.tasks().schedule(cx, tx, SERVICE, &format!("generate/{}", job.id), KIND, job.id.clone(), due)?;
            Ok(job.id.clone())
        })
        .await?;
    Ok(api::StartPolicyGenerationOutput { job_id: id })
}

/// Generates, unless it was cancelled.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(job) = JOBS.get(&cx.read(), &cx.key(task.payload.as_str()))? else { return Ok(Next::Done) };
    let made = make(cx, &job).await?;
    cx.write(|tx| {
        let found = JOBS.get(tx, &cx.key(task.payload.as_str()))?;
        let Some(mut job) = found.filter(|job| job.status == "IN_PROGRESS") else { return Ok(()) };
        job.completed = Some(cx.now_millis());
        match &made {
            Ok(actions) => {
                "SUCCEEDED".clone_into(&mut job.status);
                job.actions.clone_from(actions);
            }
            Err(error) => {
                "FAILED".clone_into(&mut job.status);
                job.error = Some(error.clone());
            }
        }
        JOBS.put(tx, &cx.key(job.id.as_str()), &job);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

type Made = std::result::Result<Vec<String>, (String, String)>;

fn failed(code: &str, message: impl Into<String>) -> Made {
    Err((code.to_owned(), message.into()))
}

/// The actions that were done, or why that cannot be told.
async fn make(cx: &Cx, job: &Job) -> Result<Made> {
    let mut since = Timestamp::UNIX_EPOCH;
    if let Some(trails) = &job.trails {
        since = moment(trails.start);
        if let Some(error) = read(cx, trails).await? {
            return Ok(Err(error));
        }
    }
    let Some(known) = cx.kernel().identities() else {
        return Ok(failed("RESOURCE_NOT_FOUND_ERROR", format!("The principal {} was not found.", job.principal)));
    };
    let Some(told) = known.least_privilege(cx.kernel(), &job.principal, since).await? else {
        return Ok(failed("RESOURCE_NOT_FOUND_ERROR", format!("The principal {} was not found.", job.principal)));
    };
    let statements = told["policy"]["Statement"].as_array().into_iter().flatten();
    let patterns = statements.flat_map(|statement| match &statement["Action"] {
        Json::Array(all) => all.clone(),
        one => vec![one.clone()],
    });
    let mut actions: Vec<String> = patterns.filter_map(|action| action.as_str().map(ToOwned::to_owned)).collect();
    actions.sort();
    actions.dedup();
    Ok(Ok(actions))
}

/// Sees whether the trails can be read by the role; else why not.
async fn read(cx: &Cx, trails: &Trails) -> Result<Option<(String, String)>> {
    let session = cx.as_role(PRINCIPAL, &trails.role, "access-analyzer");
    for arn in &trails.arns {
        let wrong = match session.call("cloudtrail", "GetTrail", json!({"Name": arn})).await {
            Ok(_) => continue,
            Err(Failure::NotBuilt { .. }) => {
                failed("SERVICE_ERROR", "CloudTrail is not there, so that no trail can be read.")
            }
            Err(failure) => match failure.code() {
                Some(code) if code.starts_with("AccessDenied") => {
                    failed("AUTHORIZATION_ERROR", format!("The role {} may not read the trail {arn}.", trails.role))
                }
                Some(_) => failed("RESOURCE_NOT_FOUND_ERROR", format!("The trail {arn} was not found.")),
                None => return Err(failure),
            },
        };
        return Ok(wrong.err());
    }
    Ok(None)
}

/// Stops a job that is not done. One that is done stays as it is.
pub(crate) async fn cancel(cx: &Cx, input: &api::CancelPolicyGenerationInput) -> Result<()> {
    cx.write(|tx| {
        let mut job = find(cx, tx, &input.job_id)?;
        if job.status == "IN_PROGRESS" {
            "CANCELED".clone_into(&mut job.status);
            job.completed = Some(cx.now_millis());
            JOBS.put(tx, &cx.key(job.id.as_str()), &job);
        }
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListPolicyGenerationsInput) -> Result<api::ListPolicyGenerationsOutput> {
    let rows = JOBS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let young = rows.filter(|job| job.started + KEPT_MILLIS >= cx.now_millis());
    let mut all: Vec<Job> =
        young.filter(|job| input.principal_arn.as_ref().is_none_or(|arn| *arn == job.principal)).collect();
    all.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
    let shown = all.into_iter().map(|job| output::PolicyGeneration {
        job_id: job.id,
        principal_arn: job.principal,
        status: job.status,
        started_on: moment(job.started),
        completed_on: job.completed.map(moment),
    });
    let scope = format!("ListPolicyGenerations/{:?}", input.principal_arn);
    let (policy_generations, next_token) =
        page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListPolicyGenerationsOutput { policy_generations, next_token })
}

/// The resources of an action as placeholders: `arn:aws:s3:::${BucketName}`; `*` for one that has none.
fn placeholders(action: &str) -> Vec<String> {
    let (service, name) = action.split_once(':').unwrap_or((action, ""));
    let Some(known) = facts::service(service) else { return vec!["*".to_owned()] };
    let types = known.actions.get(name).into_iter().flat_map(|action| &action.resource_types);
    let arns = types.filter_map(|on| known.resources.get(&on.name));
    let all: Vec<String> = arns.map(|resource| resource.arn.replace("${Partition}", "aws")).collect();
    if all.is_empty() { vec!["*".to_owned()] } else { all }
}

/// The policy that allows these actions.
fn policy(actions: &[String], with_placeholders: bool) -> Json {
    let mut by_resources: BTreeMap<Vec<String>, Vec<&String>> = BTreeMap::new();
    for action in actions {
        let resources = if with_placeholders { placeholders(action) } else { vec!["*".to_owned()] };
        by_resources.entry(resources).or_default().push(action);
    }
    let statement = |(at, (resources, actions)): (usize, (Vec<String>, Vec<&String>))| {
        let resources = match &resources[..] {
            [one] => json!(one),
            all => json!(all),
        };
        json!({"Sid": format!("SupportedServiceSid{at}"), "Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let statements: Vec<Json> = by_resources.into_iter().enumerate().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

pub(crate) fn get(cx: &Cx, input: &api::GetGeneratedPolicyInput) -> Result<api::GetGeneratedPolicyOutput> {
    let job = find(cx, &cx.read(), &input.job_id)?;
    let done = job.status == "SUCCEEDED";
    let with_placeholders = input.include_resource_placeholders == Some(true);
    let policies = (done && !job.actions.is_empty())
        .then(|| output::GeneratedPolicy { policy: policy(&job.actions, with_placeholders).to_string() });
    let properties = job.trails.map(|trails| output::CloudTrailProperties {
        trail_properties: trails
            .arns
            .into_iter()
            .map(|cloud_trail_arn| output::TrailProperties {
                cloud_trail_arn,
                regions: Some(Vec::new()),
                all_regions: Some(true),
            })
            .collect(),
        start_time: moment(trails.start),
        end_time: moment(trails.end),
    });
    Ok(api::GetGeneratedPolicyOutput {
        job_details: output::JobDetails {
            job_id: job.id,
            status: job.status,
            started_on: moment(job.started),
            completed_on: job.completed.map(moment),
            job_error: job.error.map(|(code, message)| output::JobError { code, message }),
        },
        generated_policy_result: output::GeneratedPolicyResult {
            properties: output::GeneratedPolicyProperties {
                is_complete: done.then_some(true),
                principal_arn: job.principal,
                cloud_trail_properties: properties,
            },
            generated_policies: Some(policies.into_iter().collect()),
        },
    })
}
