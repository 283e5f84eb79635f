//! `AWS::AccessAnalyzer::Analyzer` and `ArchiveRule`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

use crate::SERVICE;

const GONE: &[&str] = &["ResourceNotFoundException"];

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

/// A property under the API's name for it, if it is there.
fn named<'a>(of: &'a Json, names: &[(&str, &'a str)]) -> Map<String, Json> {
    let there = names.iter().filter_map(|(property, name)| Some(((*name).to_owned(), of.get(*property)?.clone())));
    there.collect()
}

/// A condition of a filter.
fn criterion(of: &Json) -> Json {
    let mut all = named(of, &[("Eq", "eq"), ("Neq", "neq"), ("Contains", "contains"), ("Exists", "exists")]);
    // Templates may say truths as texts.
    if let Some(exists) = all.get_mut("exists") {
        *exists = json!(text(exists) == "true");
    }
    Json::Object(all)
}

/// Filters of rules that stand in analyzers are lists; each names its key.
fn listed(filters: &Json) -> Json {
    let all = filters.as_array().into_iter().flatten();
    all.map(|filter| (text(&filter["Property"]), criterion(filter))).collect()
}

/// Filters of rules that stand alone.
fn mapped(filters: &Json) -> Json {
    let all = filters.as_object().into_iter().flatten();
    all.map(|(key, filter)| (key.clone(), criterion(filter))).collect()
}

fn rules(properties: &Properties) -> Vec<(String, Json)> {
    let all = properties.get("ArchiveRules").and_then(Json::as_array).into_iter().flatten();
    all.map(|rule| (text(&rule["RuleName"]), listed(&rule["Filter"]))).collect()
}

/// The configuration of an analyzer, as the API has it.
fn configuration(properties: &Properties) -> Option<Json> {
    let given = properties.get("AnalyzerConfiguration")?;
    let mut all = Map::new();
    if let Some(unused) = given.get("UnusedAccessConfiguration") {
        let mut of = Map::new();
        if let Some(age) = unused.get("UnusedAccessAge") {
            of.insert("unusedAccessAge".to_owned(), json!(text(age).parse::<i64>().ok()));
        }
        let exclusions = unused["AnalysisRule"]["Exclusions"].as_array();
        if let Some(exclusions) = exclusions {
            let tags = |set: &Json| -> Json {
                let all = set.as_array().into_iter().flatten();
                all.map(|tag| (text(&tag["Key"]), json!(tag.get("Value").map_or_else(String::new, text)))).collect()
            };
            let rule = |rule: &Json| {
                let mut of = named(rule, &[("AccountIds", "accountIds")]);
                if let Some(sets) = rule.get("ResourceTags").and_then(Json::as_array) {
                    of.insert("resourceTags".to_owned(), sets.iter().map(tags).collect());
                }
                Json::Object(of)
            };
            let exclusions: Vec<Json> = exclusions.iter().map(rule).collect();
            of.insert("analysisRule".to_owned(), json!({"exclusions": exclusions}));
        }
        all.insert("unusedAccess".to_owned(), Json::Object(of));
    }
    if let Some(internal) = given.get("InternalAccessConfiguration") {
        let names =
            [("AccountIds", "accountIds"), ("ResourceArns", "resourceArns"), ("ResourceTypes", "resourceTypes")];
        let inclusions = internal["InternalAccessAnalysisRule"]["Inclusions"].as_array();
        let of: Vec<Json> = inclusions.into_iter().flatten().map(|rule| Json::Object(named(rule, &names))).collect();
        all.insert("internalAccess".to_owned(), json!({"analysisRule": {"inclusions": of}}));
    }
    Some(Json::Object(all))
}

/// What stands behind the last slash of an ARN.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// `AWS::AccessAnalyzer::Analyzer`
pub(crate) struct Analyzer;

fn analyzer(arn: &str) -> Resource {
    Resource::new(arn, [("Arn", json!(arn))])
}

impl ResourceType for Analyzer {
    fn name(&self) -> &'static str {
        "AWS::AccessAnalyzer::Analyzer"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AnalyzerConfiguration", "AnalyzerName", "ArchiveRules", "Tags", "Type"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AnalyzerName", "Type"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("AnalyzerName").unwrap_or_else(|| request.generated_name(cx, 255));
            let rules: Vec<Json> = rules(&request.properties)
                .into_iter()
                .map(|(name, filter)| json!({"ruleName": name, "filter": filter}))
                .collect();
            let input = json!({
                "analyzerName": name, "type": request.text("Type"), "archiveRules": rules, "tags": request.all_tags()?.map(),
                "configuration": configuration(&request.properties),
            });
            Ok(analyzer(&text(&call(cx, "CreateAnalyzer", input).await?["arn"])))
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let name = last(id);
            let wanted = configuration(&request.properties);
            if wanted.is_some() && wanted != configuration(before) {
                call(cx, "UpdateAnalyzer", json!({"analyzerName": name, "configuration": wanted})).await?;
            }
            let (old, new) = (rules(before), rules(&request.properties));
            for (rule, _) in old.iter().filter(|(rule, _)| !new.iter().any(|(other, _)| other == rule)) {
                let input = json!({"analyzerName": name, "ruleName": rule});
                unless_gone(call(cx, "DeleteArchiveRule", input).await, GONE)?;
            }
            for (rule, filter) in &new {
                let there = old.iter().any(|(other, _)| other == rule);
                let operation = if there { "UpdateArchiveRule" } else { "CreateArchiveRule" };
                call(cx, operation, json!({"analyzerName": name, "ruleName": rule, "filter": filter})).await?;
            }
            let tags = request.all_tags()?;
            let there = call(cx, "ListTagsForResource", json!({"resourceArn": id})).await?;
            let gone = tags.unwanted(&there["tags"]);
            if !gone.is_empty() {
                call(cx, "UntagResource", json!({"resourceArn": id, "tagKeys": gone})).await?;
            }
            if !tags.is_empty() {
                call(cx, "TagResource", json!({"resourceArn": id, "tags": tags.map()})).await?;
            }
            Ok(Updated::InPlace(analyzer(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteAnalyzer", json!({"analyzerName": last(id)})).await, GONE) })
    }
}

/// `AWS::AccessAnalyzer::ArchiveRule`
pub(crate) struct ArchiveRule;

async fn rule(cx: &Cx, analyzer: &str, name: &str) -> Result<Resource> {
    let found = call(cx, "GetArchiveRule", json!({"analyzerName": analyzer, "ruleName": name})).await?;
    let moment = |name: &str| {
        let seconds = found["archiveRule"][name].as_f64().and_then(undercast_wire::text::from_epoch);
        json!(seconds.map(|at| at.to_string()))
    };
    let arn = cx.arn("access-analyzer", &format!("analyzer/{analyzer}/archive-rule/{name}"));
    let attributes = [("Arn", json!(arn)), ("CreatedAt", moment("createdAt")), ("UpdatedAt", moment("updatedAt"))];
    Ok(Resource::new(arn.clone(), attributes))
}

async fn put(cx: &Cx, operation: &str, properties: &Properties) -> Result<Resource> {
    let of = |name: &str| properties.get(name).map_or_else(String::new, text);
    let (analyzer, name) = (of("AnalyzerName"), of("RuleName"));
    let filter = properties.get("Filter").map(mapped);
    call(cx, operation, json!({"analyzerName": analyzer, "ruleName": name, "filter": filter})).await?;
    rule(cx, &analyzer, &name).await
}

impl ResourceType for ArchiveRule {
    fn name(&self) -> &'static str {
        "AWS::AccessAnalyzer::ArchiveRule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AnalyzerName", "Filter", "RuleName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AnalyzerName", "RuleName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(put(cx, "CreateArchiveRule", &request.properties))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(put(cx, "UpdateArchiveRule", &request.properties).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let named = pick(properties, &["AnalyzerName", "RuleName"]);
            let of = |name: &str| named.get(name).map_or_else(String::new, text);
            let input = json!({"analyzerName": of("AnalyzerName"), "ruleName": of("RuleName")});
            unless_gone(call(cx, "DeleteArchiveRule", input).await, GONE)
        })
    }
}
