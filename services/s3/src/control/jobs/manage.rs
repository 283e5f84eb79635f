//! Jobs as their owners see them: made, described, listed, confirmed, cancelled.

use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{AwsError, Cx, Failure, Repeated, Result, paging};

use super::rows::{JOBS, Job, Status};
use super::{AWAITING, Described, request, run};
use crate::control::api::{self, output};
use crate::control::points;

/// A token is remembered as long as a job is: 90 days, in milliseconds.
const REMEMBERED: i64 = 90 * 24 * 3_600_000;

pub(crate) async fn create(cx: &Cx, input: api::CreateJobInput) -> Result<api::CreateJobOutput> {
    let request =
        request::kept(&input.operation, input.manifest.as_ref(), input.manifest_generator.as_ref(), &input.report)?;
    let tags = request::tags(input.tags.into_iter().flatten())?;
    let confirm = input.confirmation_required == Some(true);
    let identity = json!([confirm, request, input.description, input.priority, input.role_arn, tags]).to_string();
    let job = Job {
        id: cx.random().uuid(),
        status: Status::New,
        created: cx.now_millis(),
        ended: None,
        priority: input.priority,
        role: input.role_arn,
        description: input.description,
        confirm,
        token: input.client_request_token,
        request: request.to_string(),
        total: 0,
        succeeded: 0,
        failed: 0,
        active: 0,
        active_since: None,
        reason: None,
        failures: Vec::new(),
        suspended: None,
        tags,
        generated: None,
    };
    let id = cx
        .write(|tx| {
            match cx.repeated(tx, "s3control", &job.token, identity.as_bytes(), REMEMBERED)? {
                Repeated::New => {}
                Repeated::Same => return before(cx, tx, &job.token),
                Repeated::Another => {
                    let message = "A job with this ClientRequestToken exists, and was asked for with other parameters.";
                    return Err(AwsError::new("IdempotencyException", 400, message).into());
                }
            }
            JOBS.put(tx, &cx.key(&job.id), &job);
            run::schedule(cx, tx, &job.id)?;
            Ok(job.id.clone())
        })
        .await?;
    Ok(api::CreateJobOutput { job_id: Some(id) })
}

/// The job that was made with a token before.
fn before(cx: &Cx, tx: &mut Tx<'_>, token: &str) -> Result<String> {
    let all = JOBS.all(tx, &(cx.account(), cx.region()))?;
    let found = all.into_iter().map(|e| e.row).find(|job| job.token == token);
    found.map(|job| job.id).ok_or_else(|| cx.broken("a token outlived its job"))
}

/// The moment in the form that answers in JSON have.
fn moment(millis: i64) -> Json {
    json!(crate::buckets::shown(millis).as_second())
}

fn progress(cx: &Cx, job: &Job) -> Json {
    json!({
        "TotalNumberOfTasks": job.total,
        "NumberOfTasksSucceeded": job.succeeded,
        "NumberOfTasksFailed": job.failed,
        "Timers": {"ElapsedTimeInActiveSeconds": job.active_seconds(cx.now_millis())},
    })
}

pub(crate) fn describe(cx: &Cx, id: &str) -> Result<api::DescribeJobOutput> {
    let job = Job::find(cx, &cx.read(), id)?;
    let kept: Json = serde_json::from_str(&job.request).map_err(Failure::broken)?;
    let reasons: Vec<Json> =
        job.failures.iter().map(|(code, reason)| json!({"FailureCode": code, "FailureReason": reason})).collect();
    let suspended = job.suspended.filter(|_| job.confirm);
    let generated = job.generated.as_ref().map(
        |(arn, tag)| json!({"Format": "S3InventoryReport_CSV_20211130", "Location": {"ObjectArn": arn, "ETag": tag}}),
    );
    let described = json!({
        "JobId": job.id,
        "ConfirmationRequired": job.confirm,
        "Description": job.description,
        "JobArn": job.arn(cx),
        "Status": job.status.name(),
        "Manifest": kept.get("Manifest"),
        "Operation": kept.get("Operation"),
        "Priority": job.priority,
        "ProgressSummary": progress(cx, &job),
        "StatusUpdateReason": job.reason,
        "FailureReasons": (!reasons.is_empty()).then_some(reasons),
        "Report": kept.get("Report"),
        "CreationTime": moment(job.created),
        "TerminationDate": job.ended.map(moment),
        "RoleArn": job.role,
        "SuspendedDate": suspended.map(moment),
        "SuspendedCause": suspended.map(|_| AWAITING),
        "ManifestGenerator": kept.get("ManifestGenerator"),
        "GeneratedManifestDescriptor": generated,
    });
    Ok(api::DescribeJobOutput { job: Some(Described(described)) })
}

fn listed(cx: &Cx, job: Job) -> output::JobListDescriptor {
    let operation = job.operation();
    let count = |n: u64| i64::try_from(n).ok();
    output::JobListDescriptor {
        operation,
        priority: Some(job.priority),
        status: Some(job.status.name().to_owned()),
        creation_time: Some(crate::buckets::shown(job.created)),
        termination_date: job.ended.map(crate::buckets::shown),
        progress_summary: Some(output::JobProgressSummary {
            total_number_of_tasks: count(job.total),
            number_of_tasks_succeeded: count(job.succeeded),
            number_of_tasks_failed: count(job.failed),
            timers: Some(output::JobTimers {
                elapsed_time_in_active_seconds: Some(job.active_seconds(cx.now_millis())),
            }),
        }),
        job_id: Some(job.id),
        description: job.description,
    }
}

/// The newest jobs first.
pub(crate) fn list(cx: &Cx, input: &api::ListJobsInput) -> Result<api::ListJobsOutput> {
    let wanted = input.job_statuses.as_deref().unwrap_or(&[]);
    let scope = format!("s3control.ListJobs:{}", wanted.join(","));
    let invalid = || AwsError::new("InvalidNextTokenException", 400, "The NextToken is not valid");
    let after = input.next_token.as_deref().map(|t| paging::position(&scope, t).ok_or_else(invalid)).transpose()?;
    let most = points::most(input.max_results);
    let place = |job: &Job| format!("{:020}:{}", i64::MAX - job.created, job.id);
    let mut jobs: Vec<Job> = JOBS
        .all(&cx.read(), &(cx.account(), cx.region()))?
        .into_iter()
        .map(|e| e.row)
        .filter(|job| wanted.is_empty() || wanted.iter().any(|w| w == job.status.name()))
        .filter(|job| after.as_ref().is_none_or(|after| place(job) > *after))
        .collect();
    jobs.sort_by_key(place);
    let next = jobs.len() > most;
    jobs.truncate(most);
    let next = jobs.last().filter(|_| next).map(|job| paging::token(&scope, &place(job)));
    let jobs = jobs.into_iter().map(|job| listed(cx, job)).collect();
    Ok(api::ListJobsOutput { jobs: Some(jobs), next_token: next })
}

/// Confirms a job that waits for it, or ends one that has not ended.
pub(crate) async fn update_status(cx: &Cx, input: api::UpdateJobStatusInput) -> Result<api::UpdateJobStatusOutput> {
    let ready = input.requested_job_status == "Ready";
    let job = cx
        .write(|tx| {
            let mut job = Job::find(cx, tx, &input.job_id)?;
            let before = job.status;
            let next = match before {
                Status::Suspended if ready => Status::Ready,
                Status::New | Status::Preparing | Status::Ready | Status::Active | Status::Paused if !ready => {
                    Status::Cancelling
                }
                Status::Suspended if !ready => Status::Cancelling,
                Status::Cancelling if !ready => return Ok(job),
                _ => {
                    let message = format!(
                        "The job {} is {}, and cannot become {}.",
                        job.id,
                        before.name(),
                        input.requested_job_status
                    );
                    return Err(AwsError::new("JobStatusException", 400, message).into());
                }
            };
            job.become_(next, cx.now_millis());
            job.reason.clone_from(&input.status_update_reason);
            run::put(cx, tx, &job);
            // Nothing else drives a job that waits for its confirmation.
            if before == Status::Suspended {
                run::schedule_again(cx, tx, &job.id)?;
            }
            Ok(job)
        })
        .await?;
    Ok(api::UpdateJobStatusOutput {
        job_id: Some(job.id),
        status: Some(job.status.name().to_owned()),
        status_update_reason: job.reason,
    })
}

pub(crate) async fn update_priority(
    cx: &Cx,
    input: api::UpdateJobPriorityInput,
) -> Result<api::UpdateJobPriorityOutput> {
    cx.write(|tx| {
        let mut job = Job::find(cx, tx, &input.job_id)?;
        if job.status.is_end() {
            let message = format!("The job {} is {}, and has no priority any more.", job.id, job.status.name());
            return Err(AwsError::new("BadRequestException", 400, message).into());
        }
        job.priority = input.priority;
        run::put(cx, tx, &job);
        Ok(())
    })
    .await?;
    Ok(api::UpdateJobPriorityOutput { job_id: input.job_id, priority: input.priority })
}

pub(crate) async fn put_tagging(cx: &Cx, input: api::PutJobTaggingInput) -> Result<()> {
    let tags = request::tags(input.tags.into_iter())?;
    set_tags(cx, &input.job_id, &tags).await
}

pub(crate) async fn delete_tagging(cx: &Cx, id: &str) -> Result<()> {
    set_tags(cx, id, &undercast_kernel::tags::Tags::new()).await
}

async fn set_tags(cx: &Cx, id: &str, tags: &undercast_kernel::tags::Tags) -> Result<()> {
    cx.write(|tx| {
        let mut job = Job::find(cx, tx, id)?;
        job.tags.clone_from(tags);
        JOBS.put(tx, &cx.key(&job.id), &job);
        Ok(())
    })
    .await
}

pub(crate) fn get_tagging(cx: &Cx, id: &str) -> Result<api::GetJobTaggingOutput> {
    let job = Job::find(cx, &cx.read(), id)?;
    let tags = job.tags.into_iter().map(|(key, value)| output::S3Tag { key, value }).collect();
    Ok(api::GetJobTaggingOutput { tags: Some(tags) })
}
