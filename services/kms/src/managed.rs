//! AWS managed keys: the key `alias/aws/s3` of an account and region, made when it is first used.

use undercast_kernel::{Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::reference::{AWS_ALIAS, Reference};
use crate::rows::{ALIASES, Alias, Key, Material};
use crate::specs::{ENCRYPT, SYMMETRIC, Spec};
use crate::{keys, permission, policy, rotation};

/// Services that have such a key, and what its description calls that which it protects.
const SERVICES: &[(&str, &str)] = &[
    ("acm", "ACM private keys"),
    ("backup", "Backup data"),
    ("dynamodb", "DynamoDB data"),
    ("ebs", "EBS volumes"),
    ("elasticfilesystem", "EFS filesystems"),
    ("es", "Elasticsearch data"),
    ("glue", "Glue data"),
    ("kinesis", "Kinesis data"),
    ("lambda", "Lambda functions"),
    ("rds", "RDS database volumes"),
    ("redshift", "Redshift clusters"),
    ("s3", "S3 objects"),
    ("secretsmanager", "Secrets Manager data"),
    ("sns", "SNS data"),
    ("sqs", "SQS messages"),
    ("ssm", "SSM parameters"),
];

/// The service whose AWS managed key a call names by alias, where the call has it made if it is not there: one that comes
/// from the service, or that describes it.
pub(crate) fn made_on_use(cx: &Cx, named: &Reference, operation: &str) -> bool {
    let Some(service) = named.managed().filter(|_| named.account() == cx.account()) else { return false };
    let known = SERVICES.iter().any(|(name, _)| *name == service);
    let from = cx.origin().service.as_ref().and_then(|(name, _)| name.split('.').next());
    known && (from == Some(service) || operation == "DescribeKey")
}

/// Makes the AWS managed key that a call names, if it is not there, once the call is known to be allowed to use it.
pub(crate) async fn make_if_used(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<()> {
    for member in ["KeyId", "SourceKeyId", "DestinationKeyId"] {
        let Some(given) = input.text(member).filter(|given| given.contains(AWS_ALIAS)) else { continue };
        let named = Reference::parse(cx, given)?;
        let Some(service) = named.managed() else { continue };
        if !made_on_use(cx, &named, operation.name) || named.find(cx, &cx.read())?.is_some() {
            continue;
        }
        let (key, material) = draft(cx, service).await?;
        for needed in permission::access(cx, operation, input, Some(&key))? {
            if let Some(message) = cx.denied(&needed)? {
                return Err(undercast_kernel::AwsError::new("AccessDeniedException", 400, message).into());
            }
        }
        store(cx, &named, &key, &material).await?;
    }
    Ok(())
}

async fn draft(cx: &Cx, service: &str) -> Result<(Key, Material)> {
    let (mut key, material) = keys::draft(cx, Spec::named(SYMMETRIC)?, ENCRYPT).await?;
    let what = SERVICES.iter().find(|(name, _)| *name == service).map_or(service, |(_, what)| what);
    key.description = format!("Default key that protects my {what} when no other key is defined");
    key.policy = policy::of_service(cx, service);
    key.managed_by = Some(service.to_owned());
    // AWS rotates its keys every year.
    key.rotation = Some(rotation::yearly(cx));
    Ok((key, material))
}

/// Stores it with its alias, unless another call was faster.
async fn store(cx: &Cx, named: &Reference, key: &Key, material: &Material) -> Result<()> {
    let Some(name) = named.alias() else { return Ok(()) };
    cx.write(|tx| {
        if ALIASES.has(tx, &cx.key(name))? {
            return Ok(());
        }
        let now = cx.now_millis();
        let alias = Alias { name: name.to_owned(), key_id: key.id.clone(), created: now, updated: now };
        alias.put(cx, tx, None);
        key.put(tx);
        key.put_material(tx, key.current(), material);
        rotation::schedule(cx, tx, key)
    })
    .await
}
