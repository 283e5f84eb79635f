//! Recommendations for unused permissions: policies to take off, and those to put in their place.
//!
//! A policy of which nothing was used is taken off; of one of which something was used a narrower one takes its place, which allows in
//! each statement what was used by it, and what it denies. Policies of a user's groups are others' as well, and stay.
//!
//! Source: GenerateFindingRecommendation and GetFindingRecommendation in the API reference; "Remediate findings" in the IAM user guide.

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::policy::{Document, Effect, Element, Policy, PolicyKind};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::analyzers::by_arn;
use crate::api::{self, output};
use crate::error::{invalid, missing, page};
use crate::findings::find;
use crate::resources::unescaped;
use crate::rows::{ANALYZERS, Analyzer, FINDINGS, moment};
use crate::zone::every;
use crate::{SERVICE, role, unused};

/// Account, region, analyzer; id of the finding.
static RECOMMENDED: Table<Recommended> = Table::new("accessanalyzer.recommended");

/// The kind of the tasks that make recommendations.
pub(crate) const KIND: &str = "recommend";

/// A recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Recommended {
    #[n(0)]
    resource: String,
    #[n(1)]
    started: i64,
    #[n(2)]
    completed: Option<i64>,
    #[n(3)]
    steps: Vec<Step>,
    /// Code and message.
    #[n(4)]
    error: Option<(String, String)>,
}

/// A step of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Step {
    #[n(0)]
    action: String,
    /// The policy that is there: the ARN of a managed one, the name of another.
    #[n(1)]
    existing: Option<String>,
    /// The policy that shall be.
    #[n(2)]
    policy: Option<String>,
    #[n(3)]
    updated: Option<i64>,
}

/// An analyzer goes with what it recommends.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, analyzer: &str) -> Result<()> {
    RECOMMENDED.clear(tx, &cx.key(analyzer))?;
    Ok(())
}

/// Begins a recommendation.
pub(crate) async fn generate(cx: &Cx, input: &api::GenerateFindingRecommendationInput) -> Result<()> {
    let from = cx.read();
    let wrong = |_| invalid("There is no finding with this ID and analyzer.");
    let analyzer = by_arn(cx, &from, &input.analyzer_arn).map_err(wrong)?;
    let whole = find(cx, &from, &analyzer, &input.id).map_err(wrong)?;
    drop(from);
    if whole.found.kind != "UnusedPermission" {
        return Err(invalid("Recommendations can be generated for unused permission findings only.").into());
    }
    let begun = Recommended {
        resource: whole.found.resource,
        started: cx.now_millis(),
        completed: None,
        steps: Vec::new(),
        error: None,
    };
    cx.write(|tx| {
        RECOMMENDED.put(tx, &(cx.key(analyzer.name.as_str()), input.id.as_str()), &begun);
        let payload = json!([analyzer.name, input.id]).to_string();
        let id = format!("recommend/{}/{}/{}/{}", cx.account(), cx.region(), analyzer.name, input.id);
        cx.tasks().schedule(cx, tx, SERVICE, &id, KIND, payload, cx.now())
    })
    .await
}

/// Makes a recommendation: `[analyzer, id]`.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let (name, id): (String, String) = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let from = cx.read();
    let analyzer = ANALYZERS.get(&from, &cx.key(&name))?;
    let finding = FINDINGS.get(&from, &(cx.key(&name), id.as_str()))?;
    drop(from);
    let (Some(analyzer), Some(finding)) = (analyzer, finding) else { return Ok(Next::Done) };
    let found = finding.found()?;
    let made = make(cx, &analyzer, &found.owner, &found.resource).await?;
    cx.write(|tx| {
        let key = (cx.key(name.as_str()), id.as_str());
        let Some(mut row) = RECOMMENDED.get(tx, &key)? else { return Ok(()) };
        row.completed = Some(cx.now_millis());
        match &made {
            Some(steps) => row.steps.clone_from(steps),
            None => {
                let message = format!("The user or role {} was not found.", row.resource);
                row.error = Some(("RESOURCE_NOT_FOUND".to_owned(), message));
            }
        }
        RECOMMENDED.put(tx, &key, &row);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

/// A policy of a user or role.
struct Given {
    /// As it is called in what was used.
    name: String,
    id: String,
    text: String,
    updated: Option<i64>,
}

/// The policies of a user or role; `None`: it is gone.
async fn policies(cx: &Cx, arn: &str) -> Result<Option<Vec<Given>>> {
    let is_role = arn.contains(":role/");
    let (kind, list, own) = if is_role {
        ("Role", "RoleDetailList", "RolePolicyList")
    } else {
        ("User", "UserDetailList", "UserPolicyList")
    };
    let all = every(cx, "iam", "GetAccountAuthorizationDetails", json!({"Filter": [kind]}), list).await?;
    let Some(who) = all.iter().find(|who| who["Arn"] == arn) else { return Ok(None) };
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let mut given = Vec::new();
    for policy in who[own].as_array().into_iter().flatten() {
        let (name, document) = (text(&policy["PolicyName"]), text(&unescaped(&policy["PolicyDocument"])));
        given.push(Given { id: name.clone(), name, text: document, updated: None });
    }
    for policy in who["AttachedManagedPolicies"].as_array().into_iter().flatten() {
        let arn = json!({"PolicyArn": policy["PolicyArn"]});
        let about = cx.call("iam", "GetPolicy", arn.clone()).await?;
        let mut version = arn;
        version["VersionId"] = about["Policy"]["DefaultVersionId"].clone();
        let document = cx.call("iam", "GetPolicyVersion", version).await?;
        given.push(Given {
            name: text(&policy["PolicyName"]),
            id: text(&policy["PolicyArn"]),
            text: text(&unescaped(&document["PolicyVersion"]["Document"])),
            updated: about["Policy"]["UpdateDate"].as_f64().map(|seconds| (seconds * 1000.0) as i64),
        });
    }
    Ok(Some(given))
}

/// The steps; `None`: nobody of that name is there any more.
async fn make(cx: &Cx, analyzer: &Analyzer, owner: &str, arn: &str) -> Result<Option<Vec<Step>>> {
    let there = role::session(cx, owner, cx.region());
    let Some(given) = policies(&there, arn).await? else { return Ok(None) };
    let Some(known) = cx.kernel().identities() else { return Ok(None) };
    let configuration = analyzer.configuration()?.and_then(|all| all.unused_access);
    let age = i64::from(configuration.and_then(|c| c.unused_access_age).unwrap_or(unused::DEFAULT_AGE));
    let since = Timestamp::from_second(cx.now().as_second() - age * 86_400).unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(told) = known.least_privilege(cx.kernel(), arn, since).await? else { return Ok(None) };
    let mut steps = Vec::new();
    for policy in given {
        steps.extend(of_policy(&policy, &told)?);
    }
    Ok(Some(steps))
}

/// What is to become of one policy.
fn of_policy(given: &Given, told: &Json) -> Result<Vec<Step>> {
    let parts = ["unused", "wider"].into_iter().flat_map(|which| told[which].as_array().into_iter().flatten());
    let parts: Vec<&Json> = parts.filter(|part| part["policy"] == given.name.as_str()).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let parsed = Policy::parse(PolicyKind::Inline, &given.text).map_err(Failure::broken)?;
    let narrowed = narrowed(parsed.document(), &parts);
    let detach = Step {
        action: "DETACH_POLICY".to_owned(),
        existing: Some(given.id.clone()),
        policy: None,
        updated: given.updated,
    };
    let allows = narrowed.statements.iter().any(|statement| statement.effect == Effect::Allow);
    if !allows {
        return Ok(vec![detach]);
    }
    let create = Step {
        action: "CREATE_POLICY".to_owned(),
        existing: Some(given.id.clone()),
        policy: Some(narrowed.to_value().to_string()),
        updated: given.updated,
    };
    Ok(vec![create, detach])
}

/// A policy with what was used in each pattern's place.
fn narrowed(document: &Document, parts: &[&Json]) -> Document {
    let mut narrowed = document.clone();
    for (at, statement) in narrowed.statements.iter_mut().enumerate() {
        if statement.effect != Effect::Allow {
            continue;
        }
        let name = statement.sid.clone().unwrap_or_else(|| (at + 1).to_string());
        let of_statement: Vec<&&Json> = parts.iter().filter(|part| part["statement"] == name.as_str()).collect();
        let used = |part: &Json| -> Vec<String> {
            part["used"].as_array().into_iter().flatten().filter_map(|a| a.as_str().map(ToOwned::to_owned)).collect()
        };
        let mut patterns: Vec<String> = if statement.action.negated {
            match of_statement.first() {
                Some(part) => used(part),
                None => continue,
            }
        } else {
            let of = |pattern: &String| of_statement.iter().find(|part| part["action"] == pattern.as_str());
            let narrow = |pattern: &String| of(pattern).map_or_else(|| vec![pattern.clone()], |part| used(part));
            statement.action.patterns.iter().flat_map(narrow).collect()
        };
        patterns.sort();
        patterns.dedup();
        statement.action = Element { negated: false, patterns };
    }
    narrowed.statements.retain(|statement| !statement.action.patterns.is_empty());
    narrowed
}

pub(crate) fn get(cx: &Cx, input: &api::GetFindingRecommendationInput) -> Result<api::GetFindingRecommendationOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let found = RECOMMENDED.get(&from, &(cx.key(analyzer.name.as_str()), input.id.as_str()))?;
    let row = found.ok_or_else(|| missing("recommendation", &input.id))?;
    let status = match (&row.error, row.completed) {
        (Some(_), _) => "FAILED",
        (None, Some(_)) => "SUCCEEDED",
        (None, None) => "IN_PROGRESS",
    };
    let step = |step: Step| output::RecommendedStep {
        unused_permissions_recommended_step: Some(output::UnusedPermissionsRecommendedStep {
            policy_updated_at: step.updated.map(moment),
            recommended_action: step.action,
            recommended_policy: step.policy,
            existing_policy_id: step.existing,
        }),
    };
    let scope = format!("GetFindingRecommendation/{}/{}", input.id, row.started);
    let all = row.steps.into_iter().map(step).collect();
    let (steps, next_token) = page(&scope, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::GetFindingRecommendationOutput {
        started_at: moment(row.started),
        completed_at: row.completed.map(moment),
        next_token,
        error: row.error.map(|(code, message)| output::RecommendationError { code, message }),
        resource_arn: row.resource,
        recommended_steps: Some(steps),
        recommendation_type: "UnusedPermissionRecommendation".to_owned(),
        status: status.to_owned(),
    })
}
