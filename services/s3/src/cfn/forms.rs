//! The forms of the properties of a bucket, and their names in S3.
//!
//! Source: "AWS::S3::Bucket" in the template reference.

use serde_json::{Map, Value as Json, json};

use super::form::{Form, Member, member, required};

pub(super) static TAG: [Member; 2] = [required("Key", Form::Text), required("Value", Form::Text)];

/// `{"Status": …}`, of which S3 has many.
static STATUS: [Member; 1] = [required("Status", Form::Text)];

pub(super) static ACCELERATE: Form = Form::Structure(&[required("AccelerationStatus", Form::Text).called("Status")]);

/// `PublicReadWrite` is what S3 calls `public-read-write`.
pub(super) static CANNED: Form = Form::Shaped(&Form::Text, |name, _| {
    let mut out = String::new();
    for letter in name.as_str().unwrap_or_default().chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    Ok(out.into())
});

pub(super) static ABAC: Form = Form::Shaped(&Form::Text, |status, _| Ok(json!({"Status": status})));

pub(super) static ENCRYPTION: Form =
    Form::Structure(&[required("ServerSideEncryptionConfiguration", Form::List(&ENCRYPTION_RULE)).called("Rules")]);

static ENCRYPTION_RULE: Form = Form::Structure(&[
    member("BucketKeyEnabled", Form::Flag),
    member(
        "ServerSideEncryptionByDefault",
        Form::Structure(&[required("SSEAlgorithm", Form::Text), member("KMSMasterKeyID", Form::Text)]),
    )
    .called("ApplyServerSideEncryptionByDefault"),
    member("BlockedEncryptionTypes", Form::Structure(&[member("EncryptionType", Form::List(&Form::Text))])),
]);

pub(super) static CORS: Form = Form::Structure(&[required("CorsRules", Form::List(&CORS_RULE)).called("CORSRules")]);

static CORS_RULE: Form = Form::Structure(&[
    member("AllowedHeaders", Form::List(&Form::Text)),
    required("AllowedMethods", Form::List(&Form::Text)),
    required("AllowedOrigins", Form::List(&Form::Text)),
    member("ExposedHeaders", Form::List(&Form::Text)).called("ExposeHeaders"),
    member("Id", Form::Text).called("ID"),
    member("MaxAge", Form::Number).called("MaxAgeSeconds"),
]);

pub(super) static INVENTORIES: Form = Form::List(&INVENTORY);

static INVENTORY: Form = Form::Shaped(
    &Form::Structure(&[
        required(
            "Destination",
            Form::Structure(&[
                member("BucketAccountId", Form::Text).called("AccountId"),
                required("BucketArn", Form::Text).called("Bucket"),
                required("Format", Form::Text),
                member("Prefix", Form::Text),
            ]),
        ),
        required("Enabled", Form::Flag).called("IsEnabled"),
        required("Id", Form::Text),
        required("IncludedObjectVersions", Form::Text),
        member("OptionalFields", Form::List(&Form::Text)),
        member("Prefix", Form::Text),
        required("ScheduleFrequency", Form::Text),
    ]),
    |given, _| {
        let Json::Object(mut inventory) = given else { return Ok(given) };
        // S3 has more than CloudFormation knows of, so these stand one level deeper.
        for (theirs, ours, deeper) in [
            ("Destination", "Destination", "S3BucketDestination"),
            ("ScheduleFrequency", "Schedule", "Frequency"),
            ("Prefix", "Filter", "Prefix"),
        ] {
            if let Some(value) = inventory.remove(theirs) {
                inventory.insert(ours.to_owned(), under(deeper, value));
            }
        }
        Ok(Json::Object(inventory))
    },
);

fn under(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// What a template names one beside the other, as one filter of S3's.
fn filtered(mut given: Json) -> Json {
    let Some(members) = given.as_object_mut() else { return given };
    let tags = members.remove("TagFilters");
    let mut tags = tags.as_ref().and_then(Json::as_array).cloned().unwrap_or_else(Vec::new);
    let others = ["Prefix", "AccessPointArn"].into_iter();
    let mut parts = Map::from_iter(others.filter_map(|name| members.remove_entry(name)));
    let filter = match (parts.len(), tags.len()) {
        (0, 0) => return given,
        (0, 1) => json!({"Tag": tags.pop()}),
        (1, 0) => Json::Object(parts),
        (_, count) => {
            if count > 0 {
                parts.insert("Tags".to_owned(), tags.into());
            }
            json!({"And": parts})
        }
    };
    members.insert("Filter".to_owned(), filter);
    given
}

pub(super) static METRICS: Form = Form::List(&MEASURED);

static MEASURED: Form = Form::Shaped(
    &Form::Structure(&[
        member("AccessPointArn", Form::Text),
        required("Id", Form::Text),
        member("Prefix", Form::Text),
        member("TagFilters", Form::List(&Form::Structure(&TAG))),
    ]),
    |given, _| Ok(filtered(given)),
);

pub(super) static TIERINGS: Form = Form::List(&TIERING);

static TIERING: Form = Form::Shaped(
    &Form::Structure(&[
        required("Id", Form::Text),
        member("Prefix", Form::Text),
        required("Status", Form::Text),
        member("TagFilters", Form::List(&Form::Structure(&TAG))),
        required(
            "Tierings",
            Form::List(&Form::Structure(&[required("AccessTier", Form::Text), required("Days", Form::Number)])),
        ),
    ]),
    |given, _| Ok(filtered(given)),
);

pub(super) static ANALYSES: Form = Form::List(&ANALYSIS);

static ANALYSIS: Form = Form::Shaped(
    &Form::Structure(&[
        required("Id", Form::Text),
        member("Prefix", Form::Text),
        required("StorageClassAnalysis", Form::Structure(&[member("DataExport", EXPORT)])),
        member("TagFilters", Form::List(&Form::Structure(&TAG))),
    ]),
    |given, _| Ok(filtered(given)),
);

const EXPORT: Form = Form::Structure(&EXPORTED);

static EXPORTED: [Member; 2] = [
    required(
        "Destination",
        Form::Shaped(
            &Form::Structure(&[
                member("BucketAccountId", Form::Text),
                required("BucketArn", Form::Text).called("Bucket"),
                required("Format", Form::Text),
                member("Prefix", Form::Text),
            ]),
            |destination, _| Ok(under("S3BucketDestination", destination)),
        ),
    ),
    required("OutputSchemaVersion", Form::Text),
];

pub(super) static LOGGING: Form = Form::Structure(&[
    member("DestinationBucketName", Form::Text).called("TargetBucket"),
    member("LogFilePrefix", Form::Text).called("TargetPrefix"),
    member(
        "TargetObjectKeyFormat",
        Form::Structure(&[
            member("SimplePrefix", Form::Mark),
            member("PartitionedPrefix", Form::Structure(&[member("PartitionDateSource", Form::Text)])),
        ]),
    ),
]);

pub(super) static NOTIFICATION: Form = Form::Shaped(
    &Form::Structure(&[
        member("EventBridgeConfiguration", Form::Structure(&[required("EventBridgeEnabled", Form::Flag)])),
        member(
            "LambdaConfigurations",
            Form::List(&Form::Structure(&[
                required("Event", EVENTS).called("Events"),
                member("Filter", KEYS),
                required("Function", Form::Text).called("LambdaFunctionArn"),
            ])),
        )
        .called("LambdaFunctionConfigurations"),
        member(
            "QueueConfigurations",
            Form::List(&Form::Structure(&[
                required("Event", EVENTS).called("Events"),
                member("Filter", KEYS),
                required("Queue", Form::Text).called("QueueArn"),
            ])),
        ),
        member(
            "TopicConfigurations",
            Form::List(&Form::Structure(&[
                required("Event", EVENTS).called("Events"),
                member("Filter", KEYS),
                required("Topic", Form::Text).called("TopicArn"),
            ])),
        ),
    ]),
    |mut given, _| {
        if let Some(given) = given.as_object_mut()
            && let Some(bridge) = given.remove("EventBridgeConfiguration")
            && bridge.get("EventBridgeEnabled") == Some(&json!(true))
        {
            given.insert("EventBridgeConfiguration".to_owned(), json!({}));
        }
        Ok(given)
    },
);

/// CloudFormation has one event a configuration, S3 a list.
const EVENTS: Form = Form::Shaped(&Form::Text, |event, _| Ok(json!([event])));

const KEYS: Form = Form::Structure(&KEY);

static KEY: [Member; 1] = [required("S3Key", Form::Structure(&FILTER_RULES)).called("Key")];

static FILTER_RULES: [Member; 1] = [required("Rules", Form::List(&FILTER_RULE)).called("FilterRules")];

static FILTER_RULE: Form = Form::Structure(&[
    required("Name", Form::Shaped(&Form::Text, |name, _| Ok(name.as_str().unwrap_or_default().to_lowercase().into()))),
    required("Value", Form::Text),
]);

pub(super) static LOCK: Form = Form::Structure(&[
    member("ObjectLockEnabled", Form::Text),
    member(
        "Rule",
        Form::Structure(&[member(
            "DefaultRetention",
            Form::Structure(&[
                member("Days", Form::Number),
                member("Mode", Form::Text),
                member("Years", Form::Number),
                member(
                    "DefaultEventHold",
                    Form::Structure(&[member("Days", Form::Number), member("Years", Form::Number)]),
                ),
            ]),
        )]),
    ),
]);

pub(super) static OWNERSHIP: Form =
    Form::Structure(&[required("Rules", Form::List(&Form::Structure(&[member("ObjectOwnership", Form::Text)])))]);

pub(crate) static BLOCK: Form = Form::Structure(&[
    member("BlockPublicAcls", Form::Flag),
    member("BlockPublicPolicy", Form::Flag),
    member("IgnorePublicAcls", Form::Flag),
    member("RestrictPublicBuckets", Form::Flag),
]);

/// Of an access point.
pub(crate) static VPC: Form = Form::Structure(&[member("VpcId", Form::Text)]);

/// Of a multi-region access point.
pub(crate) static REGIONS: Form =
    Form::List(&Form::Structure(&[required("Bucket", Form::Text), member("BucketAccountId", Form::Text)]));

pub(super) static REPLICATION: Form =
    Form::Structure(&[required("Role", Form::Text), required("Rules", Form::List(&REPLICATION_RULE))]);

static REPLICATION_RULE: Form = Form::Structure(&[
    member("DeleteMarkerReplication", Form::Structure(&[member("Status", Form::Text)])),
    required("Destination", Form::Structure(&REPLICA)),
    member(
        "Filter",
        Form::Structure(&[
            member(
                "And",
                Form::Structure(&[
                    member("Prefix", Form::Text),
                    member("TagFilters", Form::List(&Form::Structure(&TAG))).called("Tags"),
                ]),
            ),
            member("Prefix", Form::Text),
            member("TagFilter", Form::Structure(&TAG)).called("Tag"),
        ]),
    ),
    member("Id", Form::Text).called("ID"),
    member("Prefix", Form::Text),
    member("Priority", Form::Number),
    member(
        "SourceSelectionCriteria",
        Form::Structure(&[
            member("ReplicaModifications", Form::Structure(&STATUS)),
            member("SseKmsEncryptedObjects", Form::Structure(&STATUS)),
        ]),
    ),
    required("Status", Form::Text),
]);

static MINUTES: [Member; 1] = [required("Minutes", Form::Number)];

static REPLICA: [Member; 7] = [
    member("AccessControlTranslation", Form::Structure(&[required("Owner", Form::Text)])),
    member("Account", Form::Text),
    required("Bucket", Form::Text),
    member("EncryptionConfiguration", Form::Structure(&[required("ReplicaKmsKeyID", Form::Text)])),
    member(
        "Metrics",
        Form::Structure(&[member("EventThreshold", Form::Structure(&MINUTES)), required("Status", Form::Text)]),
    ),
    member(
        "ReplicationTime",
        Form::Structure(&[required("Status", Form::Text), required("Time", Form::Structure(&MINUTES))]),
    ),
    member("StorageClass", Form::Text),
];

pub(super) static VERSIONING: Form = Form::Structure(&STATUS);

pub(super) static WEBSITE: Form = Form::Structure(&[
    member("ErrorDocument", Form::Shaped(&Form::Text, |key, _| Ok(under("Key", key)))),
    member("IndexDocument", Form::Shaped(&Form::Text, |suffix, _| Ok(under("Suffix", suffix)))),
    member(
        "RedirectAllRequestsTo",
        Form::Structure(&[required("HostName", Form::Text), member("Protocol", Form::Text)]),
    ),
    member("RoutingRules", Form::List(&ROUTING_RULE)),
]);

static ROUTING_RULE: Form = Form::Structure(&[
    required(
        "RedirectRule",
        Form::Structure(&[
            member("HostName", Form::Text),
            member("HttpRedirectCode", Form::Text),
            member("Protocol", Form::Text),
            member("ReplaceKeyPrefixWith", Form::Text),
            member("ReplaceKeyWith", Form::Text),
        ]),
    )
    .called("Redirect"),
    member(
        "RoutingRuleCondition",
        Form::Structure(&[member("HttpErrorCodeReturnedEquals", Form::Text), member("KeyPrefixEquals", Form::Text)]),
    )
    .called("Condition"),
]);
