//! Which calls bring a bucket from one set of properties to another, and in which order.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use undercast_kernel::Result;
use undercast_kernel::resources::{Properties, text};

use super::form::{Form, invalid};
use super::forms;
use super::lifecycle::LIFECYCLE;

/// A call of S3.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) input: Json,
}

/// A property that one call sets, and how it goes back to what new buckets have.
struct Setting {
    property: &'static str,
    form: &'static Form,
    /// The operation, and the member of its input that has the value.
    put: (&'static str, &'static str),
    back: Back,
}

enum Back {
    /// By an operation that deletes it.
    Delete(&'static str),
    /// By the one that sets it, to this.
    Put(fn() -> Json),
}

const fn setting(
    property: &'static str,
    form: &'static Form,
    operation: &'static str,
    member: &'static str,
    back: Back,
) -> Setting {
    Setting { property, form, put: (operation, member), back }
}

/// In the order in which they are set: public ACLs need a door that is open and an owner that lets them count, Object Lock
/// and replication need versions. They go back in the opposite order.
#[rustfmt::skip]
static SETTINGS: [Setting; 14] = [
    setting("PublicAccessBlockConfiguration", &forms::BLOCK, "PutPublicAccessBlock", "PublicAccessBlockConfiguration", Back::Put(all_blocked)),
    setting("OwnershipControls", &forms::OWNERSHIP, "PutBucketOwnershipControls", "OwnershipControls", Back::Put(owner_enforced)),
    setting("AccessControl", &forms::CANNED, "PutBucketAcl", "ACL", Back::Put(|| json!("private"))),
    setting("BucketEncryption", &forms::ENCRYPTION, "PutBucketEncryption", "ServerSideEncryptionConfiguration", Back::Delete("DeleteBucketEncryption")),
    setting("VersioningConfiguration", &forms::VERSIONING, "PutBucketVersioning", "VersioningConfiguration", Back::Put(suspended)),
    // Object Lock stays once it is on; its default retention goes.
    setting("ObjectLockConfiguration", &forms::LOCK, "PutObjectLockConfiguration", "ObjectLockConfiguration", Back::Put(|| json!({"ObjectLockEnabled": "Enabled"}))),
    setting("AccelerateConfiguration", &forms::ACCELERATE, "PutBucketAccelerateConfiguration", "AccelerateConfiguration", Back::Put(suspended)),
    setting("CorsConfiguration", &forms::CORS, "PutBucketCors", "CORSConfiguration", Back::Delete("DeleteBucketCors")),
    setting("LifecycleConfiguration", &LIFECYCLE, "PutBucketLifecycleConfiguration", "LifecycleConfiguration", Back::Delete("DeleteBucketLifecycle")),
    setting("LoggingConfiguration", &forms::LOGGING, "PutBucketLogging", "BucketLoggingStatus", Back::Put(|| json!({}))),
    setting("WebsiteConfiguration", &forms::WEBSITE, "PutBucketWebsite", "WebsiteConfiguration", Back::Delete("DeleteBucketWebsite")),
    setting("ReplicationConfiguration", &forms::REPLICATION, "PutBucketReplication", "ReplicationConfiguration", Back::Delete("DeleteBucketReplication")),
    setting("NotificationConfiguration", &forms::NOTIFICATION, "PutBucketNotificationConfiguration", "NotificationConfiguration", Back::Put(|| json!({}))),
    setting("AbacStatus", &forms::ABAC, "PutBucketAbac", "AbacStatus", Back::Put(|| json!({"Status": "Disabled"}))),
];

fn all_blocked() -> Json {
    json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true})
}

fn owner_enforced() -> Json {
    json!({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
}

fn suspended() -> Json {
    json!({"Status": "Suspended"})
}

/// A property that says something. The ACL that every bucket has says nothing.
fn said<'a>(properties: &'a Properties, name: &str) -> Option<&'a Json> {
    properties.get(name).filter(|value| !value.is_null() && (name != "AccessControl" || *value != "Private"))
}

/// Whether a bucket with these properties has Object Lock, and so keeps versions whatever is said of them.
fn locks(properties: &Properties) -> bool {
    let enabled = said(properties, "ObjectLockEnabled").is_some_and(|on| text(on).eq_ignore_ascii_case("true"));
    enabled || said(properties, "ObjectLockConfiguration").is_some()
}

/// The calls that bring a bucket from `before` to `after`, for what is another in the two.
///
/// # Errors
/// `ValidationError` where a property has not the form that it should have.
pub(super) fn calls(bucket: &str, before: &Properties, after: &Properties) -> Result<Vec<Call>> {
    let (mut set, mut back) = (Vec::new(), Vec::new());
    for setting in &SETTINGS {
        match (said(before, setting.property), said(after, setting.property)) {
            (was, now) if was == now => {}
            (_, Some(now)) => set.push(setting.put(bucket, setting.form.read(now, setting.property)?)),
            (_, None) if setting.property == "VersioningConfiguration" && (locks(before) || locks(after)) => {}
            (_, None) => back.push(setting.back(bucket)),
        }
    }
    back.reverse();
    let (mut calls, mut several) = (Vec::new(), Vec::new());
    for kind in &SEVERAL {
        let (mut gone, mut new) = kind.calls(bucket, before, after)?;
        calls.append(&mut gone);
        several.append(&mut new);
    }
    calls.append(&mut back);
    calls.append(&mut set);
    calls.append(&mut several);
    Ok(calls)
}

impl Setting {
    fn put(&self, bucket: &str, mut value: Json) -> Call {
        let (operation, member) = self.put;
        let mut input = Map::from_iter([("Bucket".to_owned(), bucket.into())]);
        match (self.property, value.as_object_mut()) {
            // A header of its own in S3.
            ("LifecycleConfiguration", Some(lifecycle)) => {
                let minimum = lifecycle.remove_entry("TransitionDefaultMinimumObjectSize");
                input.extend(minimum);
            }
            // Without another bucket the logs of a bucket are kept in itself.
            ("LoggingConfiguration", Some(logging)) => {
                logging.entry("TargetBucket").or_insert_with(|| bucket.into());
                logging.entry("TargetPrefix").or_insert_with(|| "".into());
                value = json!({"LoggingEnabled": value});
            }
            _ => {}
        }
        input.insert(member.to_owned(), value);
        Call { operation, input: Json::Object(input) }
    }

    fn back(&self, bucket: &str) -> Call {
        match &self.back {
            Back::Delete(operation) => Call { operation, input: json!({"Bucket": bucket}) },
            Back::Put(value) => {
                let (operation, member) = self.put;
                Call { operation, input: json!({"Bucket": bucket, member: value()}) }
            }
        }
    }
}

/// A property of which a bucket has several, each under an id.
struct Several {
    property: &'static str,
    form: &'static Form,
    put: &'static str,
    delete: &'static str,
    /// The member of the input of `put` that has the value.
    member: &'static str,
}

static SEVERAL: [Several; 4] = [
    Several {
        property: "AnalyticsConfigurations",
        form: &forms::ANALYSES,
        put: "PutBucketAnalyticsConfiguration",
        delete: "DeleteBucketAnalyticsConfiguration",
        member: "AnalyticsConfiguration",
    },
    Several {
        property: "IntelligentTieringConfigurations",
        form: &forms::TIERINGS,
        put: "PutBucketIntelligentTieringConfiguration",
        delete: "DeleteBucketIntelligentTieringConfiguration",
        member: "IntelligentTieringConfiguration",
    },
    Several {
        property: "InventoryConfigurations",
        form: &forms::INVENTORIES,
        put: "PutBucketInventoryConfiguration",
        delete: "DeleteBucketInventoryConfiguration",
        member: "InventoryConfiguration",
    },
    Several {
        property: "MetricsConfigurations",
        form: &forms::METRICS,
        put: "PutBucketMetricsConfiguration",
        delete: "DeleteBucketMetricsConfiguration",
        member: "MetricsConfiguration",
    },
];

impl Several {
    /// The calls that delete some of them, and those that set some.
    fn calls(&self, bucket: &str, before: &Properties, after: &Properties) -> Result<(Vec<Call>, Vec<Call>)> {
        let (before, mut after) = (self.by_id(before)?, self.by_id(after)?);
        let gone = before.keys().filter(|id| !after.contains_key(*id));
        let gone = gone.map(|id| Call { operation: self.delete, input: json!({"Bucket": bucket, "Id": id}) }).collect();
        after.retain(|id, one| before.get(id) != Some(one));
        let put =
            |(id, one)| Call { operation: self.put, input: json!({"Bucket": bucket, "Id": id, self.member: one}) };
        Ok((gone, after.into_iter().map(put).collect()))
    }

    fn by_id(&self, properties: &Properties) -> Result<BTreeMap<String, Json>> {
        let Some(given) = said(properties, self.property) else { return Ok(BTreeMap::new()) };
        let mut found = BTreeMap::new();
        for one in self.form.read(given, self.property)?.as_array().into_iter().flatten() {
            let id = one.get("Id").map_or_else(String::new, text);
            if found.insert(id, one.clone()).is_some() {
                return Err(invalid(self.property, "array items are not unique"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use undercast_kernel::resources::ResourceType as _;

    use super::*;

    /// Properties that a call of their own does not set, and those that are not built.
    const OTHERS: [&str; 5] = ["BucketName", "BucketNamePrefix", "BucketNamespace", "ObjectLockEnabled", "Tags"];
    const UNBUILT: [&str; 2] = ["MetadataConfiguration", "MetadataTableConfiguration"];

    #[test]
    fn every_property_of_the_type_is_known_with_all_that_is_in_it() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/cloudformation/s3.json");
        let model: Json = serde_json::from_str(&std::fs::read_to_string(model).unwrap_or_else(|e| panic!("{e}")))
            .unwrap_or_else(|e| panic!("{e}"));
        let properties = model["types"]["AWS::S3::Bucket"]["properties"].as_object();
        let mut wrong = Vec::new();
        for (name, facts) in properties.into_iter().flatten() {
            let one = SETTINGS.iter().find(|s| s.property == name).map(|s| s.form);
            let form = one.or_else(|| SEVERAL.iter().find(|s| s.property == name).map(|s| s.form));
            let known = super::super::Bucket.properties().contains(&name.as_str());
            assert_eq!(known, !UNBUILT.contains(&name.as_str()), "{name}");
            let replaces = super::super::Bucket.create_only().contains(&name.as_str());
            assert_eq!(replaces, known && facts["causesReplacement"] == "yes", "{name}");
            match form {
                Some(form) => form.unlike(&facts["type"], &model["shapes"], name, &mut wrong),
                None if OTHERS.contains(&name.as_str()) || UNBUILT.contains(&name.as_str()) => {}
                None => wrong.push(format!("{name}: no form")),
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    fn names(before: &Json, after: &Json) -> Vec<&'static str> {
        let object = |of: &Json| of.as_object().cloned().unwrap_or_default();
        let calls = calls("b", &object(before), &object(after)).unwrap_or_else(|e| panic!("{e}"));
        calls.into_iter().map(|call| call.operation).collect()
    }

    #[test]
    fn what_needs_another_comes_behind_it_and_goes_before_it() {
        let all = json!({
            "AccessControl": "PublicRead", "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
            "PublicAccessBlockConfiguration": {}, "VersioningConfiguration": {"Status": "Enabled"},
            "ReplicationConfiguration": {"Role": "r", "Rules": []},
        });
        let up = names(&json!({}), &all);
        assert_eq!(
            up,
            [
                "PutPublicAccessBlock",
                "PutBucketOwnershipControls",
                "PutBucketAcl",
                "PutBucketVersioning",
                "PutBucketReplication"
            ]
        );
        let down = names(&all, &json!({"AccessControl": "Private"}));
        assert_eq!(
            down,
            [
                "DeleteBucketReplication",
                "PutBucketVersioning",
                "PutBucketAcl",
                "PutBucketOwnershipControls",
                "PutPublicAccessBlock"
            ]
        );
        assert_eq!(names(&all, &all), [""; 0]);
    }

    #[test]
    fn a_bucket_with_object_lock_keeps_its_versions() {
        let both = json!({"ObjectLockEnabled": "true", "VersioningConfiguration": {"Status": "Enabled"}});
        assert_eq!(names(&both, &json!({"ObjectLockEnabled": "true"})), [""; 0]);
    }
}
