//! Code signing configurations: packages that nobody signed are refused, or counted.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::Client;

use crate::setup::{ROLE, cloud, create, eventually, invoke, package, python, python_runtime, stack, told};

crate::tests!(
    unsigned_packages_are_refused_where_signatures_are_enforced,
    unsigned_packages_are_counted_where_they_are_warned_of,
    signing_configurations_are_made_changed_listed_and_removed,
    templates_have_signing_configurations,
);

const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij";
const CODE: &str = "def handler(event, context):\n    return 1\n";

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("lambda", operation, input).await.ok()
}

async fn configuration(client: &Client, policy: Option<&str>) -> String {
    let mut input = json!({"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}});
    if let Some(policy) = policy {
        input["CodeSigningPolicies"] = json!({"UntrustedArtifactOnDeployment": policy});
    }
    let made = call(client, "CreateCodeSigningConfig", input).await;
    made["CodeSigningConfig"]["CodeSigningConfigArn"].as_str().unwrap().to_owned()
}

async fn unsigned_packages_are_refused_where_signatures_are_enforced() {
    let (_cloud, client) = cloud().await;
    let strict = configuration(&client, Some("Enforce")).await;
    let mut input = python("f", CODE);
    input["CodeSigningConfigArn"] = json!(strict);
    let refused = client.call("lambda", "CreateFunction", input.clone()).await;
    assert_eq!((refused.status, refused.code()), (400, "CodeVerificationFailedException"));
    assert!(told(&refused).starts_with("Lambda cannot deploy the function."), "{}", refused.json);
    assert_eq!(client.call("lambda", "GetFunction", json!({"FunctionName": "f"})).await.status, 404);
    // What nobody here can judge is not judged.
    let signed = package(&[("index.py", CODE, 0o644), ("META-INF/aws_signer_signature_v1.0.SF", "x", 0o644)]);
    input["Code"] = json!({"ZipFile": text::base64(&signed)});
    assert_eq!(client.call("lambda", "CreateFunction", input.clone()).await.status, 501);
    let missing = format!("{}0", strict.trim_end_matches(|last: char| last.is_ascii_hexdigit()));
    let missing = format!("{missing}{}", "0".repeat(16));
    input["CodeSigningConfigArn"] = json!(missing);
    let refused = client.call("lambda", "CreateFunction", input).await;
    assert_eq!((refused.status, refused.code()), (404, "CodeSigningConfigNotFoundException"));
    assert_eq!(
        told(&refused),
        format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {missing}."
        )
    );
    // What is there already stays, and what comes next is looked at: code and layers.
    create(&client, python("f", CODE)).await;
    let put = json!({"FunctionName": "f", "CodeSigningConfigArn": strict});
    assert_eq!(
        call(&client, "PutFunctionCodeSigningConfig", put).await,
        json!({"FunctionName": "f", "CodeSigningConfigArn": strict})
    );
    assert_eq!(invoke(&client, "f", json!({})).await, 1);
    let zip = text::base64(&package(&[("index.py", "def handler(e, c):\n    return 2\n", 0o644)]));
    let update = json!({"FunctionName": "f", "ZipFile": zip});
    let refused = client.call("lambda", "UpdateFunctionCode", update.clone()).await;
    assert_eq!(refused.code(), "CodeVerificationFailedException");
    let layer = call(&client, "PublishLayerVersion", json!({"LayerName": "l", "Content": {"ZipFile": zip}})).await["LayerVersionArn"].clone();
    let layers = json!({"FunctionName": "f", "Layers": [layer]});
    let refused = client.call("lambda", "UpdateFunctionConfiguration", layers).await;
    assert_eq!(refused.code(), "CodeVerificationFailedException");
    assert_eq!(invoke(&client, "f", json!({})).await, 1);
    let shown = call(&client, "GetFunctionCodeSigningConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(shown["CodeSigningConfigArn"], strict);
    let removed = client.call("lambda", "DeleteFunctionCodeSigningConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(removed.status, 204);
    let shown = call(&client, "GetFunctionCodeSigningConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(shown["CodeSigningConfigArn"], "");
    call(&client, "UpdateFunctionCode", update).await;
    assert_eq!(invoke(&client, "f", json!({})).await, 2);
}

async fn unsigned_packages_are_counted_where_they_are_warned_of() {
    let (cloud, client) = cloud().await;
    let mild = configuration(&client, None).await;
    let mut input = python("f", CODE);
    input["CodeSigningConfigArn"] = json!(mild);
    create(&client, input).await;
    assert_eq!(invoke(&client, "f", json!({})).await, 1);
    let now = cloud.kernel.clock().now();
    let input = json!({
        "Namespace": "AWS/Lambda", "MetricName": "SignatureValidationErrors", "Period": 3600, "Statistics": ["Sum"],
        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
        "StartTime": (now - Duration::from_secs(3_600)).to_string(), "EndTime": (now + Duration::from_secs(3_600)).to_string(),
    });
    let found = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
    assert_eq!(found["Datapoints"][0]["Sum"], 1.0);
    // Versions are published as ever.
    eventually("active", || async {
        call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await["State"] == "Active"
    })
    .await;
    assert_eq!(call(&client, "PublishVersion", json!({"FunctionName": "f"})).await["Version"], "1");
}

async fn signing_configurations_are_made_changed_listed_and_removed() {
    let (_cloud, client) = cloud().await;
    let input =
        json!({"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}, "Description": "d", "Tags": {"k": "v"}});
    let made = call(&client, "CreateCodeSigningConfig", input).await["CodeSigningConfig"].clone();
    let arn = made["CodeSigningConfigArn"].clone();
    assert_eq!(
        (&made["Description"], &made["CodeSigningPolicies"]),
        (&json!("d"), &json!({"UntrustedArtifactOnDeployment": "Warn"}))
    );
    let named = json!({"CodeSigningConfigArn": arn});
    assert_eq!(call(&client, "GetCodeSigningConfig", named.clone()).await["CodeSigningConfig"], made);
    assert_eq!(call(&client, "ListTags", json!({"Resource": arn})).await["Tags"], json!({"k": "v"}));
    call(&client, "TagResource", json!({"Resource": arn, "Tags": {"l": "w"}})).await;
    call(&client, "UntagResource", json!({"Resource": arn, "TagKeys": ["k"]})).await;
    assert_eq!(call(&client, "ListTags", json!({"Resource": arn})).await["Tags"], json!({"l": "w"}));
    let other = format!("{PROFILE}x");
    let input = json!({"CodeSigningConfigArn": arn, "Description": "e", "AllowedPublishers": {"SigningProfileVersionArns": [other]}, "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"}});
    let changed = call(&client, "UpdateCodeSigningConfig", input).await["CodeSigningConfig"].clone();
    assert_eq!(
        (&changed["Description"], &changed["AllowedPublishers"]["SigningProfileVersionArns"]),
        (&json!("e"), &json!([other]))
    );
    let kept = call(&client, "UpdateCodeSigningConfig", named.clone()).await["CodeSigningConfig"].clone();
    assert_eq!(
        (&kept["Description"], &kept["CodeSigningPolicies"]),
        (&json!("e"), &json!({"UntrustedArtifactOnDeployment": "Enforce"}))
    );
    configuration(&client, None).await;
    let first = call(&client, "ListCodeSigningConfigs", json!({"MaxItems": 1})).await;
    let rest = call(&client, "ListCodeSigningConfigs", json!({"MaxItems": 1, "Marker": first["NextMarker"]})).await;
    let both = [
        &first["CodeSigningConfigs"][0]["CodeSigningConfigArn"],
        &rest["CodeSigningConfigs"][0]["CodeSigningConfigArn"],
    ];
    assert!(both.contains(&&arn) && both[0] != both[1], "{both:?}");
    for name in ["f", "g"] {
        create(&client, python(name, CODE)).await;
        call(&client, "PutFunctionCodeSigningConfig", json!({"FunctionName": name, "CodeSigningConfigArn": arn})).await;
    }
    let mut input = named.clone();
    input["MaxItems"] = json!(1);
    let page = call(&client, "ListFunctionsByCodeSigningConfig", input.clone()).await;
    assert_eq!(page["FunctionArns"], json!(["arn:aws:lambda:us-east-1:000000000000:function:f"]));
    input["Marker"] = page["NextMarker"].clone();
    let page = call(&client, "ListFunctionsByCodeSigningConfig", input.clone()).await;
    assert_eq!(page["FunctionArns"], json!(["arn:aws:lambda:us-east-1:000000000000:function:g"]));
    let used = client.call("lambda", "DeleteCodeSigningConfig", named.clone()).await;
    assert_eq!((used.status, used.code()), (409, "ResourceConflictException"));
    for name in ["f", "g"] {
        call(&client, "DeleteFunction", json!({"FunctionName": name})).await;
    }
    assert_eq!(client.call("lambda", "DeleteCodeSigningConfig", named.clone()).await.status, 204);
    let gone = format!("The Lambda code signing configuration {} can not be found.", arn.as_str().unwrap());
    for operation in [
        "GetCodeSigningConfig",
        "UpdateCodeSigningConfig",
        "DeleteCodeSigningConfig",
        "ListFunctionsByCodeSigningConfig",
    ] {
        let answer = client.call("lambda", operation, named.clone()).await;
        assert_eq!(
            (answer.status, answer.code(), told(&answer)),
            (404, "ResourceNotFoundException", gone.clone()),
            "{operation}"
        );
    }
    create(&client, python("f", CODE)).await;
    let put = json!({"FunctionName": "f", "CodeSigningConfigArn": arn});
    assert_eq!(
        client.call("lambda", "PutFunctionCodeSigningConfig", put).await.code(),
        "CodeSigningConfigNotFoundException"
    );
    for (operation, input) in [
        ("GetFunctionCodeSigningConfig", json!({"FunctionName": "none"})),
        ("DeleteFunctionCodeSigningConfig", json!({"FunctionName": "none"})),
    ] {
        assert_eq!(client.call("lambda", operation, input).await.code(), "ResourceNotFoundException");
    }
    let other = configuration(&client, None).await;
    let put = json!({"FunctionName": "none", "CodeSigningConfigArn": other});
    assert_eq!(client.call("lambda", "PutFunctionCodeSigningConfig", put).await.code(), "ResourceNotFoundException");
    let bad = client.call("lambda", "ListCodeSigningConfigs", json!({"Marker": "x"})).await;
    assert_eq!(told(&bad), "Invalid Marker");
    let bad = client
        .call("lambda", "ListFunctionsByCodeSigningConfig", json!({"CodeSigningConfigArn": other, "Marker": "x"}))
        .await;
    assert_eq!(told(&bad), "Invalid Marker");
    let many: serde_json::Map<String, Json> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    let input = json!({"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}, "Tags": many});
    assert_eq!(client.call("lambda", "CreateCodeSigningConfig", input).await.code(), "InvalidParameterValueException");
}

async fn templates_have_signing_configurations() {
    let (_cloud, client) = cloud().await;
    let config = |policy: &str| {
        json!({"Type": "AWS::Lambda::CodeSigningConfig", "Properties": {
        "AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}, "Description": "d",
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy}, "Tags": [{"Key": "k", "Value": "v"}]}})
    };
    let function = |timeout: i32| {
        json!({"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": "f", "Runtime": python_runtime(), "Role": ROLE, "Handler": "index.handler", "Timeout": timeout,
        "Code": {"ZipFile": CODE}, "CodeSigningConfigArn": {"Ref": "C"}}})
    };
    stack(&client, "CreateStack", &json!({"Resources": {"C": config("Warn"), "F": function(3)}}), "CREATE_COMPLETE")
        .await;
    let arn = call(&client, "GetFunctionCodeSigningConfig", json!({"FunctionName": "f"})).await["CodeSigningConfigArn"]
        .clone();
    let shown = call(&client, "GetCodeSigningConfig", json!({"CodeSigningConfigArn": arn})).await;
    assert_eq!(shown["CodeSigningConfig"]["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Warn");
    assert_eq!(call(&client, "ListTags", json!({"Resource": arn})).await["Tags"]["k"], "v");
    let mut changed = function(5);
    changed["Properties"].as_object_mut().unwrap().remove("CodeSigningConfigArn");
    stack(&client, "UpdateStack", &json!({"Resources": {"C": config("Enforce"), "F": changed}}), "UPDATE_COMPLETE")
        .await;
    let shown = call(&client, "GetCodeSigningConfig", json!({"CodeSigningConfigArn": arn})).await;
    assert_eq!(shown["CodeSigningConfig"]["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Enforce");
    let none = call(&client, "GetFunctionCodeSigningConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(none["CodeSigningConfigArn"], "");
    stack(
        &client,
        "UpdateStack",
        &json!({"Resources": {"F": function(6)["Properties"].as_object().map(|properties| {
            let mut properties = properties.clone();
            properties.remove("CodeSigningConfigArn");
            json!({"Type": "AWS::Lambda::Function", "Properties": properties})
        })}}),
        "UPDATE_COMPLETE",
    )
    .await;
    assert_eq!(client.call("lambda", "GetCodeSigningConfig", json!({"CodeSigningConfigArn": arn})).await.status, 404);
}
