//! Replicas in other Regions: copies that follow their primary, each sealed with a key of its Region.
//!
//! Source: "Replicate AWS Secrets Manager secrets across Regions" in the user guide. What a replica has of its own is its key and when
//! it was read.

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Deferred, Failure, Next, Result, Task, regions};

use crate::api::{self, input};
use crate::rows::{Replica, SECRETS, Secret, VERSIONS, Version, moment};
use crate::{PRINCIPAL, SERVICE, deletion, error, events, sealed, shown};

/// The kind of the tasks that copy.
pub(crate) const KIND: &str = "replicate";

/// Account, Region of the primary, name, Region of the replica: who ordered the copy.
static ORDERS: Table<Order> = Table::new("secretsmanager.replications");

/// Where Regions do not reach each other, it is looked again after so many milliseconds.
const UNREACHED: i64 = 5_000;

/// Whose rights copies are made with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Order {
    #[n(0)]
    by: Deferred,
}

const IN_SYNC: &str = "InSync";
const IN_PROGRESS: &str = "InProgress";
const FAILED: &str = "Failed";

/// The replicas that a request asks for.
pub(crate) fn wanted(cx: &Cx, given: &[input::ReplicaRegionType], overwrite: bool) -> Result<Vec<Replica>> {
    let mut all: Vec<Replica> = Vec::new();
    for replica in given {
        let region = replica.region.clone().unwrap_or_else(String::new);
        let known = regions::exists(&region) && regions::partition(&region) == cx.partition();
        if !known || region == cx.region() || all.iter().any(|other| other.region == region) {
            return Err(error::parameter("Invalid replica region."));
        }
        let key = replica.kms_key_id.clone().filter(|key| !key.is_empty());
        all.push(Replica { region, key, status: IN_PROGRESS.to_owned(), message: None, overwrite });
    }
    Ok(all)
}

fn task_id(secret: &Secret, region: &str) -> String {
    format!("{KIND}/{}/{}/{}/{region}", secret.account, secret.region, secret.name)
}

/// Has the replicas of a secret follow it, which was changed with this transaction.
pub(crate) fn follow(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret) -> Result<()> {
    if secret.replicas.iter().all(|replica| replica.status == FAILED) {
        return Ok(());
    }
    let (by, mut secret) = (cx.deferred()?, secret.clone());
    for replica in secret.replicas.iter_mut().filter(|replica| replica.status != FAILED) {
        IN_PROGRESS.clone_into(&mut replica.status);
    }
    secret.put(tx);
    let home = secret.home(cx);
    for region in secret.replicas.iter().filter(|replica| replica.status != FAILED).map(|replica| &replica.region) {
        ORDERS.put(tx, &(&secret.account, &secret.region, &secret.name, region), &Order { by: by.clone() });
        let payload = json!({"name": secret.name, "suffix": secret.suffix, "region": region}).to_string();
        cx.tasks().schedule(&home, tx, SERVICE, &task_id(&secret, region), KIND, payload, cx.now())?;
    }
    Ok(())
}

pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let Some(primary) = crate::rotation::of_task(cx, &cx.read(), task)? else { return Ok(Next::Done) };
    let region = told["region"].as_str().unwrap_or_default();
    let Some(replica) = primary.replicas.iter().find(|replica| replica.region == region).cloned() else {
        return Ok(Next::Done);
    };
    if !cx.kernel().faults().are_linked(&primary.region, region) {
        return Ok(Next::Again(moment(cx.now_millis() + UNREACHED)));
    }
    let order = ORDERS.get(&cx.read(), &(&primary.account, &primary.region, &primary.name, region))?;
    let Some(order) = order else { return Ok(Next::Done) };
    events::tell(cx, &events::REPLICATION_STARTED, &primary, None);
    let by = cx.resume(&order.by, PRINCIPAL)?;
    let copied = match copies(&by, &primary, &replica).await {
        Ok(copied) => copied,
        Err(Failure::Aws(refused)) => return failed(cx, &primary, region, refused.message).await,
        Err(other) => return Err(other),
    };
    let name = &primary.name;
    let taken = cx.write(|tx| store(cx, tx, &primary, &replica, &copied)).await?;
    match taken {
        Stored::Done => events::tell(cx, &events::REPLICATION_SUCCEEDED, &primary, None),
        // It comes again with what was changed meanwhile.
        Stored::Changed => return Ok(Next::Again(cx.now())),
        Stored::Taken => {
            let why = format!("Replication failed: Secret name {name} already exists in region {region}.");
            return failed(cx, &primary, region, why).await;
        }
    }
    Ok(Next::Done)
}

/// What became of a copy.
enum Stored {
    Done,
    /// The primary is not as it was.
    Changed,
    /// Another secret has the name.
    Taken,
}

/// The replica as it shall be, but for what it has of its own.
fn target(primary: &Secret, replica: &Replica) -> Secret {
    Secret {
        region: replica.region.clone(),
        key: replica.key.clone(),
        primary: Some(primary.region.clone()),
        replicas: Vec::new(),
        accessed: None,
        rotation: primary.rotation.clone().map(|rotation| crate::rows::Rotation { under_way: None, ..rotation }),
        ..primary.clone()
    }
}

fn is_copy(there: &Secret, primary: &Secret) -> bool {
    there.suffix == primary.suffix && there.primary.as_deref() == Some(primary.region.as_str())
}

/// The versions of a primary as its replica has them. Values do not change, so those that are there already are right.
async fn copies(cx: &Cx, primary: &Secret, replica: &Replica) -> Result<Vec<Version>> {
    let target = target(primary, replica);
    let mut all = Vec::new();
    for version in primary.versions(&cx.read())? {
        let there = target.version(&cx.read(), &version.id)?;
        let (accessed, known) = there.map_or((None, None), |there| (there.accessed, there.value));
        let value = match (&version.value, known) {
            (None, _) => None,
            (Some(_), Some(known)) => Some(known),
            (Some(value), None) => {
                let plain = sealed::open(cx, primary, &version.id, value).await?;
                Some(sealed::seal(cx, &target, &version.id, &plain).await?)
            }
        };
        all.push(Version { accessed, value, ..version });
    }
    Ok(all)
}

fn store(cx: &Cx, tx: &mut Tx<'_>, seen: &Secret, replica: &Replica, copied: &[Version]) -> Result<Stored> {
    let Some(mut primary) = seen.again(tx)? else { return Ok(Stored::Done) };
    // Reads change nothing that is copied.
    if (Secret { accessed: None, ..primary.clone() }) != (Secret { accessed: None, ..seen.clone() }) {
        return Ok(Stored::Changed);
    }
    let mut target = target(&primary, replica);
    match SECRETS.get(tx, &target.place())? {
        Some(there) if is_copy(&there, &primary) => target.accessed = there.accessed,
        Some(other) if replica.overwrite && other.replicas.is_empty() => deletion::remove(cx, tx, &other)?,
        Some(_) => return Ok(Stored::Taken),
        None => {}
    }
    VERSIONS.clear(tx, &target.versions_place())?;
    copied.iter().for_each(|version| version.put(tx, &target));
    target.put(tx);
    mark(&mut primary, &replica.region, IN_SYNC, None);
    primary.put(tx);
    Ok(Stored::Done)
}

fn mark(primary: &mut Secret, region: &str, status: &str, message: Option<String>) {
    if let Some(replica) = primary.replicas.iter_mut().find(|replica| replica.region == region) {
        status.clone_into(&mut replica.status);
        replica.message = message;
        // It takes the place of another once.
        replica.overwrite &= status == FAILED;
    }
}

async fn failed(cx: &Cx, seen: &Secret, region: &str, why: String) -> Result<Next> {
    cx.write(|tx| {
        if let Some(mut primary) = seen.again(tx)? {
            mark(&mut primary, region, FAILED, Some(why.clone()));
            primary.put(tx);
        }
        Ok(())
    })
    .await?;
    events::tell(cx, &events::REPLICATION_FAILED, seen, Some(why));
    Ok(Next::Done)
}

pub(crate) async fn replicate(
    cx: &Cx,
    input: api::ReplicateSecretToRegionsInput,
) -> Result<api::ReplicateSecretToRegionsOutput> {
    let overwrite = input.force_overwrite_replica_secret == Some(true);
    let wanted = wanted(cx, &input.add_replica_regions, overwrite)?;
    let secret = cx
        .write(|tx| {
            let mut secret = Secret::changeable(cx, tx, &input.secret_id)?;
            for replica in &wanted {
                match secret.replicas.iter_mut().find(|there| there.region == replica.region) {
                    Some(there) if there.status == FAILED => there.clone_from(replica),
                    Some(_) => {}
                    None => secret.replicas.push(replica.clone()),
                }
            }
            secret.changed = cx.now_millis();
            secret.put(tx);
            follow(cx, tx, &secret)?;
            Ok(secret)
        })
        .await?;
    let replication_status = shown::replication(cx, &secret);
    Ok(api::ReplicateSecretToRegionsOutput { arn: Some(secret.arn(cx)), replication_status })
}

/// Lets go of a replica: it is followed no more.
fn part(cx: &Cx, tx: &mut Tx<'_>, primary: &mut Secret, region: &str) -> Result<()> {
    primary.replicas.retain(|replica| replica.region != region);
    ORDERS.delete(tx, &(&primary.account, &primary.region, &primary.name, region));
    cx.tasks().cancel(tx, SERVICE, &task_id(primary, region))
}

pub(crate) async fn remove(
    cx: &Cx,
    input: &api::RemoveRegionsFromReplicationInput,
) -> Result<api::RemoveRegionsFromReplicationOutput> {
    let secret = cx
        .write(|tx| {
            let mut secret = Secret::changeable(cx, tx, &input.secret_id)?;
            for region in &input.remove_replica_regions {
                let place = (secret.account.as_str(), region.as_str(), secret.name.as_str());
                if let Some(there) = SECRETS.get(tx, &place)?.filter(|there| is_copy(there, &secret)) {
                    deletion::remove(cx, tx, &there)?;
                }
                part(cx, tx, &mut secret, region)?;
            }
            secret.changed = cx.now_millis();
            secret.put(tx);
            Ok(secret)
        })
        .await?;
    let replication_status = shown::replication(cx, &secret).or_else(|| Some(Vec::new()));
    Ok(api::RemoveRegionsFromReplicationOutput { arn: Some(secret.arn(cx)), replication_status })
}

/// Makes a replica a secret of its own.
pub(crate) async fn stop(
    cx: &Cx,
    input: &api::StopReplicationToReplicaInput,
) -> Result<api::StopReplicationToReplicaOutput> {
    let arn = cx
        .write(|tx| {
            let mut secret = Secret::active(cx, tx, &input.secret_id)?;
            let Some(region) = secret.primary.take() else {
                return Err(error::request("You can't stop replication to a secret that isn't a replica."));
            };
            let place = (secret.account.as_str(), region.as_str(), secret.name.as_str());
            if let Some(mut primary) = SECRETS.get(tx, &place)?.filter(|primary| primary.suffix == secret.suffix) {
                part(cx, tx, &mut primary, &secret.region)?;
                primary.put(tx);
            }
            // What rotated it was its primary.
            (secret.rotation, secret.changed) = (None, cx.now_millis());
            secret.put(tx);
            Ok(secret.arn(cx))
        })
        .await?;
    Ok(api::StopReplicationToReplicaOutput { arn: Some(arn) })
}
