//! Replication of annotations: each makes its own way to the versions that replication made of its own, by a task of its own.
//! Those that are deleted stay where they were brought.
//!
//! Source: "Replicating annotations" in the user guide.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::annotations;
use crate::encryption::Customer;
use crate::events::{self, Event};
use crate::replicate::{self, Found, Job, Watched, What, Work};
use crate::replication_failures::{self as failures, End, Reason};
use crate::rows::{ANNOTATIONS, Annotation, BUCKETS, Bucket, Object, Replication, Sealed};
use crate::settings::Setting;
use crate::versions::{self, Moment};
use crate::{S3, error};

/// An annotation was put: where rules say so, it is sent on its way.
pub(crate) fn notice(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object, name: &str) -> Result<()> {
    if !Setting::Replication.is_on(bucket) || object.replication.is_none() {
        return Ok(());
    }
    let Some(annotation) = annotations::find(tx, bucket, key, object, name)? else { return Ok(()) };
    let all = replicate::work_of(tx, bucket, key, object, What::Annotation)?;
    let mut going = Vec::new();
    for (work, _) in all {
        let work = Work { annotation: Some(name.to_owned()), ..work };
        let text = serde_json::to_string(&work).map_err(Failure::broken)?;
        let owner = cx.elsewhere(&bucket.account, &bucket.region);
        cx.tasks().schedule(&owner, tx, "s3", &cx.random().uuid(), "replicate", text, cx.now())?;
        going.push(work.destination);
    }
    if going.is_empty() {
        return Ok(());
    }
    let sent = Annotation { replication: Some(Replication::Pending), going, ..annotation };
    ANNOTATIONS.put(tx, &annotations::place(bucket, key, object.rank, name), &sent);
    Ok(())
}

/// Brings an annotation to its destination. Says why it cannot be brought there.
pub(crate) async fn bring(s3: &S3, cx: &Cx, work: &Work) -> Result<Option<Reason>> {
    let name = work.annotation.as_deref().unwrap_or("");
    let job = match replicate::find(cx, work)? {
        Found::Nothing => return Ok(None),
        Found::NoTarget(source) => {
            settle(cx, &source, work, name, None, true).await?;
            return Ok(Some("DstBucketNotFound"));
        }
        Found::Job(job) => job,
    };
    let Some(annotation) = annotations::find(&cx.read(), &job.source, &work.key, &job.object, name)? else {
        return Ok(None);
    };
    let why = match deliver(s3, &job, name, &annotation).await {
        Ok(why) => why,
        Err(failure) => Some(failures::of_destination(failure)?),
    };
    if let Some(why) = why {
        tracing::warn!(bucket = work.bucket, key = work.key, name, why, "an annotation cannot be replicated");
    }
    settle(cx, &job.source, work, name, Some(&annotation), why.is_some()).await?;
    Ok(why)
}

/// A job replicates a version: its annotations go with it.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    object: &Object,
    all: &[(Work, Watched)],
) -> Result<()> {
    for (name, annotation) in annotations::of_version(tx, bucket, key, object)? {
        if annotation.replication != Some(Replication::Replica) {
            let going = all.iter().map(|(work, _)| work.destination.clone()).collect();
            let sent = Annotation { replication: Some(Replication::Pending), going, ..annotation };
            ANNOTATIONS.put(tx, &annotations::place(bucket, key, object.rank, &name), &sent);
        }
    }
    Ok(())
}

/// Brings all annotations of a version that a job replicates.
pub(crate) async fn bring_all(s3: &S3, cx: &Cx, bucket: &Bucket, object: &Object, work: &Work) -> Result<()> {
    for (name, _) in annotations::of_version(&cx.read(), bucket, &work.key, object)? {
        let work = Work { what: What::Annotation, annotation: Some(name), ..work.clone() };
        // That one cannot be brought there is told by its status; the job is about the object.
        match bring(s3, cx, &work).await {
            Ok(_) => {}
            Err(failure @ Failure::Broken(_)) => return Err(failure),
            Err(_) => {
                let name = work.annotation.as_deref().unwrap_or("");
                settle(cx, bucket, &work, name, None, true).await?;
            }
        }
    }
    Ok(())
}

async fn deliver(s3: &S3, job: &Job, name: &str, annotation: &Annotation) -> Result<Option<Reason>> {
    job.reach().await?;
    if let Some(why) = job.refusal(s3)? {
        return Ok(Some(why));
    }
    let from = job.cx.read();
    let Some(id) = job.object.version.as_deref() else { return Ok(Some("SrcObjectNotEligible")) };
    let there = match versions::find(&from, &job.target, &job.work.key, Some(id))? {
        versions::Found::Object(there) => there,
        // Its version is on its way there itself.
        _ if job.object.replication == Some(Replication::Pending) => return Err(Failure::Cut),
        _ => return Ok(Some("DstObjectNotFound")),
    };
    if matches!(there.sealed, Some(Sealed::Customer { .. })) {
        return Ok(Some("DstPutObjectNotPermitted"));
    }
    let source_cx = job.cx.elsewhere(&job.source.account, &job.source.region);
    if let Err(failure) = s3.opening(&source_cx, annotation.sealed.as_ref(), &Customer::default()).await {
        return failures::of_key(failure, End::Source).map(Some);
    }
    let sealing = match s3.sealing_like(&job.cx, &job.target, there.sealed.as_ref()).await {
        Ok(sealing) => sealing,
        Err(failure) => return failures::of_key(failure, End::Destination).map(Some),
    };
    let moved = s3.moved_one(&source_cx, name.to_owned(), annotation.clone(), &sealing, None).await?;
    let replica = Annotation { replication: Some(Replication::Replica), ..moved.after().clone() };
    let moment = Moment::of(&job.cx);
    job.cx
        .write(|tx| {
            let target =
                BUCKETS.get(tx, &(&job.target.name,))?.ok_or_else(|| error::no_such_bucket(&job.target.name))?;
            let found = versions::find(tx, &target, &job.work.key, Some(id))?;
            let versions::Found::Object(now) = found else { return Ok(()) };
            if now.sealed != there.sealed {
                return Err(Failure::Cut);
            }
            annotations::set(tx, &target, &job.work.key, &now, moved.name(), &replica)?;
            events::tell(&job.cx, tx, &target, Event::AnnotationPut, &job.work.key, Some(&now), moment, None)
        })
        .await?;
    Ok(None)
}

/// The end of a way. `sent`: what was brought; what has taken its place meanwhile is on its way itself.
async fn settle(
    cx: &Cx,
    source: &Bucket,
    work: &Work,
    name: &str,
    sent: Option<&Annotation>,
    failed: bool,
) -> Result<()> {
    cx.write(|tx| {
        let place = annotations::place(source, &work.key, work.rank, name);
        let Some(mut now) = ANNOTATIONS.get(tx, &place)? else { return Ok(()) };
        if sent.is_some_and(|sent| (sent.modified, &sent.etag) != (now.modified, &now.etag)) {
            return Ok(());
        }
        // What replication brought here stays a replica.
        if now.replication == Some(Replication::Replica) {
            return Ok(());
        }
        now.going.retain(|destination| *destination != work.destination);
        now.replication = Some(match now.replication {
            Some(Replication::Failed) => Replication::Failed,
            _ if failed => Replication::Failed,
            _ if now.going.is_empty() => Replication::Completed,
            _ => Replication::Pending,
        });
        ANNOTATIONS.put(tx, &place, &now);
        Ok(())
    })
    .await
}
