//! A job on its way: from status to status, each step a transaction of its own.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use super::rows::{Entry, JOBS, Job, LEFT, LIVE, RESULTS, Status};
use super::work::{self, Outcome};
use super::{PRINCIPAL, manifest, report};

/// The service whose tasks these are.
const SERVICE: &str = "s3control";

/// So many objects are worked on between two commits.
const CHUNK: usize = 20;

/// So many rows are written at a time when a list is read.
const ROWS: usize = 1000;

/// A job fails when more than half of so many objects, or of more, have failed.
const THRESHOLD: u64 = 1000;

/// A job that waits for one of higher priority looks again after so long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// A job is kept so long after its end: 90 days.
const KEPT: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3_600);

/// The end of the id of a task that drives a job on after its confirmation.
const CONFIRMED: &str = "/confirmed";

/// What keeps a job from going on: a code and a reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) code: String,
    pub(crate) reason: String,
}

impl Stop {
    pub(crate) fn new(code: &str, reason: impl Into<String>) -> Self {
        Self { code: code.to_owned(), reason: reason.into() }
    }

    /// A refusal stops the job; what broke here does not: it is tried again.
    pub(crate) fn of(failure: Failure, doing: &str) -> Result<Self> {
        match failure {
            Failure::Aws(e) => Ok(Self::new(&e.code, format!("{doing}: {} (status {})", e.message, e.status))),
            Failure::NotBuilt { what } => Ok(Self::new("NotImplemented", format!("{doing}: {what} is not built"))),
            other => Err(other),
        }
    }
}

/// The outcome of a step that may stop the job.
pub(crate) type Step<T> = Result<std::result::Result<T, Stop>>;

/// Sets a new job going.
pub(crate) fn schedule(cx: &Cx, tx: &mut Tx<'_>, id: &str) -> Result<()> {
    cx.tasks().schedule(cx, tx, SERVICE, id, "job", id.to_owned(), cx.now())
}

/// Sets a job going that had come to rest. Another id than the first one's: that may be ending this very moment.
pub(crate) fn schedule_again(cx: &Cx, tx: &mut Tx<'_>, id: &str) -> Result<()> {
    cx.tasks().schedule(cx, tx, SERVICE, &format!("{id}{CONFIRMED}"), "job", id.to_owned(), cx.now())
}

/// Keeps a job, and whether it is among those that run.
pub(crate) fn put(cx: &Cx, tx: &mut Tx<'_>, job: &Job) {
    JOBS.put(tx, &cx.key(&job.id), job);
    if matches!(job.status, Status::Ready | Status::Active | Status::Paused) {
        LIVE.put(tx, &cx.key(&job.id), &job.priority);
    } else {
        LIVE.delete(tx, &cx.key(&job.id));
    }
}

/// Does a task: the next step of a job, or forgetting it.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let id = task.payload.as_str();
    let Some(job) = JOBS.get(&cx.read(), &cx.key(id))? else { return Ok(Next::Done) };
    if task.kind == "forget" {
        cx.write(|tx| {
            JOBS.delete(tx, &cx.key(id));
            Ok(())
        })
        .await?;
        return Ok(Next::Done);
    }
    // A job that waited for its confirmation is driven by the task that this made, and by no other.
    if job.suspended.is_some() != task.id.ends_with(CONFIRMED) {
        return Ok(Next::Done);
    }
    match job.status {
        Status::New => turn(cx, id, Status::New, Status::Preparing).await?,
        Status::Preparing => prepare(cx, &job).await?,
        Status::Ready | Status::Paused => return begin(cx, &job).await,
        Status::Active => return go_on(cx, &job).await,
        Status::Completing | Status::Failing | Status::Cancelling => finish(cx, &job).await?,
        Status::Suspended | Status::Complete | Status::Failed | Status::Cancelled => return Ok(Next::Done),
    }
    Ok(Next::Again(cx.refreshed().now()))
}

/// Changes a job as it is now, unless it is in another status by now.
async fn change(cx: &Cx, id: &str, from: Status, change: impl Fn(&mut Job, i64)) -> Result<()> {
    let now = cx.refreshed().now_millis();
    cx.write(|tx| {
        if let Some(mut job) = JOBS.get(tx, &cx.key(id))?.filter(|job| job.status == from) {
            change(&mut job, now);
            put(cx, tx, &job);
        }
        Ok(())
    })
    .await
}

async fn turn(cx: &Cx, id: &str, from: Status, to: Status) -> Result<()> {
    change(cx, id, from, |job, now| job.become_(to, now)).await
}

async fn stop(cx: &Cx, id: &str, from: Status, to: Status, why: &Stop) -> Result<()> {
    change(cx, id, from, |job, now| {
        job.failures = vec![(why.code.clone(), why.reason.chars().take(256).collect())];
        job.become_(to, now);
    })
    .await
}

/// Reads the list of objects into rows.
async fn prepare(cx: &Cx, job: &Job) -> Result<()> {
    let listed = match assumable(cx, &job.role)? {
        Err(why) => Err(why),
        Ok(()) => manifest::read(cx, job).await?,
    };
    let listed = match listed {
        Ok(listed) => listed,
        Err(why) => return stop(cx, &job.id, Status::Preparing, Status::Failing, &why).await,
    };
    cx.write(|tx| {
        LEFT.clear(tx, &cx.key(&job.id))?;
        Ok(())
    })
    .await?;
    for (n, some) in listed.entries.chunks(ROWS).enumerate() {
        cx.write(|tx| {
            for (number, entry) in (n * ROWS..).zip(some) {
                LEFT.put(tx, &(cx.key(&job.id), number as u64), entry);
            }
            Ok(())
        })
        .await?;
    }
    change(cx, &job.id, Status::Preparing, |job, now| {
        job.total = listed.entries.len() as u64;
        job.generated.clone_from(&listed.generated);
        job.become_(if job.confirm { Status::Suspended } else { Status::Ready }, now);
    })
    .await
}

/// The role is there and lets Batch Operations in.
fn assumable(cx: &Cx, arn: &str) -> Step<()> {
    let refused = || Stop::new("InvalidRole", format!("The role {arn} cannot be assumed by {PRINCIPAL}"));
    Ok(if cx.is_assumable(PRINCIPAL, arn, None)? { Ok(()) } else { Err(refused()) })
}

/// Whether a job of higher priority is ready to run, or runs.
fn outranked(cx: &Cx, from: &(impl Read + ?Sized), job: &Job) -> Result<bool> {
    let others = LIVE.all(from, &(cx.account(), cx.region()))?;
    Ok(others.iter().any(|other| other.row > job.priority))
}

async fn begin(cx: &Cx, job: &Job) -> Result<Next> {
    if outranked(cx, &cx.read(), job)? {
        return Ok(later(cx));
    }
    turn(cx, &job.id, job.status, Status::Active).await?;
    Ok(Next::Again(cx.refreshed().now()))
}

fn later(cx: &Cx) -> Next {
    let now = cx.refreshed().now();
    Next::Again(now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX))
}

/// Works on the next few objects.
async fn go_on(cx: &Cx, job: &Job) -> Result<Next> {
    if outranked(cx, &cx.read(), job)? {
        turn(cx, &job.id, Status::Active, Status::Paused).await?;
        return Ok(later(cx));
    }
    let first =
        LEFT.page(&cx.read(), &cx.key(&job.id), None::<&()>, undercast_kernel::store::Order::Ascending, CHUNK)?;
    let some: Vec<(u64, Entry)> = first
        .into_iter()
        .filter_map(|entry| entry.key::<(String, String, String, u64)>().map(|key| (key.3, entry.row)))
        .collect();
    if some.is_empty() {
        turn(cx, &job.id, Status::Active, Status::Completing).await?;
        return Ok(Next::Again(cx.refreshed().now()));
    }
    let done = work::on(cx, job, &some).await?;
    settle(cx, job, &done).await?;
    Ok(Next::Again(cx.refreshed().now()))
}

/// Commits what was done to some objects, whatever has become of the job meanwhile.
async fn settle(cx: &Cx, job: &Job, done: &[(u64, &Entry, Outcome)]) -> Result<()> {
    let wanted = report::Wanted::of(job)?;
    let now = cx.refreshed().now_millis();
    cx.write(|tx| {
        let Some(mut job) = JOBS.get(tx, &cx.key(&job.id))? else { return Ok(()) };
        for (number, entry, outcome) in done {
            LEFT.delete(tx, &(cx.key(&job.id), *number));
            if let Some(line) = wanted.line(entry, outcome) {
                RESULTS.put(tx, &(cx.key(&job.id), u64::from(!outcome.succeeded), *number), &line);
            }
            if outcome.succeeded {
                job.succeeded += 1;
            } else {
                job.failed += 1;
            }
        }
        if job.status == Status::Active && job.done() >= THRESHOLD && job.failed * 2 > job.done() {
            let reason = format!("{} of {} tasks failed, which is more than half of them.", job.failed, job.done());
            job.failures = vec![("JobFailureThresholdExceeded".to_owned(), reason)];
            job.become_(Status::Failing, now);
        }
        put(cx, tx, &job);
        Ok(())
    })
    .await
}

/// Writes the report, takes away what only a running job needs, and ends.
async fn finish(cx: &Cx, job: &Job) -> Result<()> {
    let mut end = match job.status {
        Status::Failing => Status::Failed,
        Status::Cancelling => Status::Cancelled,
        _ => Status::Complete,
    };
    let mut failures = job.failures.clone();
    if let Err(why) = report::write(cx, job).await? {
        failures.push((why.code, why.reason.chars().take(256).collect()));
        if end == Status::Complete {
            end = Status::Failed;
        }
    }
    let refreshed = cx.refreshed();
    let forgotten = refreshed.now().checked_add(KEPT).unwrap_or(Timestamp::MAX);
    cx.write(|tx| {
        let Some(mut job) = JOBS.get(tx, &cx.key(&job.id))? else { return Ok(()) };
        LEFT.clear(tx, &cx.key(&job.id))?;
        RESULTS.clear(tx, &cx.key(&job.id))?;
        job.failures.clone_from(&failures);
        job.become_(end, refreshed.now_millis());
        put(cx, tx, &job);
        cx.tasks().schedule(cx, tx, SERVICE, &format!("{}/forget", job.id), "forget", job.id.clone(), forgotten)?;
        Ok(())
    })
    .await
}
