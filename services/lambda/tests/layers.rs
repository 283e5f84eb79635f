//! Layers: published, attached, seen by functions under `/opt`.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Credentials};

use crate::setup::{
    cloud, create, eventually, invoke, node, package, python, python_runtime, request, role, stack, told,
};

crate::tests!(
    a_function_sees_its_layers_in_their_order,
    runtimes_look_for_modules_and_programs_in_layers,
    layers_are_published_shown_listed_and_removed,
    other_accounts_use_a_layer_that_lets_them,
    templates_have_layers,
    wrong_layers_are_refused,
);

const LAYER: &str = "arn:aws:lambda:us-east-1:000000000000:layer:";

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("lambda", operation, input).await.ok()
}

async fn publish(client: &Client, name: &str, files: &[(&str, &str, u32)]) -> String {
    let input = json!({"LayerName": name, "Content": {"ZipFile": text::base64(&package(files))}});
    call(client, "PublishLayerVersion", input).await["LayerVersionArn"].as_str().unwrap().to_owned()
}

async fn a_function_sees_its_layers_in_their_order() {
    let (_cloud, client) = cloud().await;
    let first =
        publish(&client, "first", &[("a", "1", 0o644), ("b", "1", 0o644), ("dir/x", "1", 0o644), ("file", "1", 0o644)])
            .await;
    let second = publish(&client, "second", &[("b", "2", 0o644), ("dir", "2", 0o644), ("file/y", "2", 0o644)]).await;
    let code = "import os\ndef handler(e, c):\n    read = lambda p: open('/opt/' + p).read() if os.path.isfile('/opt/' + p) else None\n    try:\n        open('/opt/new', 'w')\n        wrote = True\n    except OSError:\n        wrote = False\n    return [read(p) for p in ('a', 'b', 'dir', 'file/y')] + [wrote]\n";
    let mut input = python("f", code);
    input["Layers"] = json!([first, second]);
    let made = create(&client, input).await;
    assert_eq!(made["Layers"][0]["Arn"], first);
    assert!(made["Layers"][1]["CodeSize"].as_i64().unwrap() > 100, "{made}");
    assert_eq!(invoke(&client, "f", json!({})).await, json!(["1", "2", "2", "2", false]));
    // The other way round the other one hides what the first has.
    let input = json!({"FunctionName": "f", "Layers": [second, first]});
    call(&client, "UpdateFunctionConfiguration", input).await;
    assert_eq!(invoke(&client, "f", json!({})).await, json!(["1", "1", null, null, false]));
    eventually("active", || async {
        call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await["State"] == "Active"
    })
    .await;
    call(&client, "PublishVersion", json!({"FunctionName": "f"})).await;
    let input = json!({"FunctionName": "f", "Layers": []});
    assert_eq!(call(&client, "UpdateFunctionConfiguration", input).await["Layers"], Json::Null);
    assert_eq!(invoke(&client, "f", json!({})).await, json!([null, null, null, null, false]));
    // A version, and a function, keep a layer that is deleted.
    for name in ["first", "second"] {
        call(&client, "DeleteLayerVersion", json!({"LayerName": name, "VersionNumber": 1})).await;
    }
    assert_eq!(invoke(&client, "f:1", json!({})).await, json!(["1", "1", null, null, false]));
}

async fn runtimes_look_for_modules_and_programs_in_layers() {
    let (_cloud, client) = cloud().await;
    let version = python_runtime().trim_start_matches("python");
    let site = format!("python/lib/python{version}/site-packages/of_site.py");
    let modules = publish(
        &client,
        "modules",
        &[
            ("python/of_layer.py", "value = 'layer'", 0o644),
            ("python/of_both.py", "value = 'layer'", 0o644),
            (&site, "value = 'site'", 0o644),
            ("nodejs/node_modules/of_layer/index.js", "module.exports = 'layer'", 0o644),
            ("bin/program", "#!/bin/sh\necho ran", 0o755),
            ("wrap", "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n", 0o755),
        ],
    )
    .await;
    let code = "import os, subprocess, of_layer, of_both, of_site\ndef handler(e, c):\n    ran = subprocess.run(['program'], capture_output=True, text=True).stdout.strip()\n    return [of_layer.value, of_both.value, of_site.value, ran, os.environ.get('WRAPPED'), os.environ['LD_LIBRARY_PATH'].split(':')[-1]]\n";
    let mut input = python("p", "");
    let files = [("index.py", code, 0o644), ("of_both.py", "value = 'function'", 0o644)];
    input["Code"] = json!({"ZipFile": text::base64(&package(&files))});
    input["Layers"] = json!([modules]);
    input["Environment"] = json!({"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}});
    create(&client, input).await;
    let wanted = json!(["layer", "function", "site", "ran", "yes", "/opt/lib"]);
    assert_eq!(invoke(&client, "p", json!({})).await, wanted);
    let mut input = node("n", "index.js", "const it = require('of_layer'); exports.handler = async () => it");
    input["Layers"] = json!([modules]);
    create(&client, input).await;
    assert_eq!(invoke(&client, "n", json!({})).await, "layer");
    let program = r#"#!/usr/bin/python3 -B
import os, urllib.request as r
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    event = r.urlopen(base + "next")
    id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    r.urlopen(r.Request(base + id + "/response", data=b'"from a layer"', method="POST"))
"#;
    let runtime = publish(&client, "runtime", &[("bootstrap", program, 0o755)]).await;
    let mut input = python("own", "");
    input["Runtime"] = json!("provided.al2023");
    input["Layers"] = json!([runtime]);
    create(&client, input).await;
    assert_eq!(invoke(&client, "own", json!({})).await, "from a layer");
}

async fn layers_are_published_shown_listed_and_removed() {
    let (_cloud, client) = cloud().await;
    let zip = package(&[("a", "1", 0o644)]);
    let input = json!({
        "LayerName": "l", "Description": "d", "LicenseInfo": "MIT", "Content": {"ZipFile": text::base64(&zip)},
        "CompatibleRuntimes": ["python3.12", "nodejs20.x"], "CompatibleArchitectures": ["x86_64"],
    });
    let made = call(&client, "PublishLayerVersion", input).await;
    assert_eq!(
        (&made["LayerArn"], &made["LayerVersionArn"], &made["Version"]),
        (&json!(format!("{LAYER}l")), &json!(format!("{LAYER}l:1")), &json!(1))
    );
    let (status, _, bytes) = request(&client, "GET", made["Content"]["Location"].as_str().unwrap(), &[], b"").await;
    assert_eq!((status, bytes.as_ref()), (200, zip.as_slice()));
    assert_eq!(made["Content"]["CodeSize"], zip.len());
    let mut shown = call(&client, "GetLayerVersion", json!({"LayerName": "l", "VersionNumber": 1})).await;
    let mut by_arn = call(&client, "GetLayerVersionByArn", json!({"Arn": format!("{LAYER}l:1")})).await;
    let mut wanted = made.clone();
    for answer in [&mut shown, &mut by_arn, &mut wanted] {
        answer["Content"]["Location"] = Json::Null;
    }
    assert_eq!((&shown, &by_arn), (&wanted, &wanted));
    assert_eq!((&shown["Description"], &shown["LicenseInfo"]), (&json!("d"), &json!("MIT")));
    role(&client, "reads", &["s3:*"]).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "packages"})).await.ok();
    let status = json!({"Bucket": "packages", "VersioningConfiguration": {"Status": "Enabled"}});
    client.call("s3", "PutBucketVersioning", status).await.ok();
    let mut versions = Vec::new();
    for content in ["2", "later"] {
        let body = undercast_kernel::Bytes::from(package(&[("a", content, 0o644)]));
        let put = json!({"Bucket": "packages", "Key": "k"});
        versions.push(client.call_with_body("s3", "PutObject", put, Some(body)).await.ok()["VersionId"].clone());
    }
    let content = json!({"S3Bucket": "packages", "S3Key": "k", "S3ObjectVersion": versions[0]});
    let made =
        call(&client, "PublishLayerVersion", json!({"LayerName": format!("{LAYER}l"), "Content": content})).await;
    assert_eq!(made["Version"], 2);
    let (_, _, bytes) = request(&client, "GET", made["Content"]["Location"].as_str().unwrap(), &[], b"").await;
    assert_eq!(bytes.as_ref(), package(&[("a", "2", 0o644)]).as_slice(), "the version that was asked for");
    publish(&client, "m", &[("a", "1", 0o644)]).await;
    let list = async |more: Json| {
        let mut input = json!({"LayerName": "l"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(&client, "ListLayerVersions", input).await
    };
    let numbers = |page: &Json| {
        page["LayerVersions"].as_array().unwrap().iter().map(|v| v["Version"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let first = list(json!({"MaxItems": 1})).await;
    assert_eq!(numbers(&first), [2]);
    assert_eq!(numbers(&list(json!({"MaxItems": 1, "Marker": first["NextMarker"]})).await), [1]);
    assert_eq!(numbers(&list(json!({"CompatibleRuntime": "python3.12"})).await), [1]);
    assert_eq!(numbers(&list(json!({"CompatibleArchitecture": "arm64"})).await), Vec::<i64>::new());
    let layers = call(&client, "ListLayers", json!({"MaxItems": 1})).await;
    assert_eq!(
        (&layers["Layers"][0]["LayerName"], &layers["Layers"][0]["LatestMatchingVersion"]["Version"]),
        (&json!("l"), &json!(2))
    );
    let rest = call(&client, "ListLayers", json!({"MaxItems": 1, "Marker": layers["NextMarker"]})).await;
    assert_eq!(rest["Layers"][0]["LayerArn"], format!("{LAYER}m"));
    let fitting =
        call(&client, "ListLayers", json!({"CompatibleRuntime": "nodejs20.x", "CompatibleArchitecture": "x86_64"}))
            .await;
    assert_eq!(fitting["Layers"].as_array().unwrap().len(), 1);
    assert_eq!(fitting["Layers"][0]["LatestMatchingVersion"]["LayerVersionArn"], format!("{LAYER}l:1"));
    for _ in 0..2 {
        call(&client, "DeleteLayerVersion", json!({"LayerName": "l", "VersionNumber": 2})).await;
    }
    let gone = client.call("lambda", "GetLayerVersion", json!({"LayerName": "l", "VersionNumber": 2})).await;
    assert_eq!(
        (gone.status, gone.code(), told(&gone).as_str()),
        (404, "ResourceNotFoundException", "The resource you requested does not exist.")
    );
    assert_eq!(publish(&client, "l", &[("a", "3", 0o644)]).await, format!("{LAYER}l:3"), "no number comes twice");
}

async fn other_accounts_use_a_layer_that_lets_them() {
    let (cloud, client) = cloud().await;
    let layer = publish(&client, "l", &[("a", "shared", 0o644)]).await;
    let other = cloud.client_of(Credentials::new("111111111111", "secret"));
    role(&other, "function", &["logs:*"]).await;
    let mut input = python("f", "def handler(e, c):\n    return open('/opt/a').read()\n");
    input["Layers"] = json!([layer]);
    input["Role"] = json!("arn:aws:iam::111111111111:role/function");
    let refused = other.call("lambda", "CreateFunction", input.clone()).await;
    assert_eq!((refused.status, refused.code()), (403, "AccessDeniedException"), "{}", refused.json);
    let permission = |id: &str, more: Json| {
        let mut input = json!({"LayerName": "l", "VersionNumber": 1, "StatementId": id, "Action": "lambda:GetLayerVersion", "Principal": "111111111111"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let none = client.call("lambda", "GetLayerVersionPolicy", json!({"LayerName": "l", "VersionNumber": 1})).await;
    assert_eq!((none.status, told(&none).as_str()), (404, "No policy is associated with the given resource."));
    let added = call(&client, "AddLayerVersionPermission", permission("s", json!({}))).await;
    let policy = call(&client, "GetLayerVersionPolicy", json!({"LayerName": "l", "VersionNumber": 1})).await;
    assert_eq!(policy["RevisionId"], added["RevisionId"]);
    let document: Json = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(document["Statement"][0]["Resource"], layer);
    other.call("lambda", "CreateFunction", input).await.ok();
    assert_eq!(invoke(&other, "f", json!({})).await, "shared");
    assert_eq!(other.call("lambda", "GetLayerVersionByArn", json!({"Arn": layer})).await.status, 200);
    let twice = client.call("lambda", "AddLayerVersionPermission", permission("s", json!({}))).await;
    assert_eq!((twice.status, twice.code()), (409, "ResourceConflictException"));
    let stale = client.call("lambda", "AddLayerVersionPermission", permission("t", json!({"RevisionId": "x"}))).await;
    assert_eq!((stale.status, stale.code()), (412, "PreconditionFailedException"));
    assert!(told(&stale).ends_with("Call the GetLayerPolicy API to retrieve the latest Revision Id"));
    let mut long = None;
    for n in 0..200 {
        let id = format!("{}{n}", "s".repeat(90));
        let answer = client.call("lambda", "AddLayerVersionPermission", permission(&id, json!({}))).await;
        if answer.status != 201 {
            long = Some(answer);
            break;
        }
    }
    assert_eq!(
        long.map(|answer| (answer.status, answer.code().to_owned())),
        Some((400, "PolicyLengthExceededException".to_owned()))
    );
    let removal = |id: &str, more: Json| {
        let mut input = json!({"LayerName": "l", "VersionNumber": 1, "StatementId": id});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let stale = client.call("lambda", "RemoveLayerVersionPermission", removal("s", json!({"RevisionId": "x"}))).await;
    assert_eq!(stale.code(), "PreconditionFailedException");
    call(&client, "RemoveLayerVersionPermission", removal("s", json!({}))).await;
    let gone = client.call("lambda", "RemoveLayerVersionPermission", removal("s", json!({}))).await;
    assert_eq!((gone.status, told(&gone).as_str()), (404, "Statement s is not found in resource policy."));
}

async fn templates_have_layers() {
    let (_cloud, client) = cloud().await;
    client.call("s3", "CreateBucket", json!({"Bucket": "packages"})).await.ok();
    let body = undercast_kernel::Bytes::from(package(&[("a", "stacked", 0o644)]));
    client.call_with_body("s3", "PutObject", json!({"Bucket": "packages", "Key": "k"}), Some(body)).await.ok();
    let layer = json!({"Type": "AWS::Lambda::LayerVersion", "Properties": {
        "LayerName": "l", "Content": {"S3Bucket": "packages", "S3Key": "k"}, "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"], "Description": "d", "LicenseInfo": "MIT"}});
    let permission = json!({"Type": "AWS::Lambda::LayerVersionPermission", "Properties": {
        "LayerVersionArn": {"Ref": "L"}, "Action": "lambda:GetLayerVersion", "Principal": "111111111111"}});
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": "f", "Runtime": python_runtime(), "Role": crate::setup::ROLE, "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(e, c):\n    return open('/opt/a').read()\n"}, "Layers": [{"Ref": "L"}]}});
    let template = json!({"Resources": {"L": layer, "P": permission, "F": function}});
    stack(&client, "CreateStack", &template, "CREATE_COMPLETE").await;
    assert_eq!(invoke(&client, "f", json!({})).await, "stacked");
    let policy = call(&client, "GetLayerVersionPolicy", json!({"LayerName": "l", "VersionNumber": 1})).await;
    assert!(policy["Policy"].as_str().unwrap().contains("111111111111"), "{policy}");
    let mut without = template.clone();
    without["Resources"]["F"]["Properties"].as_object_mut().unwrap().remove("Layers");
    without["Resources"].as_object_mut().unwrap().remove("P");
    stack(&client, "UpdateStack", &without, "UPDATE_COMPLETE").await;
    let shown = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await;
    assert_eq!(shown["Layers"], Json::Null);
    let none = client.call("lambda", "GetLayerVersionPolicy", json!({"LayerName": "l", "VersionNumber": 1})).await;
    assert_eq!(none.status, 404);
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    eventually("the layer is gone", || async { call(&client, "ListLayers", json!({})).await["Layers"] == json!([]) })
        .await;
}

async fn wrong_layers_are_refused() {
    let (_cloud, client) = cloud().await;
    let one = publish(&client, "l", &[("a", "1", 0o644)]).await;
    let two = publish(&client, "l", &[("a", "2", 0o644)]).await;
    create(&client, python("f", "def handler(e, c):\n    return 1\n")).await;
    let zeros = package(&[("a", &"0".repeat(131_500_000), 0o644)]);
    let mut large = Vec::new();
    for name in ["large", "larger"] {
        let input = json!({"LayerName": name, "Content": {"ZipFile": text::base64(&zeros)}});
        large.push(call(&client, "PublishLayerVersion", input).await["LayerVersionArn"].clone());
    }
    let far = "arn:aws:lambda:eu-west-1:000000000000:layer:l:1";
    let bad = "InvalidParameterValueException";
    let six: Vec<String> = (1..=6).map(|n| format!("{LAYER}x{n}:1")).collect();
    let cases = [
        (json!(six), 400, bad, "Cannot reference more than 5 layers.".to_owned()),
        (json!([format!("{LAYER}none:1")]), 400, bad, format!("Layer version {LAYER}none:1 does not exist.")),
        (json!([far]), 400, bad, "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.".to_owned()),
        (json!([one, two]), 400, bad, format!("Two different versions of the same layer are not allowed to be referenced in the same function. {one} and {two} are versions of the same layer.")),
        (json!(large), 400, bad, "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 263000032 bytes.".to_owned()),
        (json!([format!("{LAYER}l")]), 400, "ValidationException", "at 'layers.1.member' failed to satisfy constraint".to_owned()),
    ];
    for (layers, status, code, words) in cases {
        let answer =
            client.call("lambda", "UpdateFunctionConfiguration", json!({"FunctionName": "f", "Layers": layers})).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.json);
        assert!(told(&answer).contains(&words), "{}", answer.json);
    }
    let version = |operation: &'static str, number: i64, more: Json| {
        let mut input = json!({"LayerName": "l", "VersionNumber": number});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (operation, input)
    };
    let permission = json!({"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"});
    let missing = format!("Layer version {LAYER}l:9 does not exist.");
    let less = "Layer Version Cannot be less than 1";
    let content = |bytes: &[u8]| json!({"LayerName": "l", "Content": {"ZipFile": text::base64(bytes)}});
    for ((operation, input), status, words) in [
        (version("GetLayerVersion", 0, json!({})), 400, less),
        (version("DeleteLayerVersion", 0, json!({})), 400, less),
        (version("GetLayerVersionPolicy", 0, json!({})), 400, less),
        (version("GetLayerVersionPolicy", 9, json!({})), 404, missing.as_str()),
        (version("AddLayerVersionPermission", 0, permission.clone()), 400, less),
        (version("AddLayerVersionPermission", 9, permission), 404, missing.as_str()),
        (
            version("AddLayerVersionPermission", 1, json!({"StatementId": "s", "Action": "*", "Principal": "*"})),
            400,
            "Member must satisfy regular expression pattern: lambda:GetLayerVersion",
        ),
        (version("RemoveLayerVersionPermission", 0, json!({"StatementId": "s"})), 400, less),
        (version("RemoveLayerVersionPermission", 9, json!({"StatementId": "s"})), 404, missing.as_str()),
        (
            ("GetLayerVersionByArn", json!({"Arn": format!("{LAYER}l:9")})),
            404,
            "The resource you requested does not exist.",
        ),
        (("PublishLayerVersion", content(b"no zip")), 400, "Could not unzip uploaded file"),
        (("PublishLayerVersion", json!({"LayerName": "l", "Content": {}})), 400, "Please provide a source"),
        (("ListLayers", json!({"Marker": "x"})), 400, "Invalid Marker"),
        (("ListLayerVersions", json!({"LayerName": "l", "Marker": "x"})), 400, "Invalid Marker"),
    ] {
        let answer = client.call("lambda", operation, input.clone()).await;
        assert_eq!(answer.status, status, "{operation} {input}: {}", answer.json);
        assert!(told(&answer).contains(words), "{operation} {input}: {}", answer.json);
    }
}
