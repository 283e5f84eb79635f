//! Secrets through crashes of the real program: what was acknowledged is there, and a function of Python rotates a secret to the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use undercast_engines::runtimes::{Language, discover, usual_places};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, at_work, free_port, program};

const SECRETS: usize = 8;

/// A token of a version.
fn token(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Puts values one after the other, until nobody answers, and keeps what was acknowledged: secret to number.
async fn put(client: Client, name: String, from: usize, acknowledged: Arc<Mutex<BTreeMap<String, usize>>>) {
    for number in from.. {
        let input =
            json!({"SecretId": name, "SecretString": format!("{name}/{number}"), "ClientRequestToken": token(number)});
        match client.try_call("secretsmanager", "PutSecretValue", input).await {
            Some(answer) if answer.status < 300 => drop(acknowledged.lock().unwrap().insert(name.clone(), number)),
            // A hundred versions a day are enough.
            Some(answer) if answer.code() == "LimitExceededException" => return,
            Some(answer) => panic!("{}", answer.json),
            None => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_values_survive_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    for name in (0..SECRETS).map(|n| format!("s{n}")) {
        let input = json!({"Name": name, "SecretString": format!("{name}/0"), "ClientRequestToken": token(0)});
        client.call("secretsmanager", "CreateSecret", input).await.ok();
        acknowledged.lock().unwrap().insert(name, 0);
    }
    for _ in 0..4 {
        let known = acknowledged.lock().unwrap().clone();
        // The one that was under way when the program was killed may be there or not; its token is used again.
        let work: Vec<_> = known
            .iter()
            .map(|(name, last)| tokio::spawn(put(client.clone(), name.clone(), last + 1, acknowledged.clone())))
            .collect();
        at_work(&work, || acknowledged.lock().unwrap().values().sum(), 2 * SECRETS).await;
        drop(cloud);
        for done in work {
            done.await.unwrap();
        }
        cloud = Cloud::on(port, &folder.0, &[]);
        let known = acknowledged.lock().unwrap().clone();
        for (name, last) in known {
            let input = json!({"SecretId": name, "VersionId": token(last)});
            let read = client.call("secretsmanager", "GetSecretValue", input).await.ok();
            assert_eq!(read["SecretString"], format!("{name}/{last}"));
            let current = client.call("secretsmanager", "GetSecretValue", json!({"SecretId": name})).await.ok();
            let value = current["SecretString"].as_str().unwrap();
            assert!(value == format!("{name}/{last}") || value == format!("{name}/{}", last + 1), "{value}");
        }
    }
}

/// Puts values of a parameter one after the other, until nobody answers, and keeps what was acknowledged: version to value.
async fn put_parameter(client: Client, name: String, acknowledged: Arc<Mutex<BTreeMap<(String, i64), String>>>) {
    for number in 0.. {
        let value = format!("{name}/{number}");
        let input = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        let Some(answer) = client.try_call("ssm", "PutParameter", input).await else { return };
        let version = answer.ok()["Version"].as_i64().unwrap();
        acknowledged.lock().unwrap().insert((name.clone(), version), value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_parameters_survive_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    for _ in 0..3 {
        let names = (0..SECRETS).map(|n| format!("/p{n}"));
        let work: Vec<_> =
            names.map(|name| tokio::spawn(put_parameter(client.clone(), name, acknowledged.clone()))).collect();
        at_work(&work, || acknowledged.lock().unwrap().len(), 3 * SECRETS).await;
        drop(cloud);
        for done in work {
            done.await.unwrap();
        }
        cloud = Cloud::on(port, &folder.0, &[]);
        let known = acknowledged.lock().unwrap().clone();
        for name in (0..SECRETS).map(|n| format!("/p{n}")) {
            let newest = client.call("ssm", "GetParameter", json!({"Name": name, "WithDecryption": true})).await.ok();
            let newest = newest["Parameter"]["Version"].as_i64().unwrap();
            let of_it = known.iter().filter(|((of, _), _)| *of == name);
            // A hundred are kept.
            for ((_, version), value) in of_it.filter(|((_, version), _)| *version > newest - 100) {
                let input = json!({"Name": format!("{name}:{version}"), "WithDecryption": true});
                let read = client.call("ssm", "GetParameter", input).await.ok();
                assert_eq!(read["Parameter"]["Value"], *value);
            }
            assert!(known.keys().filter(|(of, _)| *of == name).all(|(_, version)| *version <= newest));
        }
    }
}

/// A function in the form of those that AWS publishes, with nothing but the standard library: an SDK may or may not be there.
const ROTATES: &str = r##"
import datetime, hashlib, hmac, json, os, urllib.error, urllib.request

class Refused(Exception):
    pass

def call(operation, body):
    env = os.environ
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    url = env["AWS_ENDPOINT_URL"] + "/"
    headers = {"content-type": "application/x-amz-json-1.1", "host": url.split("/")[2], "x-amz-date": stamp,
               "x-amz-security-token": env["AWS_SESSION_TOKEN"], "x-amz-target": "secretsmanager." + operation}
    data, names = json.dumps(body).encode(), ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(data).hexdigest()}"
    scope = f"{day}/{env['AWS_REGION']}/secretsmanager/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + env["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={env['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={signature}"
    try:
        return json.loads(urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers)).read() or b"{}")
    except urllib.error.HTTPError as error:
        raise Refused(json.loads(error.read())["__type"].split("#")[-1])

def handler(event, context):
    secret, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    described = call("DescribeSecret", {"SecretId": secret})
    stages = described["VersionIdsToStages"]
    if not described["RotationEnabled"] or token not in stages:
        raise ValueError("the version is not made for rotation")
    if "AWSCURRENT" in stages[token]:
        return
    if "AWSPENDING" not in stages[token]:
        raise ValueError("the version is not pending")
    pending = {"SecretId": secret, "VersionId": token, "VersionStage": "AWSPENDING"}
    if step == "createSecret":
        current = json.loads(call("GetSecretValue", {"SecretId": secret, "VersionStage": "AWSCURRENT"})["SecretString"])
        try:
            call("GetSecretValue", pending)
        except Refused as refused:
            if str(refused) != "ResourceNotFoundException":
                raise
            current["password"] = call("GetRandomPassword", {"ExcludeCharacters": "/@\"'\\"})["RandomPassword"]
            call("PutSecretValue", {"SecretId": secret, "ClientRequestToken": token, "SecretString": json.dumps(current),
                                    "VersionStages": ["AWSPENDING"], "RotationToken": event["RotationToken"]})
    elif step in ("setSecret", "testSecret"):
        assert json.loads(call("GetSecretValue", pending)["SecretString"])["username"] == "admin"
    elif step == "finishSecret":
        current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
        call("UpdateSecretVersionStage", {"SecretId": secret, "VersionStage": "AWSCURRENT", "MoveToVersionId": token,
                                          "RemoveFromVersionId": current})
    else:
        raise ValueError(step)
"##;

/// The newest Python of this machine, as Lambda names it.
async fn python() -> String {
    let places = usual_places(std::env::var_os("PATH").as_deref(), std::env::home_dir().as_deref());
    let found = discover(&places).await;
    let newest =
        found.iter().filter(|runtime| runtime.language == Language::Python).map(|runtime| runtime.version).max();
    format!("python3.{}", newest.unwrap().minor)
}

fn package(code: &str) -> String {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("index.py", zip::write::SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
    archive.write_all(code.as_bytes()).unwrap();
    text::base64(&archive.finish().unwrap().into_inner())
}

/// Makes the function `rotator`, which may do with secrets what its work needs, and lets Secrets Manager invoke it.
async fn rotator(client: &Client) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": "rotator", "AssumeRolePolicyDocument": trust.to_string()});
    let role = client.call("iam", "CreateRole", role).await.ok()["Role"]["Arn"].clone();
    let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
        "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage", "secretsmanager:GetRandomPassword", "logs:*"]}]});
    let input = json!({"RoleName": "rotator", "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    let made = client
        .call(
            "lambda",
            "CreateFunction",
            json!({"FunctionName": "rotator", "Runtime": python().await, "Role": role,
            "Handler": "index.handler", "Timeout": 30, "Code": {"ZipFile": package(ROTATES)}}),
        )
        .await
        .ok();
    made["FunctionArn"].as_str().unwrap().to_owned()
}

async fn describe(client: &Client) -> Json {
    client.call("secretsmanager", "DescribeSecret", json!({"SecretId": "s"})).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_of_python_rotates_a_secret_through_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    let input = json!({"Name": "s", "SecretString": r#"{"username": "admin", "password": "old"}"#, "ClientRequestToken": token(1)});
    client.call("secretsmanager", "CreateSecret", input).await.ok();
    let function = rotator(&client).await;
    let rotate = |number: usize| {
        json!({"SecretId": "s", "ClientRequestToken": token(number), "RotationLambdaARN": function,
        "RotationRules": {"AutomaticallyAfterDays": 30}})
    };
    // Without a word of the function's policy it is not rotated.
    let denied = client.call("secretsmanager", "RotateSecret", rotate(2)).await;
    assert_eq!(denied.code(), "AccessDeniedException");
    assert!(
        denied.json["message"]
            .as_str()
            .unwrap()
            .starts_with("Secrets Manager cannot invoke the specified Lambda function.")
    );
    let allow = json!({"FunctionName": "rotator", "StatementId": "s", "Action": "lambda:InvokeFunction",
        "Principal": "secretsmanager.amazonaws.com", "SourceAccount": "000000000000"});
    client.call("lambda", "AddPermission", allow).await.ok();
    for number in 2..5 {
        client.call("secretsmanager", "RotateSecret", rotate(number)).await.ok();
        // It is killed at another moment each time.
        tokio::time::sleep(Duration::from_millis(u64::try_from(number - 2).unwrap() * 150)).await;
        drop(cloud);
        cloud = Cloud::on(port, &folder.0, &[]);
        let began = Instant::now();
        loop {
            let shown = describe(&client).await;
            let labels = shown["VersionIdsToStages"][token(number)].as_array().cloned().unwrap_or_default();
            // The date is written after the function is done.
            if labels.contains(&json!("AWSCURRENT")) && shown["LastRotatedDate"].is_number() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(90), "{shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let value = client.call("secretsmanager", "GetSecretValue", json!({"SecretId": "s"})).await.ok();
        let value: Json = serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap();
        assert_eq!(value["username"], "admin");
        assert!(value["password"].as_str().unwrap().len() == 32);
        let previous = describe(&client).await["VersionIdsToStages"][token(number - 1)].clone();
        assert_eq!(previous, json!(["AWSPREVIOUS"]));
    }
    assert!(describe(&client).await["NextRotationDate"].is_number());
}

/// What stands in no log.
const CANARY: &str = "canary-09ac-in-the-mine";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_no_values() {
    let (folder, port) = (Folder::new(), free_port());
    let path = folder.0.join("log");
    let mut up = program(&["up", "--listen", &format!("127.0.0.1:{port}")]);
    up.env("UNDERCAST_DATA", folder.0.join("data"))
        .env("UNDERCAST_LOG", "trace")
        .stderr(std::fs::File::create(&path).unwrap());
    let cloud = Cloud::spawn(up, port);
    let client = cloud.client.clone();
    let encoded = text::base64(CANARY.as_bytes());
    let long = format!("{CANARY}{}", "x".repeat(70_000));
    for (service, operation, input) in [
        (
            "secretsmanager",
            "CreateSecret",
            json!({"Name": "s", "SecretString": CANARY, "ClientRequestToken": token(1)}),
        ),
        (
            "secretsmanager",
            "PutSecretValue",
            json!({"SecretId": "s", "SecretBinary": encoded, "ClientRequestToken": token(2)}),
        ),
        (
            "secretsmanager",
            "PutSecretValue",
            json!({"SecretId": "s", "SecretString": CANARY, "ClientRequestToken": token(2)}),
        ),
        (
            "secretsmanager",
            "UpdateSecret",
            json!({"SecretId": "s", "SecretString": CANARY, "ClientRequestToken": token(3)}),
        ),
        (
            "secretsmanager",
            "UpdateSecret",
            json!({"SecretId": "s", "SecretString": long, "ClientRequestToken": token(4)}),
        ),
        ("secretsmanager", "GetSecretValue", json!({"SecretId": "s"})),
        ("secretsmanager", "BatchGetSecretValue", json!({"SecretIdList": ["s"]})),
        (
            "secretsmanager",
            "ReplicateSecretToRegions",
            json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
        ),
        ("ssm", "PutParameter", json!({"Name": "/s", "Value": CANARY, "Type": "SecureString"})),
        ("ssm", "PutParameter", json!({"Name": "/s", "Value": CANARY, "Type": "SecureString"})),
        ("ssm", "PutParameter", json!({"Name": "/a", "Value": CANARY, "Type": "SecureString", "Tier": "Advanced"})),
        ("ssm", "PutParameter", json!({"Name": "/p", "Value": CANARY, "Type": "String", "AllowedPattern": "[0-9]"})),
        ("ssm", "PutParameter", json!({"Name": "/p", "Value": long, "Type": "String"})),
        ("ssm", "GetParametersByPath", json!({"Path": "/", "WithDecryption": true})),
    ] {
        let answer = client.call(service, operation, input).await;
        assert!(answer.status < 500, "{operation}: {}", answer.json);
    }
    // The replica is made meanwhile.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(cloud);
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("PutSecretValue") && log.contains("PutParameter"));
    for line in log.lines() {
        assert!(!line.contains(CANARY) && !line.contains(&encoded), "the log tells it: {line}");
    }
}
