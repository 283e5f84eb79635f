//! Whoever hands a role over to a service must be allowed to: in every operation of every service, wherever the role stands.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_kernel::store::{Blobs, Database, Memory};
use undercast_kernel::wire::schema::{Operation, Shape, Structure};
use undercast_kernel::{AuthMode, Cx, IamMode, Kernel, Random, Service, Settings};

const ROLE: &str = "arn:aws:iam::000000000000:role/handed-over";

/// Roles that are named and not handed over, each for its reason.
const NAMED: &[(&str, &str)] = &[
    // They are assumed by the caller.
    ("sts", "AssumeRole"),
    ("sts", "AssumeRoleWithSAML"),
    ("sts", "AssumeRoleWithWebIdentity"),
    // "Application Auto Scaling creates a service-linked role": it takes heed of no other, here as there.
    ("application-autoscaling", "RegisterScalableTarget"),
    ("dynamodb", "UpdateGlobalTableSettings"),
    ("dynamodb", "UpdateTableReplicaAutoScaling"),
];

/// Where a role stands in an input: the members on the way to it.
fn places(of: &'static Structure, way: &[&'static str], found: &mut Vec<Vec<&'static str>>) {
    if way.len() > 6 {
        return;
    }
    for member in of.members {
        let way = [way, &[member.name]].concat();
        match member.shape {
            Shape::Structure(inner) => places(inner, &way, found),
            Shape::List(list) => {
                if let Shape::Structure(inner) = list.item {
                    places(inner, &way, found);
                }
            }
            Shape::String(_) if is_role(member.name) => found.push(way),
            _ => {}
        }
    }
}

fn is_role(name: &str) -> bool {
    name == "Role" || name.to_lowercase().ends_with("rolearn")
}

/// An input with nothing but the role in its place.
fn input(of: &'static Structure, way: &[&'static str]) -> Json {
    let [first, rest @ ..] = way else { return json!(ROLE) };
    let member = of.members.iter().find(|member| member.name == *first).unwrap();
    let inside = match member.shape {
        Shape::Structure(inner) => input(inner, rest),
        Shape::List(list) => match list.item {
            Shape::Structure(inner) => json!([input(inner, rest)]),
            _ => panic!("no role stands there"),
        },
        _ => json!(ROLE),
    };
    json!({*first: inside})
}

/// Whether the role is handed over by those alone who may; `None`: what it is a part of is refused anyway.
fn passes(cx: &Cx, service: &Arc<dyn Service>, operation: &'static Operation, way: &[&'static str]) -> Option<bool> {
    let mut given = input(operation.input, way);
    // What names the thing that the call is about.
    for member in operation.input.members.iter().filter(|m| m.required && matches!(m.shape, Shape::String(_))) {
        if given[member.name].is_null() {
            given[member.name] = json!("some-name");
        }
    }
    let decoded = undercast_kernel::json::decode(given, operation.input).unwrap();
    if undercast_kernel::wire::check::refused(&decoded.input).is_some() {
        return None;
    }
    let needed = service.access(cx, operation, &decoded.input);
    let needed = needed.unwrap_or_else(|failure| panic!("{}.{}: {failure}", service.api().name, operation.name));
    Some(needed.iter().any(|access| access.action == "iam:PassRole" && access.resource == ROLE))
}

#[tokio::test]
async fn a_role_is_handed_over_by_those_who_may() {
    let folder = std::env::temp_dir().join(format!("undercast-passing-{}", std::process::id()));
    let settings = Settings {
        iam: IamMode::Enforce,
        auth: AuthMode::Open,
        strict: false,
        host: "localhost:4566".to_owned(),
        data: None,
        files: folder.clone(),
    };
    let database = Database::new(Arc::new(Memory::new())).unwrap();
    let blobs = Blobs::open(&folder.join("blobs"), false).unwrap();
    let services = crate::cloud::services();
    let kernel = Kernel::new(settings, database, blobs, Random::default(), services).unwrap();
    let cx = kernel.cx_for("000000000000", "us-east-1");
    cx.call("s3", "CreateBucket", json!({"Bucket": "some-name"})).await.unwrap();
    let mut seen = 0;
    for service in kernel.services() {
        for operation in service.api().operations {
            let mut found = Vec::new();
            places(operation.input, &[], &mut found);
            for way in found {
                let named = NAMED.contains(&(service.api().name, operation.name));
                let place = format!("{}.{}: {}", service.api().name, operation.name, way.join("."));
                let Some(passed) = passes(&cx, service, operation, &way) else { continue };
                assert_eq!(passed, !named, "{place}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 39, "{seen}");
    std::fs::remove_dir_all(folder).unwrap();
}
