//! The resource types as CloudFormation drives them.

use super::*;

async fn stack(client: &Client, operation: &str, template: &Json) -> Json {
    let input =
        json!({"StackName": "shop", "TemplateBody": template.to_string(), "Tags": [{"Key": "stack", "Value": "shop"}]});
    client.call("cloudformation", operation, input).await.ok();
    let shown = async || {
        client.call("cloudformation", "DescribeStacks", json!({"StackName": "shop"})).await.ok()["Stacks"][0].clone()
    };
    until("the stack stands", async || !shown().await["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS")).await;
    shown().await
}

fn outputs(stack: &Json) -> Json {
    let all = stack["Outputs"].as_array().unwrap().iter();
    all.map(|o| (o["OutputKey"].as_str().unwrap().to_owned(), o["OutputValue"].clone())).collect()
}

fn template(name: &str, team: &str, rules: &Json) -> Json {
    let exclusions = json!([{"ResourceTags": [[{"Key": "team", "Value": team}]]}]);
    let unused =
        json!({"UnusedAccessConfiguration": {"UnusedAccessAge": 30, "AnalysisRule": {"Exclusions": exclusions}}});
    let inclusions = json!([{"ResourceTypes": ["AWS::S3::Bucket"], "ResourceArns": [format!("arn:aws:s3:::{team}")]}]);
    let internal = json!({"InternalAccessConfiguration": {"InternalAccessAnalysisRule": {"Inclusions": inclusions}}});
    let value = |what: Json| json!({"Value": what});
    json!({
        "Resources": {
            "External": {"Type": "AWS::AccessAnalyzer::Analyzer", "Properties": {"AnalyzerName": name, "Type": "ACCOUNT", "ArchiveRules": rules,
                "Tags": [{"Key": "team", "Value": team}]}},
            "Unused": {"Type": "AWS::AccessAnalyzer::Analyzer", "Properties": {"AnalyzerName": "unused", "Type": "ACCOUNT_UNUSED_ACCESS", "AnalyzerConfiguration": unused}},
            "Internal": {"Type": "AWS::AccessAnalyzer::Analyzer", "Properties": {"AnalyzerName": "internal", "Type": "ACCOUNT_INTERNAL_ACCESS", "AnalyzerConfiguration": internal}},
            "Rule": {"Type": "AWS::AccessAnalyzer::ArchiveRule", "Properties": {"AnalyzerName": "unused", "RuleName": "alone",
                "Filter": {"resource": {"Contains": [team]}}}, "DependsOn": "Unused"},
        },
        "Outputs": {
            "External": value(json!({"Ref": "External"})), "Arn": value(json!({"Fn::GetAtt": ["External", "Arn"]})),
            "Rule": value(json!({"Ref": "Rule"})), "Updated": value(json!({"Fn::GetAtt": ["Rule", "UpdatedAt"]})),
        },
    })
}

#[tokio::test]
async fn a_stack_has_analyzers_and_rules() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let rule = |name: &str, value: &str| json!({"RuleName": name, "Filter": [{"Property": "resource", "Eq": [value], "Neq": ["x"]}, {"Property": "error", "Exists": "false"}]});
    let made =
        stack(&client, "CreateStack", &template("one", "a", &json!([rule("first", "a"), rule("second", "a")]))).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let told = outputs(&made);
    assert_eq!((&told["External"], &told["Arn"]), (&json!(analyzer_arn("one")), &json!(analyzer_arn("one"))));
    assert_eq!(told["Rule"], format!("{}/archive-rule/alone", analyzer_arn("unused")));
    let shown = async |name: &str| ok(&client, "GetAnalyzer", json!({"analyzerName": name})).await["analyzer"].clone();
    assert_eq!(shown("one").await["tags"], json!({"stack": "shop", "team": "a"}));
    let configuration = json!({"unusedAccess": {"unusedAccessAge": 30, "analysisRule": {"exclusions": [{"resourceTags": [{"team": "a"}]}]}}});
    assert_eq!(shown("unused").await["configuration"], configuration);
    assert!(shown("internal").await["configuration"]["internalAccess"].is_object());
    let rules = async || {
        let all = ok(&client, "ListArchiveRules", json!({"analyzerName": "one"})).await;
        let rules = all["archiveRules"].as_array().unwrap().iter();
        rules.map(|r| (r["ruleName"].as_str().unwrap().to_owned(), r["filter"].clone())).collect::<Vec<_>>()
    };
    let filter = |value: &str| json!({"error": {"exists": false}, "resource": {"eq": [value], "neq": ["x"]}});
    assert_eq!(rules().await, [("first".to_owned(), filter("a")), ("second".to_owned(), filter("a"))]);
    let changed =
        stack(&client, "UpdateStack", &template("one", "b", &json!([rule("second", "b"), rule("third", "b")]))).await;
    assert_eq!(changed["StackStatus"], "UPDATE_COMPLETE", "{changed}");
    assert_eq!(rules().await, [("second".to_owned(), filter("b")), ("third".to_owned(), filter("b"))]);
    assert_eq!(shown("one").await["tags"], json!({"stack": "shop", "team": "b"}));
    assert_eq!(
        shown("unused").await["configuration"]["unusedAccess"]["analysisRule"]["exclusions"][0]["resourceTags"],
        json!([{"team": "b"}])
    );
    let alone = ok(&client, "GetArchiveRule", json!({"analyzerName": "unused", "ruleName": "alone"})).await;
    assert_eq!(alone["archiveRule"]["filter"], json!({"resource": {"contains": ["b"]}}));
    client.call("cloudformation", "DeleteStack", json!({"StackName": "shop"})).await.ok();
    until("all are gone", async || ok(&client, "ListAnalyzers", json!({})).await["analyzers"] == json!([])).await;
}
