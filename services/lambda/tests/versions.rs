//! Versions and aliases: what is published stays as it was, and names lead to it.

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Answer, Client, Credentials};

use crate::setup::{
    cloud, create, eventually, invoke, invoke_with, logs, package, parsed, python, request, role, stack, told,
};

crate::tests!(
    what_is_published_stays_as_it_was,
    unchanged_code_is_no_new_version,
    nothing_is_published_while_code_is_on_its_way,
    an_alias_shares_calls_among_two_versions,
    aliases_are_made_changed_listed_and_removed,
    versions_and_aliases_have_policies_of_their_own,
    a_url_can_be_an_aliass,
    a_queue_feeds_an_alias,
    templates_have_versions_and_aliases,
    runtimes_are_of_the_patch_that_there_is,
    packages_are_copied,
    wrong_words_about_versions_are_refused,
);

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn code(value: &str) -> String {
    format!(
        "import os\ndef handler(event, context):\n    print('said')\n    return ['{value}', context.function_version, context.invoked_function_arn, os.environ.get('OWN'), context.log_stream_name]\n"
    )
}

/// Changes the code, and waits until the change is done.
async fn change(client: &Client, name: &str, value: &str, more: Json) -> Json {
    let zip = package(&[("index.py", &code(value), 0o644)]);
    let mut input = json!({"FunctionName": name, "ZipFile": text::base64(&zip)});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let changed = client.call("lambda", "UpdateFunctionCode", input).await.ok();
    active(client, name).await;
    changed
}

async fn active(client: &Client, name: &str) {
    eventually("the function is active", || async {
        client.call("lambda", "GetFunctionConfiguration", json!({"FunctionName": name})).await.ok()["State"] == "Active"
    })
    .await;
}

async fn publish(client: &Client, name: &str) -> Json {
    active(client, name).await;
    client.call("lambda", "PublishVersion", json!({"FunctionName": name})).await.ok()
}

/// Version 1 says `one`, version 2 says `two`, and `$LATEST` says `three`.
async fn two_versions(client: &Client) {
    create(client, python("f", &code("one"))).await;
    publish(client, "f").await;
    change(client, "f", "two", json!({})).await;
    publish(client, "f").await;
    change(client, "f", "three", json!({})).await;
}

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("lambda", operation, input).await.ok()
}

async fn what_is_published_stays_as_it_was() {
    let (_cloud, client) = cloud().await;
    let mut input = python("f", &code("one"));
    input["Environment"] = json!({"Variables": {"OWN": "first"}});
    create(&client, input).await;
    active(&client, "f").await;
    let sha = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await["CodeSha256"].clone();
    let input = json!({"FunctionName": "f", "Description": "the first", "CodeSha256": sha});
    let first = call(&client, "PublishVersion", input).await;
    assert_eq!(
        (&first["Version"], &first["FunctionArn"], &first["Description"], &first["State"]),
        (&json!("1"), &json!(format!("{ARN}:1")), &json!("the first"), &json!("Active"))
    );
    let input = json!({"FunctionName": "f", "Environment": {"Variables": {"OWN": "second"}}, "Description": "later"});
    call(&client, "UpdateFunctionConfiguration", input).await;
    let changed = change(&client, "f", "two", json!({"Publish": true})).await;
    assert_eq!((&changed["Version"], &changed["FunctionArn"]), (&json!("2"), &json!(format!("{ARN}:2"))));
    let answer = invoke_with(&client, "f", json!({"Qualifier": "1"}), &json!({})).await;
    let said = parsed(&answer);
    assert_eq!(answer.headers["x-amz-executed-version"], "1");
    assert_eq!((&said[0], &said[1], &said[3]), (&json!("one"), &json!("1"), &json!("first")));
    assert_eq!(said[2], format!("{ARN}:1"));
    assert!(said[4].as_str().unwrap().contains("/[1]"), "{said}");
    // The qualifier may stand in the name, and each version has environments of its own.
    let said = invoke(&client, "f:2", json!({})).await;
    assert_eq!((&said[0], &said[1], &said[3]), (&json!("two"), &json!("2"), &json!("second")));
    let answer = invoke_with(&client, ARN, json!({"Qualifier": "$LATEST"}), &json!({})).await;
    assert_eq!(
        (answer.headers["x-amz-executed-version"].to_str().unwrap(), &parsed(&answer)[1]),
        ("$LATEST", &json!("$LATEST"))
    );
    assert!(logs(&client, "f", "Version: 2").await.iter().any(|line| line.contains("Version: 1\n")));
    let shown = call(&client, "GetFunction", json!({"FunctionName": "f", "Qualifier": "1"})).await;
    let configuration = &shown["Configuration"];
    assert_eq!((&configuration["FunctionArn"], &configuration["CodeSha256"]), (&json!(format!("{ARN}:1")), &sha));
    let (status, _, zip) = request(&client, "GET", shown["Code"]["Location"].as_str().unwrap(), &[], b"").await;
    assert_eq!((status, zip.as_ref()), (200, package(&[("index.py", &code("one"), 0o644)]).as_slice()));
    let listed = call(&client, "ListVersionsByFunction", json!({"FunctionName": "f", "MaxItems": 2})).await;
    let arns =
        |page: &Json| page["Versions"].as_array().unwrap().iter().map(|v| v["FunctionArn"].clone()).collect::<Vec<_>>();
    assert_eq!(arns(&listed), [json!(format!("{ARN}:$LATEST")), json!(format!("{ARN}:1"))]);
    let input = json!({"FunctionName": "f", "MaxItems": 2, "Marker": listed["NextMarker"]});
    assert_eq!(arns(&call(&client, "ListVersionsByFunction", input).await), [json!(format!("{ARN}:2"))]);
    let all = call(&client, "ListFunctions", json!({"FunctionVersion": "ALL"})).await;
    let versions: Vec<&Json> = all["Functions"].as_array().unwrap().iter().map(|f| &f["Version"]).collect();
    assert_eq!(versions, [&json!("$LATEST"), &json!("1"), &json!("2")]);
    assert_eq!(call(&client, "ListFunctions", json!({})).await["Functions"].as_array().unwrap().len(), 1);
    let usage = call(&client, "GetAccountSettings", json!({})).await["AccountUsage"].clone();
    assert_eq!(usage["FunctionCount"], 1);
    let sizes: i64 = all["Functions"].as_array().unwrap().iter().map(|f| f["CodeSize"].as_i64().unwrap()).sum();
    assert_eq!(usage["TotalCodeSize"], sizes);
    call(&client, "DeleteFunction", json!({"FunctionName": "f", "Qualifier": "1"})).await;
    let gone = invoke_with(&client, "f", json!({"Qualifier": "1"}), &json!({})).await;
    assert_eq!((gone.status, told(&gone)), (404, format!("Function not found: {ARN}:1")));
    assert_eq!(invoke(&client, "f:2", json!({})).await[0], "two");
    // A number is never given twice.
    call(&client, "DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await;
    assert_eq!(publish(&client, "f").await["Version"], "3");
}

async fn unchanged_code_is_no_new_version() {
    let (_cloud, client) = cloud().await;
    let mut input = python("f", &code("one"));
    input["Publish"] = json!(true);
    let made = create(&client, input).await;
    assert_eq!(made["Version"], "1");
    let again = publish(&client, "f").await;
    assert_eq!(again["Version"], "1");
    let shown = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f", "Qualifier": "1"})).await;
    assert_eq!((&shown["State"], &shown["RevisionId"]), (&json!("Active"), &again["RevisionId"]));
    change(&client, "f", "one", json!({})).await;
    assert_eq!(publish(&client, "f").await["Version"], "1", "the same code came again");
    call(&client, "UpdateFunctionConfiguration", json!({"FunctionName": "f", "Timeout": 9})).await;
    assert_eq!(publish(&client, "f").await["Version"], "2", "a setting is another one");
    let dry = change(&client, "f", "two", json!({"Publish": true, "DryRun": true})).await;
    assert_eq!(dry["Version"], "$LATEST");
    assert_eq!(publish(&client, "f").await["Version"], "2", "a rehearsal publishes nothing");
}

async fn nothing_is_published_while_code_is_on_its_way() {
    let (_cloud, client) = cloud().await;
    // So many files take a while to unpack.
    let names: Vec<String> = (0..6_000).map(|n| format!("part/{n}.txt")).collect();
    let more = names.iter().map(|name| (name.as_str(), "x", 0o644));
    let code = code("one");
    let files: Vec<(&str, &str, u32)> = [("index.py", code.as_str(), 0o644)].into_iter().chain(more).collect();
    let mut input = python("f", "");
    input["Code"] = json!({"ZipFile": text::base64(&package(&files))});
    create(&client, input).await;
    let early = client.call("lambda", "PublishVersion", json!({"FunctionName": "f"})).await;
    assert_eq!((early.status, early.code()), (409, "ResourceConflictException"));
    assert_eq!(
        told(&early),
        format!("The operation cannot be performed at this time. An update is in progress for resource: {ARN}")
    );
    assert_eq!(publish(&client, "f").await["Version"], "1");
}

async fn an_alias_shares_calls_among_two_versions() {
    let (_cloud, client) = cloud().await;
    two_versions(&client).await;
    let input = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"});
    call(&client, "CreateAlias", input).await;
    let answer = invoke_with(&client, "f:live", json!({}), &json!({})).await;
    let said = parsed(&answer);
    assert_eq!((&said[0], &said[2]), (&json!("one"), &json!(format!("{ARN}:live"))));
    assert_eq!(answer.headers["x-amz-executed-version"], "1");
    let half = json!({"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}});
    call(&client, "UpdateAlias", half).await;
    let mut counts = [0, 0];
    for _ in 0..60 {
        let answer = invoke_with(&client, "f", json!({"Qualifier": "live"}), &json!({})).await;
        let said = parsed(&answer);
        assert_eq!(answer.headers["x-amz-executed-version"].to_str().unwrap(), said[1].as_str().unwrap());
        counts[usize::from(said[0] == "two")] += 1;
    }
    // By chance less often than once in a billion runs.
    assert!(counts[0] > 8 && counts[1] > 8, "{counts:?}");
    let all = json!({"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}});
    call(&client, "UpdateAlias", all).await;
    assert_eq!(invoke(&client, "f:live", json!({})).await[0], "two");
    let input = json!({"Qualifier": "live", "InvocationType": "Event"});
    assert_eq!(invoke_with(&client, "f", input, &json!({})).await.status, 202);
    let none = json!({"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {}}});
    assert_eq!(call(&client, "UpdateAlias", none).await["RoutingConfig"], Json::Null);
    assert_eq!(invoke(&client, "f:live", json!({})).await[0], "one");
}

async fn aliases_are_made_changed_listed_and_removed() {
    let (_cloud, client) = cloud().await;
    two_versions(&client).await;
    let routing = json!({"AdditionalVersionWeights": {"2": 0.25}});
    let input = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1", "Description": "d", "RoutingConfig": routing});
    let made = call(&client, "CreateAlias", input).await;
    let mut wanted = json!({"AliasArn": format!("{ARN}:live"), "Name": "live", "FunctionVersion": "1", "Description": "d", "RoutingConfig": routing});
    wanted["RevisionId"] = made["RevisionId"].clone();
    assert_eq!(made, wanted);
    assert_eq!(call(&client, "GetAlias", json!({"FunctionName": "f", "Name": "live"})).await, made);
    let shown =
        call(&client, "GetFunction", json!({"FunctionName": "f", "Qualifier": "live"})).await["Configuration"].clone();
    assert_eq!((&shown["FunctionArn"], &shown["Version"]), (&json!(format!("{ARN}:live")), &json!("1")));
    let refused = client.call("lambda", "DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await;
    assert_eq!((refused.status, refused.code()), (409, "ResourceConflictException"));
    assert_eq!(told(&refused), "Unable to delete version because the following aliases reference it: [live]");
    let input = json!({"FunctionName": "f", "Name": "live", "Description": "e", "RevisionId": made["RevisionId"]});
    let changed = call(&client, "UpdateAlias", input.clone()).await;
    assert_eq!((&changed["Description"], &changed["RoutingConfig"]), (&json!("e"), &routing), "the rest stays");
    let stale = client.call("lambda", "UpdateAlias", input).await;
    assert_eq!((stale.status, stale.code()), (412, "PreconditionFailedException"));
    for (name, version) in [("a", "2"), ("latest", "$LATEST")] {
        call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": name, "FunctionVersion": version})).await;
    }
    let names = |page: &Json| page["Aliases"].as_array().unwrap().iter().map(|a| a["Name"].clone()).collect::<Vec<_>>();
    let first = call(&client, "ListAliases", json!({"FunctionName": "f", "MaxItems": 2})).await;
    assert_eq!(names(&first), ["a", "latest"]);
    let input = json!({"FunctionName": "f", "MaxItems": 2, "Marker": first["NextMarker"]});
    assert_eq!(names(&call(&client, "ListAliases", input).await), ["live"]);
    let of = call(&client, "ListAliases", json!({"FunctionName": "f", "FunctionVersion": "2"})).await;
    assert_eq!(names(&of), ["a"]);
    assert_eq!(invoke(&client, "f:latest", json!({})).await[0], "three");
    call(&client, "DeleteAlias", json!({"FunctionName": "f", "Name": "live"})).await;
    call(&client, "DeleteAlias", json!({"FunctionName": "f", "Name": "live"})).await;
    let gone = client.call("lambda", "GetAlias", json!({"FunctionName": "f", "Name": "live"})).await;
    assert_eq!((gone.status, told(&gone)), (404, format!("Cannot find alias arn: {ARN}:live")));
    // What is made again under the name of a function knows nothing of the one before.
    call(&client, "DeleteFunction", json!({"FunctionName": "f"})).await;
    create(&client, python("f", &code("new"))).await;
    assert_eq!(names(&call(&client, "ListAliases", json!({"FunctionName": "f"})).await), Vec::<Json>::new());
    assert_eq!(publish(&client, "f").await["Version"], "1");
}

async fn versions_and_aliases_have_policies_of_their_own() {
    let (cloud, client) = cloud().await;
    two_versions(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).await;
    let permit = async |qualifier: Option<&str>, id: &str| {
        let mut input = json!({"FunctionName": "f", "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": "111111111111"});
        if let Some(qualifier) = qualifier {
            input["Qualifier"] = json!(qualifier);
        }
        client.call("lambda", "AddPermission", input).await
    };
    // Nobody here shows a token, so that who must show one is not let in.
    for (id, principal) in [("skill", "alexa-appkit.amazon.com"), ("token", "111111111111")] {
        let input = json!({"FunctionName": "f", "Qualifier": "1", "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": principal, "EventSourceToken": "skill"});
        let statement = call(&client, "AddPermission", input).await["Statement"].as_str().unwrap().to_owned();
        let statement: Json = serde_json::from_str(&statement).unwrap();
        assert_eq!(statement["Condition"], json!({"StringEquals": {"lambda:EventSourceToken": "skill"}}));
    }
    let statement: Json =
        serde_json::from_str(permit(Some("live"), "s").await.ok()["Statement"].as_str().unwrap()).unwrap();
    assert_eq!(statement["Resource"], format!("{ARN}:live"));
    permit(Some("2"), "s").await.ok();
    let policy = async |qualifier: Json| {
        client.call("lambda", "GetPolicy", json!({"FunctionName": "f", "Qualifier": qualifier})).await
    };
    let of_version = policy(json!("2")).await.ok();
    assert!(of_version["Policy"].as_str().unwrap().contains(&format!("{ARN}:2")), "{of_version}");
    let none = client.call("lambda", "GetPolicy", json!({"FunctionName": "f"})).await;
    assert_eq!((none.status, none.code()), (404, "ResourceNotFoundException"));
    // Who is let in by one name is not by another.
    let other = cloud.client_of(Credentials::new("111111111111", "secret"));
    let invoked = async |name: &str| other.call("lambda", "Invoke", json!({"FunctionName": name})).await.status;
    assert_eq!((invoked(&format!("{ARN}:live")).await, invoked(&format!("{ARN}:2")).await), (200, 200));
    assert_eq!((invoked(&format!("{ARN}:1")).await, invoked(ARN).await), (403, 403));
    let revision = policy(json!("live")).await.ok()["RevisionId"].clone();
    let remove = async |revision: &Json| {
        let input = json!({"FunctionName": "f", "Qualifier": "live", "StatementId": "s", "RevisionId": revision});
        client.call("lambda", "RemovePermission", input).await
    };
    let stale = remove(&json!("x")).await;
    assert_eq!((stale.status, stale.code()), (412, "PreconditionFailedException"));
    assert_eq!(remove(&revision).await.status, 204);
    assert_eq!(invoked(&format!("{ARN}:live")).await, 403);
    let latest = permit(Some("$LATEST"), "t").await;
    assert_eq!(
        (latest.status, told(&latest).as_str()),
        (400, "We currently do not support adding policies for $LATEST.")
    );
    let missing = permit(Some("none"), "t").await;
    assert_eq!((missing.status, told(&missing)), (404, format!("Cannot find alias arn: {ARN}:none")));
    let missing = permit(Some("42"), "t").await;
    assert_eq!((missing.status, told(&missing)), (404, format!("Function not found: {ARN}:42")));
}

async fn a_url_can_be_an_aliass() {
    let (_cloud, client) = cloud().await;
    two_versions(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "2"})).await;
    let input = json!({"FunctionName": "f", "AuthType": "NONE"});
    call(&client, "CreateFunctionUrlConfig", input.clone()).await;
    let named = |input: &Json| {
        let mut input = input.clone();
        input["Qualifier"] = json!("live");
        input
    };
    let made = call(&client, "CreateFunctionUrlConfig", named(&input)).await;
    assert_eq!(made["FunctionArn"], format!("{ARN}:live"));
    for (id, action, more) in [
        ("a", "lambda:InvokeFunctionUrl", json!({"FunctionUrlAuthType": "NONE"})),
        ("b", "lambda:InvokeFunction", json!({"InvokedViaFunctionUrl": true})),
    ] {
        let mut input =
            json!({"FunctionName": "f", "Qualifier": "live", "StatementId": id, "Action": action, "Principal": "*"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(&client, "AddPermission", input).await;
    }
    let (status, _, body) = request(&client, "GET", made["FunctionUrl"].as_str().unwrap(), &[], b"").await;
    let said: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &said[0], &said[2]), (200, &json!("two"), &json!(format!("{ARN}:live"))));
    let plain = call(&client, "GetFunctionUrlConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(request(&client, "GET", plain["FunctionUrl"].as_str().unwrap(), &[], b"").await.0, 403);
    let listed = call(&client, "ListFunctionUrlConfigs", json!({"FunctionName": "f", "MaxItems": 1})).await;
    assert_eq!(listed["FunctionUrlConfigs"][0]["FunctionArn"], ARN);
    let input = json!({"FunctionName": "f", "MaxItems": 1, "Marker": listed["NextMarker"]});
    let listed = call(&client, "ListFunctionUrlConfigs", input).await;
    assert_eq!(listed["FunctionUrlConfigs"][0]["FunctionArn"], format!("{ARN}:live"));
    let input = json!({"FunctionName": "f", "AuthType": "AWS_IAM"});
    assert_eq!(call(&client, "UpdateFunctionUrlConfig", named(&input)).await["AuthType"], "AWS_IAM");
    let again = client.call("lambda", "CreateFunctionUrlConfig", named(&input)).await;
    assert_eq!((again.status, again.code()), (409, "ResourceConflictException"));
    call(&client, "DeleteFunctionUrlConfig", named(&json!({"FunctionName": "f"}))).await;
    let gone = client.call("lambda", "GetFunctionUrlConfig", named(&json!({"FunctionName": "f"}))).await;
    assert_eq!((gone.status, told(&gone).as_str()), (404, "The resource you requested does not exist."));
    let input = json!({"FunctionName": "f", "AuthType": "NONE", "Qualifier": "none"});
    let missing = client.call("lambda", "CreateFunctionUrlConfig", input).await;
    assert_eq!((missing.status, told(&missing).as_str()), (404, "Function does not exist"));
}

async fn a_queue_feeds_an_alias() {
    let (_cloud, client) = cloud().await;
    role(&client, "takes", &["logs:*", "sqs:*"]).await;
    two_versions(&client).await;
    let input = json!({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/takes"});
    call(&client, "UpdateFunctionConfiguration", input).await;
    publish(&client, "f").await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "3"})).await;
    let url = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok()["QueueUrl"].clone();
    let source = "arn:aws:sqs:us-east-1:000000000000:q";
    let input = json!({"FunctionName": "f:live", "EventSourceArn": source});
    let made = call(&client, "CreateEventSourceMapping", input.clone()).await;
    assert_eq!(made["FunctionArn"], format!("{ARN}:live"));
    let again = client.call("lambda", "CreateEventSourceMapping", input).await;
    assert_eq!(again.code(), "ResourceConflictException");
    client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "m"})).await.ok();
    assert!(logs(&client, "f", "Version: 3").await.iter().any(|line| line == "said\n"));
    let listed = call(&client, "ListEventSourceMappings", json!({"FunctionName": "f:live"})).await;
    assert_eq!(listed["EventSourceMappings"].as_array().unwrap().len(), 1);
    let input = json!({"UUID": made["UUID"], "FunctionName": format!("{ARN}:2"), "Enabled": false});
    assert_eq!(call(&client, "UpdateEventSourceMapping", input).await["FunctionArn"], format!("{ARN}:2"));
}

async fn templates_have_versions_and_aliases() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", &code("one"))).await;
    active(&client, "f").await;
    let template = |description: &str, share: f64| {
        let version =
            json!({"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": "f", "Description": description}});
        let alias = json!({"Type": "AWS::Lambda::Alias", "Properties": {
            "FunctionName": "f", "Name": "live", "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]}, "Description": "d",
            "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": share}]}}});
        let url = json!({"Type": "AWS::Lambda::Url", "Properties": {
            "TargetFunctionArn": "f", "Qualifier": "live", "AuthType": "NONE"}, "DependsOn": "A"});
        json!({"Resources": {"V": version, "A": alias, "U": url}, "Outputs": {
            "V": {"Value": {"Ref": "V"}}, "A": {"Value": {"Ref": "A"}}, "U": {"Value": {"Ref": "U"}}}})
    };
    publish(&client, "f").await;
    let failed = stack(&client, "CreateStack", &template("same", 0.5), "ROLLBACK_COMPLETE").await;
    assert!(
        failed
            .contains("A version for this Lambda function exists ( 1 ). Modify the function to create a new version."),
        "{failed}"
    );
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    change(&client, "f", "two", json!({})).await;
    eventually("the stack is gone", || async {
        client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await.status == 400
    })
    .await;
    let made = stack(&client, "CreateStack", &template("new", 1.0), "CREATE_COMPLETE").await;
    for end in ["f:2", "f:live"] {
        assert!(made.contains(&format!("function:{end}\"")), "{made}");
    }
    assert_eq!(invoke(&client, "f:live", json!({})).await[0], "one", "all goes to the other version");
    stack(&client, "UpdateStack", &template("new", 0.0), "UPDATE_COMPLETE").await;
    assert_eq!(invoke(&client, "f:live", json!({})).await[0], "two");
    let url = call(&client, "GetFunctionUrlConfig", json!({"FunctionName": "f", "Qualifier": "live"})).await;
    assert_eq!(url["AuthType"], "NONE");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    eventually("all is gone", || async {
        let versions = call(&client, "ListVersionsByFunction", json!({"FunctionName": "f"})).await;
        let aliases = call(&client, "ListAliases", json!({"FunctionName": "f"})).await;
        versions["Versions"].as_array().unwrap().len() == 2 && aliases["Aliases"] == json!([])
    })
    .await;
}

async fn runtimes_are_of_the_patch_that_there_is() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", &code("one"))).await;
    publish(&client, "f").await;
    let auto = json!({"UpdateRuntimeOn": "Auto", "FunctionArn": format!("{ARN}:1")});
    let of = json!({"FunctionName": "f", "Qualifier": "1"});
    assert_eq!(call(&client, "GetRuntimeManagementConfig", of.clone()).await, auto);
    let put = async |mode: &str, function: &str| {
        let input = json!({"FunctionName": function, "Qualifier": "1", "UpdateRuntimeOn": mode});
        client.call("lambda", "PutRuntimeManagementConfig", input).await
    };
    assert_eq!(put("Auto", "f").await.ok(), auto);
    for mode in ["Manual", "FunctionUpdate"] {
        assert_eq!(put(mode, "f").await.status, 501, "{mode}");
    }
    let none = json!({"FunctionName": "none"});
    let missing = "ResourceNotFoundException";
    assert_eq!(client.call("lambda", "GetRuntimeManagementConfig", none).await.code(), missing);
    assert_eq!(put("Auto", "none").await.code(), missing);
    let two = json!({"FunctionName": "f:2", "Qualifier": "1"});
    assert_eq!(client.call("lambda", "GetRuntimeManagementConfig", two).await.code(), "InvalidParameterValueException");
    assert_eq!(put("Auto", "f:2").await.code(), "InvalidParameterValueException");
}

async fn packages_are_copied() {
    let (_cloud, client) = cloud().await;
    client.call("s3", "CreateBucket", json!({"Bucket": "packages"})).await.ok();
    let body = undercast_kernel::Bytes::from(package(&[("index.py", &code("copied"), 0o644)]));
    client.call_with_body("s3", "PutObject", json!({"Bucket": "packages", "Key": "k"}), Some(body)).await.ok();
    let from = |mode: &str| json!({"S3Bucket": "packages", "S3Key": "k", "S3ObjectStorageMode": mode});
    let mut input = python("f", "");
    input["Code"] = from("COPY");
    create(&client, input.clone()).await;
    let mut update = from("COPY");
    update["FunctionName"] = json!("f");
    call(&client, "UpdateFunctionCode", update.clone()).await;
    call(&client, "PublishLayerVersion", json!({"LayerName": "l", "Content": from("COPY")})).await;
    client.call("s3", "DeleteObject", json!({"Bucket": "packages", "Key": "k"})).await.ok();
    assert_eq!(invoke(&client, "f", json!({})).await[0], "copied");
    input["Code"] = from("REFERENCE");
    input["FunctionName"] = json!("g");
    update["S3ObjectStorageMode"] = json!("REFERENCE");
    for (operation, input) in [
        ("CreateFunction", input),
        ("UpdateFunctionCode", update),
        ("PublishLayerVersion", json!({"LayerName": "l", "Content": from("REFERENCE")})),
    ] {
        assert_eq!(client.call("lambda", operation, input).await.status, 501, "{operation}");
    }
}

async fn wrong_words_about_versions_are_refused() {
    let (_cloud, client) = cloud().await;
    two_versions(&client).await;
    call(&client, "CreateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).await;
    let sha = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await["CodeSha256"].clone();
    let alias = |more: Json| {
        let mut input = json!({"FunctionName": "f", "Name": "new", "FunctionVersion": "1"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let weights = |weights: Json| alias(json!({"RoutingConfig": {"AdditionalVersionWeights": weights}}));
    let bad = "InvalidParameterValueException";
    let missing = "ResourceNotFoundException";
    let wrong = "abc";
    let different = format!(
        "CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
        sha.as_str().unwrap()
    );
    let cases: Vec<(&str, Json, u16, &str, String)> = vec![
        ("PublishVersion", json!({"FunctionName": "f", "CodeSha256": wrong}), 400, bad, different),
        ("PublishVersion", json!({"FunctionName": "f", "RevisionId": wrong}), 412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id".to_owned()),
        ("PublishVersion", json!({"FunctionName": "g"}), 404, missing, format!("Function not found: {}g", ARN.trim_end_matches('f'))),
        ("PublishVersion", json!({"FunctionName": "f", "PublishTo": "LATEST_PUBLISHED"}), 501, "NotImplemented", "managed instances".to_owned()),
        ("CreateAlias", alias(json!({"Name": "live"})), 409, "ResourceConflictException", format!("Alias already exists: {ARN}:live")),
        ("CreateAlias", alias(json!({"FunctionVersion": "9"})), 404, missing, format!("Function not found: {ARN}:9")),
        ("CreateAlias", alias(json!({"Name": "7"})), 400, "ValidationException", "(?!^[0-9]+$)".to_owned()),
        ("CreateAlias", weights(json!({"1": 0.1, "2": 0.1})), 400, bad, "Number of items in AdditionalVersionWeights cannot be greater than 1".to_owned()),
        ("CreateAlias", weights(json!({"1": 0.1})), 400, bad, "Invalid function version 1. Function version 1 is already included in routing configuration.".to_owned()),
        ("CreateAlias", weights(json!({"8": 0.1})), 404, missing, format!("Function not found: {ARN}:8")),
        ("CreateAlias", weights(json!({"2": 2.0})), 400, "ValidationException", "less than or equal to 1".to_owned()),
        ("CreateAlias", alias(json!({"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}})), 400, bad, "$LATEST is not supported for an alias pointing to more than 1 version".to_owned()),
        ("UpdateAlias", json!({"FunctionName": "f", "Name": "none"}), 404, missing, format!("Alias not found: {ARN}:none")),
        ("UpdateAlias", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "9"}), 404, missing, format!("Function not found: {ARN}:9")),
        ("UpdateAlias", json!({"FunctionName": "f", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}}), 400, bad, "is already included in routing configuration.".to_owned()),
        ("DeleteAlias", json!({"FunctionName": "none", "Name": "live"}), 404, missing, "Function not found: ".to_owned()),
        ("ListAliases", json!({"FunctionName": "none"}), 404, missing, "Function not found: ".to_owned()),
        ("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "$LATEST"}), 400, bad, "$LATEST version cannot be deleted without deleting the function.".to_owned()),
        ("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "live"}), 400, bad, "Deletion of aliases is not currently supported.".to_owned()),
        ("GetFunction", json!({"FunctionName": "f", "Qualifier": "none"}), 404, missing, format!("Function not found: {ARN}:none")),
        ("GetFunction", json!({"FunctionName": "f:1", "Qualifier": "2"}), 400, bad, "The derived qualifier from the function name does not match the specified qualifier.".to_owned()),
        ("Invoke", json!({"FunctionName": "f", "Qualifier": "none"}), 404, missing, format!("Function not found: {ARN}:none")),
        ("ListVersionsByFunction", json!({"FunctionName": "f", "Marker": "x"}), 400, bad, "Invalid Marker".to_owned()),
        ("ListAliases", json!({"FunctionName": "f", "Marker": "x"}), 400, bad, "Invalid Marker".to_owned()),
        ("ListFunctions", json!({"FunctionVersion": "ONE"}), 400, "ValidationException", "enum value set: [ALL]".to_owned()),
        ("PutFunctionConcurrency", json!({"FunctionName": "f:1", "ReservedConcurrentExecutions": 1}), 400, bad, "Aliases and versions do not support this operation.".to_owned()),
        ("TagResource", json!({"Resource": format!("{ARN}:live"), "Tags": {"k": "v"}}), 400, bad, "Tags on function aliases and versions are not supported. Please specify a function ARN.".to_owned()),
    ];
    for (operation, input, status, code, words) in cases {
        let answer: Answer = client.call("lambda", operation, input.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{operation} {input}: {}", answer.json);
        assert!(told(&answer).contains(&words), "{operation} {input}: {}", answer.json);
    }
}
