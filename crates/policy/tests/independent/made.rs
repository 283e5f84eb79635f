//! Cases that are made up, each by its number.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use undercast_policy::{PrincipalFacts, PrincipalKind};

use super::Case;
use crate::support::{ACCOUNT, anonymous, federated_user, role_session, root, service, user};

const OTHER: &str = "999988887777";

/// Chance that follows from a number (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of a hundred, so many times.
    fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.next()).unwrap_or_default() % all.len();
        all[at].clone()
    }

    fn some<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..=self.next() % most).map(|_| make(self)).collect()
    }

    /// One alone, or a list.
    fn one_or_many(&mut self, make: impl FnMut(&mut Self) -> String) -> Json {
        let all = self.some(3, make);
        match all.as_slice() {
            [one] if self.percent(50) => json!(one),
            _ => json!(all),
        }
    }
}

const ACTIONS: &[&str] = &["sqs:SendMessage", "sqs:ReceiveMessage", "s3:GetObject", "s3:PutObject"];
const ACTION_PATTERNS: &[&str] = &[
    "*",
    "*",
    "sqs:*",
    "s3:*",
    "SQS:sendmessage",
    "sqs:SendMessage",
    "sqs:*Message",
    "s3:Get*",
    "s3:?utObject",
    "s3:G*Ob*t",
    "kms:*",
];
const RESOURCES: &[&str] =
    &["arn:aws:sqs:us-east-1:111122223333:orders", "arn:aws:s3:::photos/alice/1.jpg", "arn:aws:s3:::photos/a:b", "*"];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "*",
    "*",
    "arn:aws:sqs:*:*:orders",
    "arn:aws:sqs:us-east-1:111122223333:*",
    "arn:aws:sqs",
    "arn:aws:*",
    "arn:*:s3:::photos/*",
    "arn:aws:s3:::photos/${aws:username}/*",
    "arn:aws:s3:::photos/${aws:PrincipalTag/team, 'alice'}/?.jpg",
    "arn:aws:s3:::photos/${*}",
    "arn:aws:s3:::*:b",
    "arn:aws:s3:::${aws:TagKeys}/*",
];
const CONDITIONS: &[(&str, &str, &[&str])] = &[
    ("StringEquals", "aws:username", &["alice", "bob"]),
    ("StringNotEquals", "aws:username", &["alice"]),
    ("StringEqualsIfExists", "aws:PrincipalTag/team", &["red", "Blue"]),
    ("StringEqualsIgnoreCase", "aws:principaltag/TEAM", &["RED", "${aws:username}"]),
    ("StringLike", "aws:PrincipalArn", &["arn:aws:iam::111122223333:*", "*/deploy", "arn:aws:iam::?*:user/alice"]),
    ("StringNotLike", "aws:PrincipalArn", &["*role*"]),
    ("StringNotEqualsIgnoreCase", "aws:PrincipalTag/team", &["blue"]),
    ("ArnLike", "aws:PrincipalArn", &["arn:aws:iam::*:role/dep*", "arn:aws:iam::111122223333:user/${aws:username}"]),
    ("ArnNotEquals", "aws:SourceArn", &["arn:aws:s3:::photos"]),
    ("ArnEqualsIfExists", "aws:SourceArn", &["arn:aws:s3:::ph*"]),
    ("NumericLessThan", "s3:max-keys", &["10", "2.5"]),
    ("NumericNotEquals", "s3:max-keys", &["7"]),
    ("NumericGreaterThanEqualsIfExists", "s3:max-keys", &["7"]),
    ("DateGreaterThan", "aws:CurrentTime", &["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    ("DateLessThanEquals", "aws:CurrentTime", &["2026-06-01T12:00:00Z"]),
    ("Bool", "aws:SecureTransport", &["true", "FALSE"]),
    ("Bool", "aws:PrincipalIsAWSService", &["false"]),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", &["true"]),
    ("IpAddress", "aws:SourceIp", &["10.0.0.0/8", "192.168.1.7"]),
    ("NotIpAddress", "aws:SourceIp", &["10.1.0.0/15"]),
    ("Null", "aws:MultiFactorAuthPresent", &["true", "false"]),
    ("Null", "aws:TagKeys", &["true"]),
    ("ForAllValues:StringEquals", "aws:TagKeys", &["team", "cost"]),
    ("ForAnyValue:StringEquals", "aws:TagKeys", &["team"]),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", &["cost"]),
    ("ForAllValues:StringNotLike", "aws:TagKeys", &["c*"]),
    ("ForAnyValue:StringLikeIfExists", "aws:TagKeys", &["t*"]),
    ("StringEquals", "aws:PrincipalAccount", &[ACCOUNT, OTHER]),
];
const NAMES: &[(&str, &str)] = &[
    ("AWS", "*"),
    ("AWS", ACCOUNT),
    ("AWS", OTHER),
    ("AWS", "arn:aws:iam::111122223333:root"),
    ("AWS", "arn:aws:iam::111122223333:user/alice"),
    ("AWS", "arn:aws:iam::111122223333:role/deploy"),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/deploy/ci"),
    ("AWS", "arn:aws:sts::111122223333:federated-user/fed"),
    ("Service", "sns.amazonaws.com"),
    ("Service", "events.amazonaws.com"),
];

fn principal(chance: &mut Chance) -> PrincipalFacts {
    match chance.next() % 9 {
        0 | 1 => user("alice"),
        2 => user("bob"),
        3 | 4 => role_session("deploy", "ci"),
        5 => federated_user("fed", "alice"),
        6 => root(),
        7 => service("sns.amazonaws.com"),
        _ => anonymous(),
    }
}

fn keys(chance: &mut Chance) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let all: &[(&str, &[&str])] = &[
        ("aws:PrincipalTag/team", &["red", "blue", "alice"]),
        ("aws:SourceArn", &["arn:aws:s3:::photos", "arn:aws:s3:::other"]),
        ("s3:max-keys", &["1", "7", "7.0", "100"]),
        ("aws:CurrentTime", &["2026-03-01T00:00:00Z", "2026-06-01T12:00:00Z"]),
        ("aws:SecureTransport", &["true", "false"]),
        ("aws:MultiFactorAuthPresent", &["true", "false"]),
        ("aws:SourceIp", &["10.1.2.3", "10.2.0.1", "192.168.1.7", "8.8.8.8"]),
    ];
    for (key, values) in all {
        if chance.percent(60) {
            keys.insert((*key).to_owned(), vec![chance.of(values).to_owned()]);
        }
    }
    if chance.percent(60) {
        let mut tags = chance.some(3, |chance| chance.of(&["team", "cost", "x"]).to_owned());
        if chance.percent(10) {
            tags.clear();
        }
        keys.insert("aws:TagKeys".to_owned(), tags);
    }
    keys
}

/// Who a statement is about.
fn element(chance: &mut Chance) -> Json {
    if chance.percent(15) {
        return json!("*");
    }
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, name) in chance.some(4, |chance| chance.of(NAMES)) {
        kinds.entry(kind).or_default().push(name);
    }
    json!(kinds)
}

fn statement(chance: &mut Chance, deny_percent: u64, on_resource: bool) -> Json {
    let deny = chance.percent(deny_percent);
    let mut out = Map::new();
    out.insert("Effect".into(), json!(if deny { "Deny" } else { "Allow" }));
    let name = if chance.percent(12) { "NotAction" } else { "Action" };
    out.insert(name.into(), chance.one_or_many(|chance| chance.of(ACTION_PATTERNS).to_owned()));
    let name = if chance.percent(12) { "NotResource" } else { "Resource" };
    out.insert(name.into(), chance.one_or_many(|chance| chance.of(RESOURCE_PATTERNS).to_owned()));
    if on_resource {
        let name = if chance.percent(15) { "NotPrincipal" } else { "Principal" };
        out.insert(name.into(), element(chance));
    }
    if chance.percent(if deny { 80 } else { 30 }) {
        let mut conditions: Map<String, Json> = Map::new();
        for (operator, key, values) in chance.some(2, |chance| chance.of(CONDITIONS)) {
            let wanted = chance.one_or_many(|chance| chance.of(values).to_owned());
            let block = conditions.entry(operator).or_insert_with(|| json!({}));
            block[key] = wanted;
        }
        out.insert("Condition".into(), Json::Object(conditions));
    }
    Json::Object(out)
}

fn document(chance: &mut Chance, deny_percent: u64, on_resource: bool) -> Json {
    let version = if chance.percent(85) { "2012-10-17" } else { "2008-10-17" };
    let statements = chance.some(3, |chance| statement(chance, deny_percent, on_resource));
    json!({"Version": version, "Statement": statements})
}

/// Policies of organizations and endpoints limit less often than they let through.
fn limit(chance: &mut Chance, on_resource: bool) -> Json {
    if chance.percent(50) {
        let mut all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        if on_resource {
            all["Principal"] = json!("*");
        }
        return json!({"Version": "2012-10-17", "Statement": [all]});
    }
    document(chance, 25, on_resource)
}

fn levels(chance: &mut Chance, resource: bool) -> Vec<Vec<Json>> {
    if chance.percent(75) {
        return Vec::new();
    }
    chance.some(3, |chance| {
        chance.some(2, |chance| if resource { resource_control(chance) } else { service_control(chance) })
    })
}

/// What a service control policy may say is checked when it is made, so that it is made as it may be.
fn service_control(chance: &mut Chance) -> Json {
    limit(chance, false)
}

/// A resource control policy denies, for everyone; that all is allowed is said by the one that AWS attaches.
fn resource_control(chance: &mut Chance) -> Json {
    if chance.percent(60) {
        return json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]});
    }
    let mut made = document(chance, 100, false);
    for statement in made["Statement"].as_array_mut().into_iter().flatten() {
        statement["Principal"] = json!("*");
    }
    made
}

pub(super) fn case(number: u64) -> Case {
    let mut chance = Chance(number);
    let chance = &mut chance;
    let principal = principal(chance);
    let own = matches!(
        principal.kind,
        PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. }
    );
    let session = own && !matches!(principal.kind, PrincipalKind::User { .. }) && chance.percent(40);
    Case {
        action: chance.of(ACTIONS).to_owned(),
        resource: chance.of(RESOURCES).to_owned(),
        owner: if chance.percent(75) { ACCOUNT } else { OTHER }.to_owned(),
        keys: keys(chance),
        identity: if own && chance.percent(90) { chance.some(4, |c| document(c, 8, false)) } else { Vec::new() },
        boundary: (own && chance.percent(25)).then(|| document(chance, 8, false)),
        session: session
            .then(|| if chance.percent(90) { chance.some(2, |c| document(c, 8, false)) } else { Vec::new() }),
        on_resource: if chance.percent(50) { chance.some(2, |c| document(c, 10, true)) } else { Vec::new() },
        must: chance.percent(15),
        service_control: if own { levels(chance, false) } else { Vec::new() },
        resource_control: levels(chance, true),
        endpoint: chance.percent(10).then(|| limit(chance, true)),
        principal,
    }
}
