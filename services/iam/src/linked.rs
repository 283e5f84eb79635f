//! Roles of services: made for one service, changed by nobody else, and deleted when the service needs them no more.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind};

/// Account, id of the task → what became of a deletion.
static DELETIONS: Table<Deletion> = Table::new("iam.role_deletions");

/// A service that has a role, the role's name, the policy attached to it, and whether several can be made, each with a
/// suffix.
///
/// Source: "AWS services that work with IAM" in the user guide and the managed policy reference.
struct Known {
    service: &'static str,
    role: &'static str,
    policy: &'static str,
    suffixes: bool,
}

const fn known(service: &'static str, role: &'static str, policy: &'static str) -> Known {
    Known { service, role, policy, suffixes: false }
}

const KNOWN: &[Known] = &[
    known("access-analyzer.amazonaws.com", "AccessAnalyzer", "AccessAnalyzerServiceRolePolicy"),
    known(
        "apidestinations.events.amazonaws.com",
        "AmazonEventBridgeApiDestinations",
        "AmazonEventBridgeApiDestinationsServiceRolePolicy",
    ),
    known(
        "appstream.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_AppStreamFleet",
        "AWSApplicationAutoscalingAppStreamFleetPolicy",
    ),
    Known {
        service: "autoscaling.amazonaws.com",
        role: "AutoScaling",
        policy: "AutoScalingServiceRolePolicy",
        suffixes: true,
    },
    known(
        "autoscaling-plans.amazonaws.com",
        "AutoScalingPlans_EC2AutoScaling",
        "AWSAutoScalingPlansEC2AutoScalingPolicy",
    ),
    known("backup.amazonaws.com", "Backup", "AWSBackupServiceLinkedRolePolicyForBackup"),
    known("batch.amazonaws.com", "Batch", "BatchServiceRolePolicy"),
    known(
        "cassandra.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_CassandraTable",
        "AWSApplicationAutoscalingCassandraTablePolicy",
    ),
    known(
        "cks.kms.amazonaws.com",
        "KeyManagementServiceCustomKeyStores",
        "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy",
    ),
    known("cloudtrail.amazonaws.com", "CloudTrail", "CloudTrailServiceRolePolicy"),
    known("codestar-notifications.amazonaws.com", "CodeStarNotifications", "AWSCodeStarNotificationsServiceRolePolicy"),
    known("config.amazonaws.com", "Config", "AWSConfigServiceRolePolicy"),
    known(
        "contributorinsights.dynamodb.amazonaws.com",
        "DynamoDBCloudWatchContributorInsights",
        "DynamoDBCloudWatchContributorInsightsServiceRolePolicy",
    ),
    known(
        "custom-resource.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_CustomResource",
        "AWSApplicationAutoScalingCustomResourcePolicy",
    ),
    known("delivery.logs.amazonaws.com", "LogDelivery", "AWSServiceRoleForLogDeliveryPolicy"),
    known(
        "dynamodb.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_DynamoDBTable",
        "AWSApplicationAutoscalingDynamoDBTablePolicy",
    ),
    known(
        "ec2.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_EC2SpotFleetRequest",
        "AWSApplicationAutoscalingEC2SpotFleetRequestPolicy",
    ),
    known("ecs.amazonaws.com", "ECS", "AmazonECSServiceRolePolicy"),
    known(
        "ecs.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_ECSService",
        "AWSApplicationAutoscalingECSServicePolicy",
    ),
    known("eks.amazonaws.com", "AmazonEKS", "AmazonEKSServiceRolePolicy"),
    known("eks-fargate.amazonaws.com", "AmazonEKSForFargate", "AmazonEKSForFargateServiceRolePolicy"),
    known("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
    known("elasticache.amazonaws.com", "ElastiCache", "ElastiCacheServiceRolePolicy"),
    known("elasticbeanstalk.amazonaws.com", "ElasticBeanstalk", "AWSElasticBeanstalkServiceRolePolicy"),
    known("elasticfilesystem.amazonaws.com", "AmazonElasticFileSystem", "AmazonElasticFileSystemServiceRolePolicy"),
    known("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"),
    known("elasticmapreduce.amazonaws.com", "EMRCleanup", "AmazonEMRCleanupPolicy"),
    known("email.cognito-idp.amazonaws.com", "AmazonCognitoIdpEmailService", "AmazonCognitoIdpEmailServiceRolePolicy"),
    known("es.amazonaws.com", "AmazonElasticsearchService", "AmazonElasticsearchServiceRolePolicy"),
    known("events.amazonaws.com", "CloudWatchEvents", "CloudWatchEventsServiceRolePolicy"),
    known("globalaccelerator.amazonaws.com", "GlobalAccelerator", "AWSGlobalAcceleratorSLRPolicy"),
    known("guardduty.amazonaws.com", "AmazonGuardDuty", "AmazonGuardDutyServiceRolePolicy"),
    known("imagebuilder.amazonaws.com", "ImageBuilder", "AWSServiceRoleForImageBuilder"),
    known("inspector2.amazonaws.com", "AmazonInspector2", "AmazonInspector2ServiceRolePolicy"),
    known("kafka.amazonaws.com", "Kafka", "KafkaServiceRolePolicy"),
    known(
        "kinesisreplication.dynamodb.amazonaws.com",
        "DynamoDBKinesisDataStreamsReplication",
        "DynamoDBKinesisReplicationServiceRolePolicy",
    ),
    known(
        "lambda.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_LambdaConcurrency",
        "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
    ),
    known("logger.cloudfront.amazonaws.com", "CloudFrontLogger", "AWSCloudFrontLogger"),
    known("macie.amazonaws.com", "AmazonMacie", "AmazonMacieServiceRolePolicy"),
    known("memorydb.amazonaws.com", "MemoryDB", "MemoryDBServiceRolePolicy"),
    known("mq.amazonaws.com", "AmazonMQ", "AmazonMQServiceRolePolicy"),
    known(
        "mrk.kms.amazonaws.com",
        "KeyManagementServiceMultiRegionKeys",
        "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
    ),
    known("opensearchservice.amazonaws.com", "AmazonOpenSearchService", "AmazonOpenSearchServiceRolePolicy"),
    known("ops.apigateway.amazonaws.com", "APIGateway", "APIGatewayServiceRolePolicy"),
    known("organizations.amazonaws.com", "Organizations", "AWSOrganizationsServiceTrustPolicy"),
    known("ram.amazonaws.com", "ResourceAccessManager", "AWSResourceAccessManagerServiceRolePolicy"),
    known("rds.amazonaws.com", "RDS", "AmazonRDSServiceRolePolicy"),
    known(
        "rds.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_RDSCluster",
        "AWSApplicationAutoscalingRDSClusterPolicy",
    ),
    known("redshift.amazonaws.com", "Redshift", "AmazonRedshiftServiceLinkedRolePolicy"),
    known("replication.dynamodb.amazonaws.com", "DynamoDBReplication", "DynamoDBReplicationServiceRolePolicy"),
    known("replicator.lambda.amazonaws.com", "LambdaReplicator", "AWSLambdaReplicator"),
    known(
        "sagemaker.application-autoscaling.amazonaws.com",
        "ApplicationAutoScaling_SageMakerEndpoint",
        "AWSApplicationAutoscalingSageMakerEndpointPolicy",
    ),
    known("schemas.amazonaws.com", "Schemas", "AmazonEventBridgeSchemasServiceRolePolicy"),
    known("securityhub.amazonaws.com", "SecurityHub", "AWSSecurityHubServiceRolePolicy"),
    known("spot.amazonaws.com", "EC2Spot", "AWSEC2SpotServiceRolePolicy"),
    known("spotfleet.amazonaws.com", "EC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy"),
    known("ssm.amazonaws.com", "AmazonSSM", "AmazonSSMServiceRolePolicy"),
    known("sso.amazonaws.com", "SSO", "AWSSSOServiceRolePolicy"),
    known("support.amazonaws.com", "Support", "AWSSupportServiceRolePolicy"),
    known("transitgateway.amazonaws.com", "VPCTransitGateway", "AWSVPCTransitGatewayServiceRolePolicy"),
    known("trustedadvisor.amazonaws.com", "TrustedAdvisor", "AWSTrustedAdvisorServiceRolePolicy"),
    known("wafv2.amazonaws.com", "WAFV2Logging", "WAFV2LoggingServiceRolePolicy"),
];

/// Services whose role other services of this cloud act by without saying whether something still needs it.
const SILENT: [&str; 3] = [
    "contributorinsights.dynamodb.amazonaws.com",
    "kinesisreplication.dynamodb.amazonaws.com",
    "replication.dynamodb.amazonaws.com",
];

const SCALES_TABLES: &str = "dynamodb.application-autoscaling.amazonaws.com";
/// Whose analyzers read policies.
const ANALYZES: &str = "access-analyzer.amazonaws.com";
/// Whose discoverers have rules on buses.
const DISCOVERS: &str = "schemas.amazonaws.com";

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Deletion {
    /// Region and ARNs of what still needs the role; empty: it is gone.
    #[n(0)]
    needed_by: BTreeMap<String, Vec<String>>,
}

/// The name of a service's role.
fn role_name(known: &Known, suffix: Option<&str>) -> String {
    match suffix {
        Some(suffix) => format!("AWSServiceRoleFor{}_{suffix}", known.role),
        None => format!("AWSServiceRoleFor{}", known.role),
    }
}

/// The ARN that the role of a request would have.
pub(crate) fn arn(cx: &Cx, service: &str, suffix: Option<&str>) -> String {
    let name =
        KNOWN.iter().find(|known| known.service == service).map_or_else(|| "*".to_owned(), |k| role_name(k, suffix));
    cx.global_arn("iam", &format!("role/aws-service-role/{service}/{name}"))
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateServiceLinkedRoleInput,
) -> Result<api::CreateServiceLinkedRoleOutput> {
    let service = input.aws_service_name;
    let Some(known) = KNOWN.iter().find(|known| known.service == service) else {
        let what = format!("the service-linked role of {service}: its name and policy are not known here");
        return Err(Failure::not_built(what));
    };
    if input.custom_suffix.is_some() && !known.suffixes {
        let message = format!("Custom suffix is not allowed for {service}");
        return Err(errors::invalid_input_exception(message).into());
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    let path = Some(format!("/aws-service-role/{service}/"));
    let name = role_name(known, input.custom_suffix.as_deref());
    let mut role = Entity::new(cx, Kind::Role, name, path, BTreeMap::new())?;
    role.trust = trust.to_string();
    role.description = input.description;
    role.attached = vec![format!("arn:{}:iam::aws:policy/aws-service-role/{}", cx.partition(), known.policy)];
    role.linked = Some(service);
    cx.write(|tx| {
        if Kind::Role.check_free(tx, cx.account(), &role.name).is_err() {
            let message = format!(
                "Service role name {} has been taken in this account, please try a different suffix.",
                role.name
            );
            return Err(errors::invalid_input_exception(message).into());
        }
        Kind::Role.add(tx, cx.account(), &role)
    })
    .await?;
    Ok(api::CreateServiceLinkedRoleOutput { role: Some(role.role(cx, true)) })
}

/// How a service tells what still needs its role: itself, its operation with the input, the list in the answer and the ARN there.
type Asked = (&'static str, &'static str, serde_json::Value, &'static str, &'static str);

fn asked(service: &str) -> Option<Asked> {
    match service {
        SCALES_TABLES => {
            let tables = json!({"ServiceNamespace": "dynamodb"});
            Some(("application-autoscaling", "DescribeScalableTargets", tables, "ScalableTargets", "ScalableTargetARN"))
        }
        ANALYZES => Some(("accessanalyzer", "ListAnalyzers", json!({}), "analyzers", "arn")),
        DISCOVERS => Some(("schemas", "ListDiscoverers", json!({}), "Discoverers", "DiscovererArn")),
        _ => None,
    }
}

/// What still needs a service's role, by region. Of services that are not here there is nothing that could.
async fn needs(cx: &Cx, service: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut all = BTreeMap::new();
    if SILENT.contains(&service) {
        return Err(Failure::not_built(format!("the deletion of the role of {service}: what needs it is not told")));
    }
    let Some((of, operation, input, list, arn)) = asked(service) else { return Ok(all) };
    if cx.kernel().service(of).is_none() {
        return Ok(all);
    }
    for region in undercast_kernel::regions::all_of(cx.partition()) {
        let there = cx.kernel().cx_for(cx.account(), region).through("iam.amazonaws.com");
        let answer = there.call(of, operation, input.clone()).await?;
        let found = answer[list].as_array().into_iter().flatten();
        let arns: Vec<String> = found.filter_map(|one| one[arn].as_str()).map(ToOwned::to_owned).collect();
        if !arns.is_empty() {
            all.insert(region.to_owned(), arns);
        }
    }
    Ok(all)
}

/// Deletes the role, unless its service still needs it; the task tells which of the two.
pub(crate) async fn delete(
    cx: &Cx,
    input: api::DeleteServiceLinkedRoleInput,
) -> Result<api::DeleteServiceLinkedRoleOutput> {
    let role = Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?;
    let Some(service) = role.linked.clone() else {
        let message = format!("The service-linked role with name {} cannot be found.", input.role_name);
        return Err(errors::no_such_entity_exception(message).into());
    };
    let needed_by = needs(cx, &service).await?;
    let task = format!("task{}{}/{}", role.path, role.name, cx.random().uuid());
    cx.write(|tx| {
        if needed_by.is_empty() {
            let mut free = Kind::Role.find(tx, cx.account(), &role.name)?;
            (free.linked, free.attached, free.inline) = (None, Vec::new(), BTreeMap::new());
            Kind::Role.put(tx, cx.account(), &free);
            Kind::Role.remove(tx, cx.account(), &role.name)?;
        }
        DELETIONS.put(tx, &(cx.account(), &task), &Deletion { needed_by: needed_by.clone() });
        Ok(())
    })
    .await?;
    Ok(api::DeleteServiceLinkedRoleOutput { deletion_task_id: task })
}

pub(crate) fn deletion_status(
    cx: &Cx,
    input: &api::GetServiceLinkedRoleDeletionStatusInput,
) -> Result<api::GetServiceLinkedRoleDeletionStatusOutput> {
    let task = &input.deletion_task_id;
    if !task.starts_with("task/aws-service-role/") {
        return Err(errors::invalid_input_exception(format!("Invalid deletion task id: {task}")).into());
    }
    let Some(deletion) = DELETIONS.get(&cx.read(), &(cx.account(), task))? else {
        return Err(errors::no_such_entity_exception(format!("The deletion task {task} cannot be found.")).into());
    };
    if deletion.needed_by.is_empty() {
        return Ok(api::GetServiceLinkedRoleDeletionStatusOutput { status: "SUCCEEDED".to_owned(), reason: None });
    }
    let usages = deletion.needed_by.into_iter();
    let usages = usages.map(|(region, arns)| output::RoleUsageType { region: Some(region), resources: Some(arns) });
    let reason = output::DeletionTaskFailureReasonType {
        reason: Some("The role is used by resources of its service.".to_owned()),
        role_usage_list: Some(usages.collect()),
    };
    Ok(api::GetServiceLinkedRoleDeletionStatusOutput { status: "FAILED".to_owned(), reason: Some(reason) })
}
