//! Replication at work: each version that a rule meets makes its way to each destination, by a task of its own.
//!
//! A way is a row, made with the writing that it is about, so that nothing is lost: a destination that cannot be reached is
//! tried again, one that refuses makes the version's status FAILED. The bytes of a replica are those of the source,
//! referred to once more, unless it is encrypted with another key.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api::kept::ReplicationRule;
use crate::content::{self, Span};
use crate::encryption::{Asked, Customer};
use crate::events::{self, Event, PRINCIPAL};
use crate::intake::{self, Taken};
use crate::replication::{Configuration, Rule, bucket_of};
use crate::replication_failures::{self as failures, End, Reason};
use crate::rows::{
    BUCKETS, Bucket, Content, Method, Object, Ownership, Replication, SEGMENTS, Sealed, Segment, Stored, Versioning,
};
use crate::settings::Setting;
use crate::tiers::{self, Note, Touch};
use crate::versions::{self, Moment};
use crate::{S3, error, replicate_annotations, replication_metrics, tiering};

/// Account, region, bucket, key, rank, destination → a version on its way there.
pub(crate) static WAYS: Table<Way> = Table::new("s3.replications");

/// What Replication Time Control promises, in milliseconds.
const IN_TIME: i64 = 15 * 60 * 1000;

/// A version on its way.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Way {
    #[n(0)]
    pub(crate) rule: String,
    /// When it was sent off, in milliseconds since 1970.
    #[n(1)]
    pub(crate) since: i64,
    /// It was told that it takes too long.
    #[n(2)]
    told: bool,
}

/// What makes its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Version,
    Marker,
    /// Tags, ACL and locks of a version that is there.
    Change,
    /// An annotation of a version that is there: `replicate_annotations.rs`.
    Annotation,
}

/// What a task has to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) rank: u64,
    /// ARN of the destination.
    pub(crate) destination: String,
    pub(crate) rule: String,
    pub(crate) what: What,
    /// Its name, where it is an annotation.
    #[serde(default)]
    pub(crate) annotation: Option<String>,
}

fn way<'a>(bucket: &'a Bucket, work: &'a Work) -> (&'a str, &'a str, &'a str, &'a str, u64, &'a str) {
    (&bucket.account, &bucket.region, &bucket.name, &work.key, work.rank, &work.destination)
}

fn what_of(event: Event, object: &Object) -> Option<What> {
    match event {
        // What replication made is not replicated on.
        Event::Put | Event::Post | Event::Copy | Event::Complete => {
            (object.replication != Some(Replication::Replica)).then_some(What::Version)
        }
        Event::MarkerCreated => Some(What::Marker),
        Event::TaggingPut | Event::TaggingDelete | Event::AclPut | Event::RetentionPut | Event::HoldPut => {
            object.replication.map(|_| What::Change)
        }
        _ => None,
    }
}

fn wants(rule: &ReplicationRule, what: What, object: &Object) -> bool {
    match what {
        What::Version => !matches!(object.sealed, Some(Sealed::Kms { .. })) || rule.copies_kms(),
        What::Annotation => wants(rule, What::Version, object) && wants(rule, What::Change, object),
        What::Marker => rule.copies_markers(),
        What::Change if object.replication == Some(Replication::Replica) => rule.copies_changes_of_replicas(),
        What::Change => true,
    }
}

/// Something happened to a version: where rules say so, it is sent on its way.
pub(crate) fn notice(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    event: Event,
    key: &str,
    object: &Object,
) -> Result<()> {
    if !Setting::Replication.is_on(bucket) {
        return Ok(());
    }
    let Some(what) = what_of(event, object) else { return Ok(()) };
    send(cx, tx, bucket, key, object, what).map(drop)
}

/// How a way is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    timed: bool,
    measured: bool,
}

/// What the rules of a bucket make of something that happened to a version.
pub(crate) fn work_of(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    object: &Object,
    what: What,
) -> Result<Vec<(Work, Watched)>> {
    let Some(configuration) = Setting::Replication.get::<Configuration>(from, bucket)? else { return Ok(Vec::new()) };
    let rules = configuration.rules_for(key, &object.tags).into_iter().filter(|r| wants(r, what, object));
    let work = |rule: &ReplicationRule| Work {
        bucket: bucket.name.clone(),
        key: key.to_owned(),
        rank: object.rank,
        destination: rule.destination.bucket.clone(),
        rule: rule.id.clone().unwrap_or_else(String::new),
        what,
        annotation: None,
    };
    let watched = |rule: &ReplicationRule| Watched { timed: rule.is_timed(), measured: rule.is_measured() };
    Ok(rules.map(|rule| (work(rule), watched(rule))).collect())
}

fn send(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object, what: What) -> Result<bool> {
    let all = work_of(tx, bucket, key, object, what)?;
    for (work, watched) in &all {
        schedule(cx, tx, bucket, work, *watched)?;
    }
    if !all.is_empty() && what == What::Version {
        let pending = Object { replication: Some(Replication::Pending), ..object.clone() };
        versions::put_back(tx, bucket, key, &pending)?;
    }
    Ok(!all.is_empty())
}

/// Whether a rule says that a version that is there be replicated.
pub(crate) fn is_eligible(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, object: &Object) -> Result<bool> {
    Ok(!work_of(from, bucket, key, object, What::Version)?.is_empty())
}

/// Replicates a version that is there, to each destination that a rule names for it, and says why one does not have it now.
///
/// Source: "Replicating existing objects with Batch Replication" in the user guide. The caller needs
/// `s3:InitiateReplication`, the role of the configuration what it needs of any version.
pub(crate) async fn existing(s3: &S3, cx: &Cx, name: &str, key: &str, version: Option<&str>) -> Result<Option<Reason>> {
    let from = cx.read();
    let bucket = match crate::bucket::anywhere(&from, name, None) {
        Ok(bucket) if bucket.region != cx.region() => return Ok(Some("SrcBucketInvalidRegion")),
        Ok(bucket) => bucket,
        Err(failure) => return failures::of_source(failure).map(Some),
    };
    let access = s3.guarded(cx, &from, bucket.clone().into())?.on_object("s3:InitiateReplication", key);
    if cx.denied(&access)?.is_some() {
        return Ok(Some("InitiateReplicationNotPermitted"));
    }
    if !Setting::Replication.is_on(&bucket) {
        return Ok(Some("SrcBucketReplicationConfigMissing"));
    }
    let found = cx
        .write(|tx| {
            let mut object = crate::objects::existing(tx, &bucket, key, version)?;
            let all = work_of(tx, &bucket, key, &object, What::Version)?;
            // Batch Replication counts as access, live replication does not.
            let note = Note::of(&object, Touch::Read, cx.now_millis()).filter(|_| !all.is_empty());
            if let Some(note) = note {
                note.put(tx, &bucket, key, cx.now_millis())?;
                object = crate::objects::existing(tx, &bucket, key, version)?;
            }
            for (work, _) in &all {
                let underway = Way { rule: work.rule.clone(), since: cx.now_millis(), told: false };
                WAYS.put(tx, &way(&bucket, work), &underway);
            }
            if !all.is_empty() {
                let pending = Object { replication: Some(Replication::Pending), ..object.clone() };
                versions::put_back(tx, &bucket, key, &pending)?;
                replicate_annotations::begin(tx, &bucket, key, &object, &all)?;
            }
            Ok((all, object))
        })
        .await;
    let (all, object) = match found {
        Ok(found) => found,
        Err(failure) => return failures::of_source(failure).map(Some),
    };
    if all.is_empty() {
        return Ok(Some("SrcObjectNotEligible"));
    }
    let owner = cx.kernel().cx_for(&bucket.account, &bucket.region);
    let mut why = None;
    for (work, _) in all {
        let failed = match bring(s3, &owner, &work).await {
            Err(failure @ Failure::Broken(_)) => return Err(failure),
            // Nobody comes again for what cannot be reached: the job tells of it.
            Err(_) => {
                settle(&owner, &bucket, &work, Some("DstPutObjectNotPermitted")).await?;
                Some("DstPutObjectNotPermitted")
            }
            Ok(failed) => failed,
        };
        why = why.or(failed);
        replicate_annotations::bring_all(s3, &owner, &bucket, &object, &work).await?;
    }
    // What replication brought here stays a replica.
    if object.replication == Some(Replication::Replica) {
        cx.write(|tx| {
            let Some(now) = versions::ranked(tx, &bucket, key, object.rank)? else { return Ok(()) };
            versions::put_back(tx, &bucket, key, &Object { replication: object.replication, ..now })
        })
        .await?;
    }
    Ok(why)
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, work: &Work, watched: Watched) -> Result<()> {
    let text = serde_json::to_string(work).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    WAYS.put(tx, &way(bucket, work), &Way { rule: work.rule.clone(), since: cx.now_millis(), told: false });
    if watched.measured {
        replication_metrics::begin(cx, tx, bucket)?;
    }
    if watched.timed && work.what == What::Version {
        let late = Timestamp::from_millisecond(cx.now_millis() + IN_TIME).map_err(Failure::broken)?;
        cx.tasks().schedule(&owner, tx, "s3", &cx.random().uuid(), "replicate-late", text.clone(), late)?;
    }
    cx.tasks().schedule(&owner, tx, "s3", &cx.random().uuid(), "replicate", text, cx.now())
}

/// What a task works with, as it is now.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) source: Bucket,
    pub(crate) object: Object,
    rule: ReplicationRule,
    pub(crate) target: Bucket,
    /// The role of the configuration.
    role: String,
    /// That role, at the destination.
    pub(crate) cx: Cx,
}

/// A way that leads nowhere: the version, its bucket or its rule has gone.
pub(crate) enum Found {
    Job(Box<Job>),
    Nothing,
    /// The destination has gone.
    NoTarget(Bucket),
}

pub(crate) fn find(cx: &Cx, work: &Work) -> Result<Found> {
    let from = cx.read();
    let Some(source) = BUCKETS.get(&from, &(&work.bucket,))? else { return Ok(Found::Nothing) };
    let Some(configuration) = Setting::Replication.get::<Configuration>(&from, &source)? else {
        return Ok(Found::Nothing);
    };
    let Some(rule) = configuration.rule(&work.rule).cloned() else { return Ok(Found::Nothing) };
    let Some(object) = versions::ranked(&from, &source, &work.key, work.rank)? else { return Ok(Found::Nothing) };
    let name = bucket_of(&work.destination).unwrap_or("");
    let Some(target) = BUCKETS.get(&from, &(name,))? else { return Ok(Found::NoTarget(source)) };
    let role = configuration.role;
    let cx = cx.as_role(PRINCIPAL, &role, "s3-replication").elsewhere(&target.account, &target.region);
    Ok(Found::Job(Box::new(Job { work: work.clone(), source, object, rule, target, role, cx })))
}

/// Brings a version to its destination.
pub(crate) async fn run(s3: &S3, cx: &Cx, task: &Task) -> Result<Next> {
    let work: Work = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    match work.what {
        What::Annotation => replicate_annotations::bring(s3, cx, &work).await?,
        _ => bring(s3, cx, &work).await?,
    };
    Ok(Next::Done)
}

/// The same. Says why it cannot be brought there.
async fn bring(s3: &S3, cx: &Cx, work: &Work) -> Result<Option<Reason>> {
    let (source, why) = match find(cx, work)? {
        Found::Nothing => return Ok(None),
        Found::NoTarget(source) => (source, Some("DstBucketNotFound")),
        Found::Job(job) => {
            let why = match job.deliver(s3).await {
                Ok(why) => why,
                Err(failure) => Some(failures::of_destination(failure)?),
            };
            (job.source, why)
        }
    };
    if let Some(why) = why {
        tracing::warn!(bucket = work.bucket, key = work.key, why, "a version cannot be replicated");
    }
    settle(cx, &source, work, why).await?;
    Ok(why)
}

impl Job {
    /// Why it may not be done, if it may not: the role reads at the source, and writes at the destination.
    pub(crate) fn refusal(&self, s3: &S3) -> Result<Option<Reason>> {
        if !self.cx.is_assumable(PRINCIPAL, &self.role, None)? {
            return Ok(Some("AssumeRoleNotPermitted"));
        }
        if self.target.versioning != Versioning::Enabled {
            return Ok(Some("DstBucketUnversioned"));
        }
        if self.source.lock.is_some() && self.target.lock.is_none() {
            return Ok(Some("DstBucketObjectLockConfigMissing"));
        }
        let from = self.cx.read();
        let source = s3.guarded(&self.cx, &from, self.source.clone().into())?;
        let target = s3.guarded(&self.cx, &from, self.target.clone().into())?;
        let key = self.work.key.as_str();
        let mut needed = match self.work.what {
            What::Marker => vec![(target.on_object("s3:ReplicateDelete", key), "DstDelObjNotPermitted")],
            What::Version | What::Change => vec![
                (source.on_object("s3:GetObjectVersionForReplication", key), "SrcGetObjectNotPermitted"),
                (target.on_object("s3:ReplicateObject", key), "DstPutObjectNotPermitted"),
            ],
            What::Annotation => vec![
                (source.on_object("s3:GetObjectVersionAnnotationForReplication", key), "SrcGetObjectNotPermitted"),
                (target.on_object("s3:ReplicateObject", key), "DstPutObjectNotPermitted"),
            ],
        };
        if self.work.what == What::Annotation {
            // Who may replicate objects may replicate annotations, unless somebody says that they may not.
            let denied = self.cx.denied(&target.on_object("s3:ReplicateObjectAnnotation", key))?;
            if denied.is_some_and(|message| message.contains("with an explicit deny")) {
                return Ok(Some("DstPutObjectNotPermitted"));
            }
        } else if !self.object.tags.is_empty() {
            needed.push((source.on_object("s3:GetObjectVersionTagging", key), "SrcGetTaggingNotPermitted"));
            needed.push((target.on_object("s3:ReplicateTags", key), "DstPutTaggingNotPermitted"));
        }
        if self.rule.destination.access_control_translation.is_some() {
            let owner = target.on_object("s3:ObjectOwnerOverrideToBucketOwner", key);
            needed.push((owner, "DstPutObjectNotPermitted"));
        }
        for (access, why) in needed {
            if self.cx.denied(&access)?.is_some() {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// The destination can be reached.
    pub(crate) async fn reach(&self) -> Result<()> {
        let operation = if self.work.what == What::Marker { "ReplicateDelete" } else { "ReplicateObject" };
        let faults = self.cx.kernel().faults();
        if faults.is_dead_region(&self.target.region) {
            return Err(Failure::Cut);
        }
        faults.strike(&self.cx, "s3", operation, &error::slow_down).await
    }

    async fn deliver(&self, s3: &S3) -> Result<Option<Reason>> {
        self.reach().await?;
        if let Some(why) = self.refusal(s3)? {
            return Ok(Some(why));
        }
        match self.work.what {
            What::Version => return self.deliver_version(s3).await,
            What::Marker => self.place(self.object.clone(), &[], None).await?,
            What::Change => self.change().await?,
            // They have a way of their own.
            What::Annotation => {}
        }
        Ok(None)
    }

    /// What a replica is encrypted with: as the destination says for what S3's own keys encrypt, with the rule's key for
    /// what KMS does; a customer's key stays.
    fn asked(&self) -> Option<Asked<'_>> {
        match &self.object.sealed {
            Some(Sealed::Customer { .. }) => None,
            Some(Sealed::Kms { dual, .. }) => {
                let key = self.rule.destination.encryption_configuration.as_ref();
                let method = if *dual { Method::Dual } else { Method::Kms };
                Some(Asked {
                    method: Some(method.name()),
                    key: key.and_then(|k| k.replica_kms_key_id.as_deref()),
                    ..Asked::default()
                })
            }
            None => self.target.encryption.as_ref().filter(|e| e.method != Method::Own).map(|_| Asked::default()),
        }
    }

    async fn deliver_version(&self, s3: &S3) -> Result<Option<Reason>> {
        let from = self.cx.read();
        let mut replica = self.object.clone();
        let destination = &self.rule.destination;
        replica.replication = Some(Replication::Replica);
        replica.storage_class =
            destination.storage_class.clone().filter(|c| c != "STANDARD").or(match destination.storage_class {
                Some(_) => None,
                None => replica.storage_class,
            });
        replica.restoration = None;
        replica.annotated = false;
        replica.tiered = tiers::begun(replica.storage_class.as_deref(), self.cx.now_millis());
        let source_owner = replica.owner.take().unwrap_or_else(|| self.source.account.clone());
        let given = destination.access_control_translation.is_some() || self.target.ownership == Ownership::Enforced;
        if given {
            replica.acl = None;
        } else if source_owner != self.target.account {
            replica.owner = Some(source_owner);
        }
        if self.target.lock.is_none() {
            replica.locked = Default::default();
        }
        let Some(asked) = self.asked() else {
            let segments = content::segments(&from, &self.source, &self.object)?;
            return self.place(replica, &segments, None).await.map(|()| None);
        };
        let source_cx = self.cx.elsewhere(&self.source.account, &self.source.region);
        let source_key = match s3.opening(&source_cx, self.object.sealed.as_ref(), &Customer::default()).await {
            Ok(key) => key,
            Err(failure) => return failures::of_key(failure, End::Source).map(Some),
        };
        let sealing = match s3.sealing(&self.cx, &self.target, &self.work.key, &asked).await {
            Ok(sealing) => sealing,
            Err(failure) => return failures::of_key(failure, End::Destination).map(Some),
        };
        let algorithm = replica.checksum.as_ref().map_or(crate::checksum::Algorithm::Crc64Nvme, |c| c.algorithm);
        let whole = Span::whole(self.object.size);
        let body =
            content::open(&self.cx, &from, &self.source, self.object.clone(), whole, source_key.as_ref()).await?;
        let taken = intake::copy(&self.cx, body, algorithm, sealing.key.as_ref()).await?;
        replica.etag.clone_from(&taken.etag);
        replica.sealed = sealing.sealed;
        replica.parts = None;
        replica.checksum = Some(taken.checksum.clone());
        self.place(replica, &[], Some(&taken)).await.map(|()| None)
    }

    /// Puts a replica where its version stands among those of the key.
    async fn place(&self, replica: Object, segments: &[Segment], taken: Option<&Taken>) -> Result<()> {
        let cx = &self.cx;
        let (moment, id) = (Moment::of(cx), cx.random().hex(32));
        cx.write(|tx| {
            let target =
                BUCKETS.get(tx, &(&self.target.name,))?.ok_or_else(|| error::no_such_bucket(&self.target.name))?;
            let mut replica = replica.clone();
            let retain = |tx: &mut Tx<'_>, stored: &Stored| intake::retain(tx, &target, stored);
            replica.content = match (taken, &replica.content) {
                (Some(taken), _) => {
                    retain(tx, &taken.stored)?;
                    Content::One(taken.stored.clone())
                }
                (None, Content::One(stored)) => {
                    retain(tx, stored)?;
                    Content::One(stored.clone())
                }
                (None, Content::Many(_)) => {
                    segments.iter().try_for_each(|s| retain(tx, &s.stored))?;
                    SEGMENTS.put(tx, &target.key(&id), &segments.to_vec());
                    Content::Many(id.clone())
                }
            };
            let event = if replica.marker { Event::MarkerCreated } else { Event::Put };
            let placed = versions::insert(tx, &target, &self.work.key, replica, moment)?;
            // A marker is sent on by no rule that it came by.
            if placed.marker {
                return events::tell(cx, tx, &target, event, &self.work.key, Some(&placed), moment, None);
            }
            events::emit(cx, tx, &target, event, &self.work.key, Some(&placed), moment)
        })
        .await
    }

    /// Brings what was changed at a version to the one at the other end.
    async fn change(&self) -> Result<()> {
        let moment = Moment::of(&self.cx);
        let Some(id) = self.object.version.as_deref() else { return Ok(()) };
        self.cx
            .write(|tx| {
                let found = versions::find(tx, &self.target, &self.work.key, Some(id))?;
                let versions::Found::Object(mut there) = found else { return Ok(()) };
                let same = there.tags == self.object.tags
                    && there.acl == self.object.acl
                    && there.locked == self.object.locked;
                if same {
                    return Ok(());
                }
                there.tags.clone_from(&self.object.tags);
                if self.rule.destination.access_control_translation.is_none()
                    && self.target.ownership != Ownership::Enforced
                {
                    there.acl.clone_from(&self.object.acl);
                }
                if self.target.lock.is_some() {
                    there.locked = self.object.locked;
                }
                versions::put_back(tx, &self.target, &self.work.key, &there)?;
                tiering::notice(&self.cx, tx, &self.target, &there)?;
                events::tell(&self.cx, tx, &self.target, Event::TaggingPut, &self.work.key, Some(&there), moment, None)
            })
            .await
    }
}

/// What an event of replication tells besides.
fn told(work: &Work, since: i64, why: Option<&str>) -> (&'static str, Json) {
    let at = Timestamp::from_millisecond(since).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut data = json!({
        "replicationRuleId": work.rule,
        "destinationBucket": work.destination,
        "s3Operation": "OBJECT_PUT",
        "requestTime": at.to_string(),
    });
    if let (Some(why), Json::Object(data)) = (why, &mut data) {
        data.insert("failureReason".to_owned(), why.into());
    }
    ("replicationEventData", data)
}

/// The end of a way. `failed`: why it led nowhere.
async fn settle(cx: &Cx, source: &Bucket, work: &Work, failed: Option<&str>) -> Result<()> {
    let moment = Moment::of(cx);
    if failed.is_some() {
        replication_metrics::failed(cx, &cx.read(), source, &work.rule)?;
    }
    cx.write(|tx| {
        let place = way(source, work);
        let Some(gone) = WAYS.get(tx, &place)? else { return Ok(()) };
        WAYS.delete(tx, &place);
        let Some(mut object) = versions::ranked(tx, source, &work.key, work.rank)? else { return Ok(()) };
        let event = match failed {
            Some(_) => Some(Event::ReplicationFailed),
            None => gone.told.then_some(Event::ReplicationLate),
        };
        if let Some(event) = event {
            let more = told(work, gone.since, failed);
            events::tell(cx, tx, source, event, &work.key, Some(&object), moment, Some(&more))?;
        }
        if work.what != What::Version {
            return Ok(());
        }
        let (account, region, name, key, rank, _) = way(source, work);
        let more = !WAYS.all(tx, &(account, region, name, key, rank))?.is_empty();
        object.replication = match (failed, object.replication) {
            (Some(_), _) | (_, Some(Replication::Failed)) => Some(Replication::Failed),
            (None, _) if more => Some(Replication::Pending),
            (None, _) => Some(Replication::Completed),
        };
        versions::put_back(tx, source, &work.key, &object)
    })
    .await
}

/// Fifteen minutes have gone: it is told of what has not arrived.
pub(crate) async fn late(cx: &Cx, task: &Task) -> Result<Next> {
    let work: Work = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let moment = Moment::of(cx);
    cx.write(|tx| {
        let Some(source) = BUCKETS.get(tx, &(&work.bucket,))? else { return Ok(()) };
        let place = way(&source, &work);
        let Some(mut underway) = WAYS.get(tx, &place)? else { return Ok(()) };
        underway.told = true;
        WAYS.put(tx, &place, &underway);
        let object = versions::ranked(tx, &source, &work.key, work.rank)?;
        let more = told(&work, underway.since, None);
        events::tell(cx, tx, &source, Event::ReplicationMissed, &work.key, object.as_ref(), moment, Some(&more))
    })
    .await?;
    Ok(Next::Done)
}
