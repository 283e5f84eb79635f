//! Which services there are.

use std::sync::Arc;

use undercast_engines::runtimes;
use undercast_kernel::Service;

use crate::command::{Limits, Names};
use crate::settings::Environment;

/// What the command line says of single services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) dynamodb: Option<Limits>,
    pub(crate) kinesis: Option<Limits>,
    pub(crate) acm_names: Names,
}

/// Whether something is not held to its limits: what the command line says goes before the environment.
fn is_unlimited(said: Option<Limits>, environment: Option<&str>) -> bool {
    said.map_or(environment == Some("off"), |limits| limits == Limits::Off)
}

/// All services, or those whose names are wanted.
pub(crate) fn all(wanted: &[String], said: Said, environment: &Environment) -> Vec<Arc<dyn Service>> {
    let dynamodb = if is_unlimited(said.dynamodb, environment.dynamodb_limits.as_deref()) {
        undercast_dynamodb::DynamoDb::without_limits()
    } else {
        undercast_dynamodb::DynamoDb::default()
    };
    let kinesis = if is_unlimited(said.kinesis, environment.kinesis_limits.as_deref()) {
        undercast_kinesis::Kinesis::without_limits()
    } else {
        undercast_kinesis::Kinesis::default()
    };
    let acm = match said.acm_names {
        Names::Publish => undercast_acm::Acm::default(),
        Names::Wait => undercast_acm::Acm::waiting(),
    };
    let interpreters = runtimes::usual_places(environment.path.as_deref(), environment.home.as_deref());
    let all: Vec<Arc<dyn Service>> = vec![
        Arc::new(undercast_accessanalyzer::AccessAnalyzer::default()),
        Arc::new(acm),
        Arc::new(undercast_application_autoscaling::ApplicationAutoScaling),
        Arc::new(undercast_cloudformation::CloudFormation),
        Arc::new(undercast_cloudtrail::CloudTrail::default()),
        Arc::new(undercast_cloudtrail::CloudTrailData),
        Arc::new(undercast_cloudwatch::CloudWatch),
        Arc::new(dynamodb),
        Arc::new(undercast_dynamodb::DynamoDbStreams),
        Arc::new(undercast_events::Events::default()),
        Arc::new(undercast_firehose::Firehose::default()),
        Arc::new(undercast_glue::Glue),
        Arc::new(undercast_iam::Iam),
        Arc::new(kinesis),
        Arc::new(undercast_kms::Kms),
        Arc::new(undercast_lambda::Lambda::new(interpreters)),
        Arc::new(undercast_logs::Logs),
        Arc::new(undercast_organizations::Organizations::default()),
        Arc::new(undercast_pipes::Pipes::default()),
        Arc::new(undercast_s3::S3::default()),
        Arc::new(undercast_s3::S3Control),
        Arc::new(undercast_scheduler::Scheduler),
        Arc::new(undercast_schemas::Schemas),
        Arc::new(undercast_secretsmanager::SecretsManager),
        Arc::new(undercast_sns::Sns),
        Arc::new(undercast_sqs::Sqs),
        Arc::new(undercast_ssm::Ssm),
        Arc::new(undercast_stepfunctions::StepFunctions::default()),
        Arc::new(undercast_sts::Sts),
    ];
    if wanted.is_empty() {
        return all;
    }
    // STS is asked by every SDK that assumes a role, and costs nothing. The streams of tables are a part of them, and so
    // are the way of other applications' events to CloudTrail and what S3 has by account.
    let parts = [("cloudtrail", "cloudtrail-data"), ("dynamodb", "dynamodbstreams"), ("s3", "s3control")];
    let chosen = |name: &str| name == "sts" || wanted.iter().any(|w| w == name || parts.contains(&(w.as_str(), name)));
    all.into_iter().filter(|s| chosen(s.api().name)).collect()
}
