//! Which services there are.

use std::sync::Arc;

use undercast_engines::runtimes;
use undercast_kernel::Service;

use crate::command::Limits;
use crate::settings::Environment;

/// All services, or those whose names are wanted; what the command line says of limits goes before the environment.
pub(crate) fn all(wanted: &[String], limits: Option<Limits>, environment: &Environment) -> Vec<Arc<dyn Service>> {
    let unlimited = match limits {
        Some(limits) => limits == Limits::Off,
        None => environment.dynamodb_limits.as_deref() == Some("off"),
    };
    let dynamodb = if unlimited {
        undercast_dynamodb::DynamoDb::without_limits()
    } else {
        undercast_dynamodb::DynamoDb::default()
    };
    let interpreters = runtimes::usual_places(environment.path.as_deref(), environment.home.as_deref());
    let all: Vec<Arc<dyn Service>> = vec![
        Arc::new(undercast_application_autoscaling::ApplicationAutoScaling),
        Arc::new(undercast_cloudformation::CloudFormation),
        Arc::new(undercast_cloudwatch::CloudWatch),
        Arc::new(dynamodb),
        Arc::new(undercast_dynamodb::DynamoDbStreams),
        Arc::new(undercast_iam::Iam),
        Arc::new(undercast_kms::Kms),
        Arc::new(undercast_lambda::Lambda::new(interpreters)),
        Arc::new(undercast_logs::Logs),
        Arc::new(undercast_s3::S3::default()),
        Arc::new(undercast_s3::S3Control),
        Arc::new(undercast_sns::Sns),
        Arc::new(undercast_sqs::Sqs),
        Arc::new(undercast_sts::Sts),
    ];
    if wanted.is_empty() {
        return all;
    }
    // STS is asked by every SDK that assumes a role, and costs nothing. The streams of tables are a part of them, and so
    // is what S3 has by account.
    let parts = [("dynamodb", "dynamodbstreams"), ("s3", "s3control")];
    let chosen = |name: &str| name == "sts" || wanted.iter().any(|w| w == name || parts.contains(&(w.as_str(), name)));
    all.into_iter().filter(|s| chosen(s.api().name)).collect()
}
