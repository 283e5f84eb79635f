//! Access previews: the findings that a resource would have if its policies were these.
//!
//! Source: "Preview access" in the IAM user guide, and CreateAccessPreview and its kin in the API reference.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Announcement, Cx, Failure, Next, Repeated, Result, Task, fingerprint};

use crate::analyzers::{DAY_MILLIS, by_arn, told};
use crate::api::kept::{Configuration, S3BucketConfiguration};
use crate::api::{self, output};
use crate::error::{conflict, invalid, missing, page, unsupported};
use crate::external::Entry;
use crate::filter::{self, Told, Whole, of_found};
use crate::findings::sources;
use crate::resources::{self, From, Given, Resource, acl_entry, grant_entry};
use crate::rows::{Analyzer, Found, findings, moment, rules};
use crate::zone::Zone;
use crate::{SERVICE, exposure, role, scan};

/// Account, region, analyzer; id.
static PREVIEWS: Table<Preview> = Table::new("accessanalyzer.previews");
/// Account, region, analyzer; id of the preview, number.
static PREVIEWED: Table<Previewed> = Table::new("accessanalyzer.previewed");

/// The kind of the tasks that make previews.
pub(crate) const KIND: &str = "preview";

/// A preview.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Preview {
    #[n(0)]
    id: String,
    #[n(1)]
    created: i64,
    #[n(2)]
    status: String,
    #[n(3)]
    reason: Option<String>,
    /// In JSON, by ARN.
    #[n(4)]
    configurations: String,
    /// By which the request is known again.
    #[n(5)]
    token: Option<String>,
}

/// A finding of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Previewed {
    #[n(0)]
    id: String,
    #[n(1)]
    change: String,
    #[n(2)]
    status: String,
    #[n(3)]
    existing_id: Option<String>,
    #[n(4)]
    existing_status: Option<String>,
    #[n(5)]
    created: i64,
    /// What is found, in JSON.
    #[n(6)]
    found: String,
}

/// The same with what it says.
struct Shown {
    row: Previewed,
    found: Found,
}

impl Told for Shown {
    fn told(&self, key: &str) -> Option<String> {
        match key {
            "id" => Some(self.row.id.clone()),
            "status" => Some(self.row.status.clone()),
            "changeType" => Some(self.row.change.clone()),
            "existingFindingId" => self.row.existing_id.clone(),
            "existingFindingStatus" => self.row.existing_status.clone(),
            "createdAt" => Some(moment(self.row.created).to_string()),
            _ => of_found(&self.found, key),
        }
    }
}

type Configurations = BTreeMap<String, Configuration>;

impl Preview {
    fn configurations(&self) -> Result<Configurations> {
        serde_json::from_str(&self.configurations).map_err(Failure::broken)
    }
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), analyzer: &Analyzer, id: &str) -> Result<Preview> {
    let found = PREVIEWS.get(from, &(cx.key(analyzer.name.as_str()), id))?;
    found.ok_or_else(|| missing("access-preview", id))
}

/// An analyzer goes with its previews.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, analyzer: &str) -> Result<()> {
    PREVIEWS.clear(tx, &cx.key(analyzer))?;
    PREVIEWED.clear(tx, &cx.key(analyzer))?;
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateAccessPreviewInput) -> Result<api::CreateAccessPreviewOutput> {
    let request = fingerprint(&input);
    if input.configurations.len() != 1 {
        return Err(invalid("An access preview has the configuration of exactly one resource.").into());
    }
    let preview = Preview {
        id: cx.random().uuid(),
        created: cx.now_millis(),
        status: "CREATING".to_owned(),
        reason: None,
        configurations: serde_json::to_string(&input.configurations).map_err(Failure::broken)?,
        token: input.client_token,
    };
    let id = cx
        .write(|tx| {
            let analyzer = by_arn(cx, tx, &input.analyzer_arn)?;
            if !analyzer.is_external() {
                return Err(unsupported("The operation is supported for external access analyzers only.").into());
            }
            if let Some(token) = &preview.token {
                match cx.repeated(tx, SERVICE, token, &request, DAY_MILLIS)? {
                    Repeated::New => {}
                    Repeated::Same => {
                        let all = PREVIEWS.all(tx, &cx.key(analyzer.name.as_str()))?;
                        let before = all.into_iter().find(|entry| entry.row.token.as_ref() == Some(token));
                        return before.map(|entry| entry.row.id).ok_or_else(|| missing("access-preview", token));
                    }
                    Repeated::Another => {
                        let message = "The clientToken was used with other parameters.";
                        return Err(conflict("access-preview", token, message));
                    }
                }
            }
            PREVIEWS.put(tx, &(cx.key(analyzer.name.as_str()), preview.id.as_str()), &preview);
            tell(cx, tx, &analyzer, &preview, None)?;
            let payload = json!([analyzer.name, preview.id]).to_string();
            cx.tasks().schedule(cx, tx, SERVICE, &format!("preview/{}", preview.id), KIND, payload, cx.now())?;
            Ok(preview.id.clone())
        })
        .await?;
    Ok(api::CreateAccessPreviewOutput { id })
}

/// Tells EventBridge what becomes of a preview.
fn tell(cx: &Cx, tx: &mut Tx<'_>, analyzer: &Analyzer, preview: &Preview, before: Option<&str>) -> Result<()> {
    let arns: Vec<String> = preview.configurations()?.into_keys().collect();
    let mut detail = json!({
        "accessPreviewId": preview.id, "configuredResources": arns, "createdAt": told(preview.created),
        "region": cx.region(), "status": preview.status, "version": "1.0",
    });
    if let Some(before) = before {
        detail["previousStatus"] = json!(before);
    }
    if let Some(code) = &preview.reason {
        detail["statusReason"] = json!({"code": code});
    }
    let kind = "Access Preview State Change";
    cx.announce(tx, &Announcement::new(cx, "aws.access-analyzer", kind, analyzer.arn(cx), detail))
}

/// Makes a preview: `[analyzer, id]`.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let (name, id): (String, String) = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let from = cx.read();
    let Some(analyzer) = crate::rows::ANALYZERS.get(&from, &cx.key(&name))? else { return Ok(Next::Done) };
    let Some(preview) = PREVIEWS.get(&from, &(cx.key(&name), id.as_str()))? else { return Ok(Next::Done) };
    drop(from);
    let zone = Zone::of(cx, &analyzer.kind).await?;
    let mut found = Some(Vec::new());
    for (arn, configuration) in preview.configurations()? {
        found = match proposed(cx, &zone, &arn, &configuration).await? {
            Some(resource) => Some(compare(cx, &analyzer, &zone, &resource)?),
            None => None,
        };
    }
    cx.write(|tx| {
        let mut preview = preview.clone();
        match &found {
            Some(all) => {
                "COMPLETED".clone_into(&mut preview.status);
                let rows = (0_i64..).zip(all);
                rows.for_each(|(at, row)| PREVIEWED.put(tx, &(cx.key(&name), id.as_str(), at), row));
            }
            None => {
                "FAILED".clone_into(&mut preview.status);
                preview.reason = Some("INVALID_CONFIGURATION".to_owned());
            }
        }
        PREVIEWS.put(tx, &(cx.key(&name), id.as_str()), &preview);
        tell(cx, tx, &analyzer, &preview, Some("CREATING"))
    })
    .await?;
    Ok(Next::Done)
}

/// A resource as it would be; `None`: it could not be so.
async fn proposed(cx: &Cx, zone: &Zone, arn: &str, configuration: &Configuration) -> Result<Option<Resource>> {
    let mut there = None;
    for account in &zone.accounts {
        let all = resources::all(&role::session(cx, account, cx.region())).await?;
        there = all.into_iter().find(|resource| resource.arn == arn).or(there);
    }
    let is_new = there.is_none();
    let Some((kind, service)) = kind_of(configuration) else { return Ok(None) };
    if arn.split(':').nth(2) != Some(service) || there.as_ref().is_some_and(|resource| resource.kind != kind) {
        return Ok(None);
    }
    let mut resource = there.unwrap_or_else(|| Resource::new(kind, cx.account(), arn));
    resource.error = None;
    let policy = match configuration {
        Configuration { sns_topic: Some(topic), .. } => topic.topic_policy.clone(),
        Configuration { sqs_queue: Some(queue), .. } => queue.queue_policy.clone(),
        Configuration { secrets_manager_secret: Some(secret), .. } => secret.secret_policy.clone(),
        Configuration { dynamodb_table: Some(table), .. } => table.table_policy.clone(),
        Configuration { dynamodb_stream: Some(stream), .. } => stream.stream_policy.clone(),
        Configuration { iam_role: Some(role), .. } => {
            // A role cannot be without one.
            if role.trust_policy.as_deref() == Some("") || (is_new && role.trust_policy.is_none()) {
                return Ok(None);
            }
            role.trust_policy.clone()
        }
        Configuration { kms_key: Some(key), .. } => {
            let named = key.key_policies.iter().flatten();
            if named.clone().any(|(name, _)| name != "default") {
                return Ok(None);
            }
            if let Some(grants) = &key.grants {
                let grants = serde_json::to_value(grants).map_err(Failure::broken)?;
                let all = grants.as_array().into_iter().flatten();
                resource.entries = all.filter_map(|g| grant_entry(g, "granteePrincipal", "operations")).collect();
            }
            named.map(|(_, text)| text.clone()).next()
        }
        Configuration { s3_bucket: Some(bucket), .. } => {
            of_bucket(&mut resource, bucket);
            bucket.bucket_policy.clone()
        }
        _ => None,
    };
    if let Some(text) = policy {
        resource.policies.retain(|given| given.from != From::Resource);
        if !text.is_empty() {
            resource.policies.insert(0, Given { text, from: From::Resource });
        }
    }
    let parsed = if kind == "AWS::IAM::Role" { PolicyKind::Trust } else { PolicyKind::Resource };
    let right = resource.policies.iter().all(|given| Policy::parse(parsed, &given.text).is_ok());
    Ok(right.then_some(resource))
}

/// The type of a configured resource, and its service in ARNs.
fn kind_of(configuration: &Configuration) -> Option<(&'static str, &'static str)> {
    let all = [
        (configuration.sns_topic.is_some(), "AWS::SNS::Topic", "sns"),
        (configuration.sqs_queue.is_some(), "AWS::SQS::Queue", "sqs"),
        (configuration.secrets_manager_secret.is_some(), "AWS::SecretsManager::Secret", "secretsmanager"),
        (configuration.dynamodb_table.is_some(), "AWS::DynamoDB::Table", "dynamodb"),
        (configuration.dynamodb_stream.is_some(), "AWS::DynamoDB::Stream", "dynamodb"),
        (configuration.iam_role.is_some(), "AWS::IAM::Role", "iam"),
        (configuration.kms_key.is_some(), "AWS::KMS::Key", "kms"),
        (configuration.s3_bucket.is_some(), "AWS::S3::Bucket", "s3"),
    ];
    all.into_iter().find(|(is, ..)| *is).map(|(_, kind, service)| (kind, service))
}

/// What a bucket has besides its policy.
fn of_bucket(resource: &mut Resource, bucket: &S3BucketConfiguration) {
    let block = bucket.bucket_public_access_block.as_ref();
    if let Some(block) = block {
        resource.restricts = block.restrict_public_buckets;
    }
    let ignores = block.is_some_and(|block| block.ignore_public_acls);
    if let Some(grants) = &bucket.bucket_acl_grants {
        let entries = grants.iter().filter_map(|grant| {
            acl_entry(grant.grantee.id.as_deref(), grant.grantee.uri.as_deref(), &grant.permission, ignores)
        });
        resource.entries = entries.collect();
    } else if ignores {
        resource.entries.retain(|entry: &Entry| !entry.public);
    }
    let Some(points) = &bucket.access_points else { return };
    resource.policies.retain(|given| given.from == From::Resource);
    for (arn, point) in points {
        let vpc = point.network_origin.as_ref().and_then(|origin| origin.vpc_configuration.as_ref());
        let from = From::AccessPoint {
            arn: arn.clone(),
            // A new one blocks what is public unless it is told not to.
            restricts: point.public_access_block.as_ref().is_none_or(|block| block.restrict_public_buckets),
            vpc: vpc.map(|vpc| vpc.vpc_id.clone()),
        };
        if let Some(text) = point.access_point_policy.clone().filter(|text| !text.is_empty()) {
            resource.policies.push(Given { text, from });
        }
    }
}

/// What would be found, beside what is found now.
fn compare(cx: &Cx, analyzer: &Analyzer, zone: &Zone, resource: &Resource) -> Result<Vec<Previewed>> {
    let from = cx.read();
    let archives =
        rules(cx, &from, &analyzer.name)?.iter().map(crate::rows::Rule::filter).collect::<Result<Vec<_>>>()?;
    let all = findings(cx, &from, &analyzer.name)?.into_iter().map(Whole::new).collect::<Result<Vec<_>>>()?;
    let mut existing: BTreeMap<String, Whole> = all
        .into_iter()
        .filter(|whole| whole.found.resource == resource.arn)
        .map(|whole| (whole.row.id.clone(), whole))
        .collect();
    let mut shown = Vec::new();
    for found in exposure::of(cx, zone, resource)? {
        let there = existing.remove(&scan::id(analyzer, &found));
        let status = there.as_ref().map(|whole| whole.row.status.as_str()).filter(|status| *status != "RESOLVED");
        let archived = archives.iter().any(|rule| filter::matches(rule, &found));
        let new = if archived { "ARCHIVED" } else { "ACTIVE" };
        let change = match (&there, status) {
            (None, _) => "NEW",
            (Some(_), Some(_)) => "UNCHANGED",
            (Some(_), None) => "CHANGED",
        };
        shown.push(previewed(cx, change, status.unwrap_or(new), there.as_ref(), &found)?);
    }
    for whole in existing.values().filter(|whole| whole.row.status != "RESOLVED") {
        shown.push(previewed(cx, "CHANGED", "RESOLVED", Some(whole), &whole.found)?);
    }
    Ok(shown)
}

fn previewed(cx: &Cx, change: &str, status: &str, there: Option<&Whole>, found: &Found) -> Result<Previewed> {
    Ok(Previewed {
        id: cx.random().uuid(),
        change: change.to_owned(),
        status: status.to_owned(),
        existing_id: there.map(|whole| whole.row.id.clone()),
        existing_status: there.map(|whole| whole.row.status.clone()),
        created: cx.now_millis(),
        found: serde_json::to_string(found).map_err(Failure::broken)?,
    })
}

fn reason(preview: &Preview) -> Option<output::AccessPreviewStatusReason> {
    preview.reason.clone().map(|code| output::AccessPreviewStatusReason { code })
}

pub(crate) fn get(cx: &Cx, input: &api::GetAccessPreviewInput) -> Result<api::GetAccessPreviewOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let preview = find(cx, &from, &analyzer, &input.access_preview_id)?;
    let access_preview = output::AccessPreview {
        analyzer_arn: analyzer.arn(cx),
        configurations: preview.configurations()?,
        created_at: moment(preview.created),
        status_reason: reason(&preview),
        status: preview.status,
        id: preview.id,
    };
    Ok(api::GetAccessPreviewOutput { access_preview })
}

pub(crate) fn list(cx: &Cx, input: &api::ListAccessPreviewsInput) -> Result<api::ListAccessPreviewsOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let rows = PREVIEWS.all(&from, &cx.key(analyzer.name.as_str()))?.into_iter().map(|entry| entry.row);
    let arn = analyzer.arn(cx);
    let shown = rows.map(|preview| output::AccessPreviewSummary {
        analyzer_arn: arn.clone(),
        created_at: moment(preview.created),
        status_reason: reason(&preview),
        status: preview.status,
        id: preview.id,
    });
    let scope = format!("ListAccessPreviews/{}", analyzer.id);
    let (access_previews, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAccessPreviewsOutput { access_previews, next_token })
}

/// What a preview that is made says.
pub(crate) fn list_findings(
    cx: &Cx,
    input: &api::ListAccessPreviewFindingsInput,
) -> Result<api::ListAccessPreviewFindingsOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let preview = find(cx, &from, &analyzer, &input.access_preview_id)?;
    if preview.status != "COMPLETED" {
        let message = format!("The access preview is not complete. Its status is {}.", preview.status);
        return Err(conflict("access-preview", &preview.id, message));
    }
    if let Some(wanted) = &input.filter {
        filter::check(wanted)?;
    }
    let mut all = Vec::new();
    for entry in PREVIEWED.all(&from, &(cx.key(analyzer.name.as_str()), preview.id.as_str()))? {
        let found: Found = serde_json::from_str(&entry.row.found).map_err(Failure::broken)?;
        let shown = Shown { row: entry.row, found };
        if input.filter.as_ref().is_none_or(|wanted| filter::matches(wanted, &shown)) {
            all.push(finding(shown));
        }
    }
    let scope = format!("ListAccessPreviewFindings/{}/{:?}", preview.id, input.filter);
    let (findings, next_token) = page(&scope, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAccessPreviewFindingsOutput { findings, next_token })
}

fn finding(Shown { row, found }: Shown) -> output::AccessPreviewFinding {
    let sources = sources(&found);
    output::AccessPreviewFinding {
        id: row.id,
        existing_finding_id: row.existing_id,
        existing_finding_status: row.existing_status,
        principal: Some(found.principal),
        action: Some(found.action),
        condition: Some(found.condition),
        resource: Some(found.resource),
        is_public: Some(found.public),
        resource_type: found.resource_type,
        created_at: moment(row.created),
        change_type: row.change,
        status: row.status,
        resource_owner_account: found.owner,
        error: found.error,
        sources,
        resource_control_policy_restriction: found.resource_control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_kept_as_they_are() {
        let text = json!({"arn:aws:sqs:us-east-1:000000000000:q": {"sqsQueue": {"queuePolicy": ""}}}).to_string();
        let all: Configurations = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&all).unwrap(), text);
    }
}
