//! `./x bench decisions`: what the evaluator alone takes for a decision, by ten policies of twenty statements each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use undercast_policy::{
    Inputs, MapContext, NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind, Request, decide,
};

use crate::Failed;
use crate::table;

const POLICIES: usize = 10;
const STATEMENTS: usize = 20;
/// Decisions whose time is taken together: the clock itself takes some tens of nanoseconds.
const BATCH: u32 = 64;
const BATCHES: usize = 10_000;

/// Services of which each policy has two statements: one that allows on resources by prefix, one on a condition.
const SERVICES: [&str; 10] =
    ["s3", "sqs", "sns", "dynamodb", "lambda", "kms", "logs", "kinesis", "events", "secretsmanager"];

fn statements(policy: usize) -> Vec<Json> {
    let of_service = |service: &&str| {
        let resource = format!("arn:aws:{service}:*:111122223333:team-{policy}-*");
        let allowed = json!({"Effect": "Allow", "Action": [format!("{service}:Get*"), format!("{service}:List*")], "Resource": resource});
        let by_tag = json!({"Effect": "Allow", "Action": format!("{service}:*"), "Resource": "*",
                            "Condition": {"StringEquals": {"aws:PrincipalTag/team": format!("team-{policy}")},
                                          "Bool": {"aws:SecureTransport": "true"}}});
        [allowed, by_tag]
    };
    SERVICES.iter().flat_map(of_service).take(STATEMENTS).collect()
}

fn policies() -> Result<Vec<NamedPolicy>, Failed> {
    let policy = |number: usize| {
        let document = json!({"Version": "2012-10-17", "Statement": statements(number)}).to_string();
        let policy = Policy::parse(PolicyKind::Managed, &document).map_err(|e| Failed::Said(e.to_string()))?;
        Ok(NamedPolicy { name: format!("policy-{number}").into(), policy: Arc::new(policy) })
    };
    (0..POLICIES).map(policy).collect()
}

/// The median time of a decision, which must be `allowed`.
fn median(inputs: &Inputs<'_>, allowed: bool) -> Result<Duration, Failed> {
    let mut took = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let began = Instant::now();
        for _ in 0..BATCH {
            if decide(std::hint::black_box(inputs)).allowed != allowed {
                return Err(Failed::Said("the decision is not what it should be".to_owned()));
            }
        }
        took.push(began.elapsed() / BATCH);
    }
    took.sort_unstable();
    Ok(took[BATCHES / 2])
}

/// Prints the rows.
pub(crate) fn run() -> Result<(), Failed> {
    let policies = policies()?;
    let principal = PrincipalFacts {
        arn: "arn:aws:iam::111122223333:user/ann".to_owned(),
        account: "111122223333".to_owned(),
        kind: PrincipalKind::User { name: "ann".to_owned() },
        user_id: "AIDAEXAMPLE".to_owned(),
        canonical_user: None,
    };
    let mut context = MapContext::new();
    context.set("aws:PrincipalTag/team", "team-none");
    context.set("aws:SecureTransport", "true");
    for (name, action, resource, allowed) in [
        ("allowed by the first policy", "s3:GetObject", "arn:aws:s3:us-east-1:111122223333:team-0-x", true),
        ("allowed by the last policy alone", "events:GetRule", "arn:aws:events:us-east-1:111122223333:team-9-x", true),
        ("allowed by none", "events:PutRule", "arn:aws:events:us-east-1:111122223333:team-9-x", false),
    ] {
        let request = Request { action, resource, principal: &principal, context: &context };
        let inputs = Inputs { identity: &policies, ..Inputs::new(&request) };
        let micros = median(&inputs, allowed)?.as_secs_f64() * 1e6;
        let limit = table::at_most(micros, 3.0, " µs");
        table::single(name, &format!("{micros:.2} µs"), &format!("limit ≤ 3 µs at the median: {limit}"));
    }
    Ok(())
}
