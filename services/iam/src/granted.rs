//! The policies of users, roles, groups and policies, and the services to which they give access.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{Effect, Policy, PolicyKind, Wildcard};
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::errors;
use crate::entity::{Entity, Kind};
use crate::policies;

/// Services by the name in front of their actions.
///
/// Source: "Actions, resources, and condition keys for AWS services" in the service authorization reference.
pub(crate) const SERVICES: &[(&str, &str)] = &[
    ("acm", "AWS Certificate Manager"),
    ("apigateway", "Amazon API Gateway Management"),
    ("application-autoscaling", "AWS Application Auto Scaling"),
    ("athena", "Amazon Athena"),
    ("autoscaling", "Amazon EC2 Auto Scaling"),
    ("backup", "AWS Backup"),
    ("batch", "AWS Batch"),
    ("cloudformation", "AWS CloudFormation"),
    ("cloudfront", "Amazon CloudFront"),
    ("cloudtrail", "AWS CloudTrail"),
    ("cloudwatch", "Amazon CloudWatch"),
    ("codebuild", "AWS CodeBuild"),
    ("codecommit", "AWS CodeCommit"),
    ("cognito-idp", "Amazon Cognito User Pools"),
    ("config", "AWS Config"),
    ("dynamodb", "Amazon DynamoDB"),
    ("ec2", "Amazon EC2"),
    ("ecr", "Amazon Elastic Container Registry"),
    ("ecs", "Amazon Elastic Container Service"),
    ("eks", "Amazon Elastic Kubernetes Service"),
    ("elasticache", "Amazon ElastiCache"),
    ("elasticfilesystem", "Amazon Elastic File System"),
    ("elasticloadbalancing", "AWS Elastic Load Balancing"),
    ("events", "Amazon EventBridge"),
    ("firehose", "Amazon Kinesis Firehose"),
    ("glue", "AWS Glue"),
    ("iam", "AWS Identity and Access Management"),
    ("kinesis", "Amazon Kinesis Data Streams"),
    ("kms", "AWS Key Management Service"),
    ("lambda", "AWS Lambda"),
    ("logs", "Amazon CloudWatch Logs"),
    ("organizations", "AWS Organizations"),
    ("pipes", "Amazon EventBridge Pipes"),
    ("rds", "Amazon RDS"),
    ("redshift", "Amazon Redshift"),
    ("route53", "Amazon Route 53"),
    ("s3", "Amazon S3"),
    ("sagemaker", "Amazon SageMaker"),
    ("scheduler", "Amazon EventBridge Scheduler"),
    ("secretsmanager", "AWS Secrets Manager"),
    ("ses", "Amazon SES"),
    ("sns", "Amazon SNS"),
    ("sqs", "Amazon SQS"),
    ("ssm", "AWS Systems Manager"),
    ("states", "AWS Step Functions"),
    ("sts", "AWS Security Token Service"),
    ("xray", "AWS X-Ray"),
];

/// A policy of somebody's, and where it stands.
pub(crate) struct Given {
    pub(crate) name: String,
    /// `None`: it is an inline policy of this kind of entity, with this name.
    pub(crate) arn: Option<String>,
    pub(crate) of: (Kind, String),
    pub(crate) policy: Policy,
    allowed: Vec<Allowed>,
}

/// The actions of one statement that allows something.
struct Allowed {
    /// All but these.
    negated: bool,
    actions: Vec<String>,
}

impl Allowed {
    /// Whether an action of a service is among them.
    fn is_of(&self, service: &str) -> bool {
        let of_service = |action: &String| {
            let prefix = action.split(':').next().unwrap_or("");
            Wildcard::ignoring_case(prefix).matches(service)
        };
        if !self.negated {
            return self.actions.iter().any(of_service);
        }
        // A service is left out where all of its actions are.
        let whole = |action: &String| action == "*" || of_service(action) && action.ends_with(":*");
        !self.actions.iter().any(whole)
    }

    fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| Wildcard::ignoring_case(pattern).matches(action)) != self.negated
    }
}

impl Given {
    pub(crate) fn read(name: &str, arn: Option<&str>, of: (Kind, String), document: &str) -> Result<Self> {
        let policy = Policy::parse(PolicyKind::Managed, document).map_err(Failure::broken)?;
        let statements = policy.document().statements.iter().filter(|s| s.effect == Effect::Allow);
        let allowed =
            statements.map(|s| Allowed { negated: s.action.negated, actions: s.action.patterns.clone() }).collect();
        Ok(Self { name: name.to_owned(), arn: arn.map(ToOwned::to_owned), of, policy, allowed })
    }

    /// Whether it gives access to a service.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.is_of(service))
    }

    /// Whether it allows an action: `iam:GetUser`.
    pub(crate) fn has(&self, action: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.has(action))
    }
}

/// Whose access is asked about.
pub(crate) enum Subject {
    Entity(Kind, Box<Entity>),
    /// A managed policy, by its ARN.
    Policy(String),
}

impl Subject {
    /// What an ARN of this account names.
    pub(crate) fn find(cx: &Cx, from: &impl Read, text: &str) -> Result<Self> {
        let invalid = || Failure::from(errors::invalid_input_exception("Invalid ARN:  Could not be parsed!"));
        let arn = Arn::parse(text).filter(|arn| arn.service == "iam").ok_or_else(invalid)?;
        let (word, place) = arn.resource.split_once('/').ok_or_else(invalid)?;
        if word == "policy" {
            if policies::is_there(from, cx.account(), text)? {
                return Ok(Self::Policy(text.to_owned()));
            }
            return Err(errors::no_such_entity_exception(format!("Policy {text} was not found.")).into());
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(invalid)?;
        if arn.account != cx.account() {
            return Err(invalid());
        }
        let name = place.rsplit('/').next().unwrap_or("");
        let entity = kind.find(from, cx.account(), name)?;
        if entity.arn(cx, kind) != text {
            let message = format!("The {word} with name {name} cannot be found.");
            return Err(errors::no_such_entity_exception(message).into());
        }
        Ok(Self::Entity(kind, Box::new(entity)))
    }

    /// The policies that give it access: its own, and those of its groups.
    pub(crate) fn policies(&self, account: &str, from: &impl Read) -> Result<Vec<Given>> {
        let mut all = Vec::new();
        match self {
            Self::Policy(arn) => all.extend(managed(from, arn, (Kind::User, String::new()))?),
            Self::Entity(kind, entity) => {
                own(from, *kind, entity, &mut all)?;
                for group in &entity.groups {
                    own(from, Kind::Group, &Kind::Group.find(from, account, group)?, &mut all)?;
                }
            }
        }
        Ok(all)
    }

    /// The users and roles whose calls are those of the subject.
    pub(crate) fn callers(&self, cx: &Cx, from: &impl Read) -> Result<Vec<(Kind, Entity)>> {
        let (account, mut all) = (cx.account(), Vec::new());
        let members = |group: &str| -> Result<Vec<(Kind, Entity)>> {
            let users = Kind::User.all(from, account)?.into_iter();
            let group = group.to_lowercase();
            Ok(users.filter(|user| user.groups.contains(&group)).map(|user| (Kind::User, user)).collect())
        };
        match self {
            Self::Entity(Kind::Group, group) => all.extend(members(&group.name)?),
            Self::Entity(kind, entity) => all.push((*kind, (**entity).clone())),
            Self::Policy(arn) => {
                for kind in Kind::ALL {
                    for entity in kind.all(from, account)?.into_iter().filter(|e| e.attached.contains(arn)) {
                        match kind {
                            Kind::Group => all.extend(members(&entity.name)?),
                            _ => all.push((kind, entity)),
                        }
                    }
                }
            }
        }
        all.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        all.dedup_by(|a, b| a.1.id == b.1.id);
        Ok(all)
    }
}

fn managed(from: &impl Read, arn: &str, of: (Kind, String)) -> Result<Option<Given>> {
    let name = arn.rsplit('/').next().unwrap_or("");
    policies::document(from, arn)?.map(|document| Given::read(name, Some(arn), of, &document)).transpose()
}

fn own(from: &impl Read, kind: Kind, entity: &Entity, all: &mut Vec<Given>) -> Result<()> {
    let of = || (kind, entity.name.clone());
    for (name, document) in &entity.inline {
        all.push(Given::read(name, None, of(), document)?);
    }
    for arn in &entity.attached {
        all.extend(managed(from, arn, of())?);
    }
    Ok(())
}
