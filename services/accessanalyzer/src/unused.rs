//! Access that nobody uses: roles, keys, passwords and permissions of users and roles, by what IAM knows of when they were used last.
//!
//! Source: "IAM Access Analyzer findings: unused access" in the IAM user guide. What is younger than the age that the analyzer looks
//! for is not told of. Of services whose actions IAM tells one by one actions are told; of others the service as a whole.

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Result};

use crate::api::kept::{AnalysisRuleCriteria, UnusedAccessConfiguration};
use crate::error::invalid;
use crate::role;
use crate::rows::{Analyzer, Found, Unused};
use crate::zone::{Zone, every};

/// Days for which access is not used, where nothing else is said.
pub(crate) const DEFAULT_AGE: i32 = 90;
const DAY_SECONDS: i64 = 86_400;
/// Accounts that a rule may name.
const MOST_ACCOUNTS: usize = 2_000;

/// Holds a configuration against what it may be.
pub(crate) fn check(configuration: &UnusedAccessConfiguration, zone: &Zone, owner: &str) -> Result<()> {
    if configuration.unused_access_age.is_some_and(|age| !(1..=365).contains(&age)) {
        return Err(invalid("The unusedAccessAge must be between 1 and 365.").into());
    }
    for rule in exclusions(configuration) {
        let accounts = rule.account_ids.as_deref().unwrap_or(&[]);
        if !accounts.is_empty() && zone.organization.is_none() {
            return Err(invalid("Account IDs can be excluded by organization-level analyzers only.").into());
        }
        if accounts.iter().any(|account| account == owner) || accounts.len() > MOST_ACCOUNTS {
            return Err(invalid("The accountIds of an exclusion are not valid.").into());
        }
    }
    Ok(())
}

fn exclusions(configuration: &UnusedAccessConfiguration) -> &[AnalysisRuleCriteria] {
    configuration.analysis_rule.as_ref().and_then(|rule| rule.exclusions.as_deref()).unwrap_or(&[])
}

/// What is looked for.
struct Look<'a> {
    configuration: &'a UnusedAccessConfiguration,
    /// Seconds since 1970: what was not used since is unused.
    since: i64,
    account: &'a str,
}

impl Look<'_> {
    /// Whether somebody with these tags is left out.
    fn excludes(&self, tags: &Json) -> bool {
        let has = |key: &str, value: &str| {
            let tags = tags.as_array().into_iter().flatten();
            tags.into_iter().any(|tag| tag["Key"] == key && (value.is_empty() || tag["Value"] == value))
        };
        exclusions(self.configuration)
            .iter()
            .flat_map(|rule| rule.resource_tags.iter().flatten())
            .any(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| has(key, value)))
    }

    /// A time of something's use, or nothing if it was used of late. `Err`: it is not old enough to be told of.
    fn unused(&self, created: &Json, last: &Json) -> Option<Option<i64>> {
        let created = created.as_f64().unwrap_or(0.0) as i64;
        let last = last.as_f64().map(|seconds| seconds as i64);
        (created <= self.since && last.is_none_or(|last| last <= self.since)).then(|| last.map(|at| at * 1000))
    }

    fn found(&self, kind: &str, arn: &Json, resource_type: &str) -> Found {
        Found {
            kind: kind.to_owned(),
            resource: arn.as_str().unwrap_or_default().to_owned(),
            resource_type: resource_type.to_owned(),
            owner: self.account.to_owned(),
            ..Found::default()
        }
    }
}

/// All unused access of a zone.
pub(crate) async fn look(cx: &Cx, analyzer: &Analyzer, zone: &Zone) -> Result<Vec<Found>> {
    // What IAM was told of calls and has not written yet counts too.
    cx.kernel().keep_remembered().await?;
    let configuration = analyzer.configuration()?.and_then(|all| all.unused_access);
    let configuration = configuration.unwrap_or_default();
    let age = i64::from(configuration.unused_access_age.unwrap_or(DEFAULT_AGE));
    let since = cx.now().as_second() - age * DAY_SECONDS;
    let excluded = |account: &String| {
        exclusions(&configuration).iter().any(|rule| rule.account_ids.as_ref().is_some_and(|ids| ids.contains(account)))
    };
    let mut all = Vec::new();
    for account in zone.accounts.iter().filter(|account| !excluded(account)) {
        let there = role::session(cx, account, cx.region());
        let look = Look { configuration: &configuration, since, account };
        of_roles(&there, &look, &mut all).await?;
        of_users(&there, &look, &mut all).await?;
    }
    Ok(all)
}

async fn of_roles(cx: &Cx, look: &Look<'_>, all: &mut Vec<Found>) -> Result<()> {
    const TYPE: &str = "AWS::IAM::Role";
    let input = json!({"Filter": ["Role"]});
    for role in every(cx, "iam", "GetAccountAuthorizationDetails", input, "RoleDetailList").await? {
        let of_service = role["Path"].as_str().is_some_and(|path| path.starts_with("/aws-service-role/"));
        if of_service || look.excludes(&role["Tags"]) {
            continue;
        }
        match look.unused(&role["CreateDate"], &role["RoleLastUsed"]["LastUsedDate"]) {
            Some(last_accessed) => {
                all.push(Found { last_accessed, ..look.found("UnusedIAMRole", &role["Arn"], TYPE) });
            }
            None => all.extend(permissions(cx, look, &role, TYPE).await?),
        }
    }
    Ok(())
}

async fn of_users(cx: &Cx, look: &Look<'_>, all: &mut Vec<Found>) -> Result<()> {
    const TYPE: &str = "AWS::IAM::User";
    for user in every(cx, "iam", "ListUsers", json!({}), "Users").await? {
        let name = json!({"UserName": user["UserName"]});
        let tags = every(cx, "iam", "ListUserTags", name.clone(), "Tags").await?;
        if look.excludes(&Json::Array(tags)) {
            continue;
        }
        match cx.call("iam", "GetLoginProfile", name.clone()).await {
            Ok(profile) => {
                let unused = look.unused(&profile["LoginProfile"]["CreateDate"], &user["PasswordLastUsed"]);
                all.extend(unused.map(|last_accessed| Found {
                    last_accessed,
                    ..look.found("UnusedIAMUserPassword", &user["Arn"], TYPE)
                }));
            }
            Err(failure) if failure.code() == Some("NoSuchEntity") => {}
            Err(failure) => return Err(failure),
        }
        for key in every(cx, "iam", "ListAccessKeys", name.clone(), "AccessKeyMetadata").await? {
            let input = json!({"AccessKeyId": key["AccessKeyId"]});
            let used = cx.call("iam", "GetAccessKeyLastUsed", input).await?;
            let unused = look.unused(&key["CreateDate"], &used["AccessKeyLastUsed"]["LastUsedDate"]);
            if let Some(last_accessed) = unused.filter(|_| key["Status"] == "Active") {
                let access_key = key["AccessKeyId"].as_str().map(ToOwned::to_owned);
                let found = look.found("UnusedIAMUserAccessKey", &user["Arn"], TYPE);
                all.push(Found { last_accessed, access_key, ..found });
            }
        }
        all.extend(permissions(cx, look, &user, TYPE).await?);
    }
    Ok(())
}

/// The permissions of a user or role that are not used.
async fn permissions(cx: &Cx, look: &Look<'_>, who: &Json, resource_type: &str) -> Result<Option<Found>> {
    if who["CreateDate"].as_f64().unwrap_or(0.0) as i64 > look.since {
        return Ok(None);
    }
    let input = json!({"Arn": who["Arn"], "Granularity": "ACTION_LEVEL"});
    let job = cx.call("iam", "GenerateServiceLastAccessedDetails", input).await?;
    let services =
        every(cx, "iam", "GetServiceLastAccessedDetails", json!({"JobId": job["JobId"]}), "ServicesLastAccessed")
            .await?;
    let mut unused = Vec::new();
    for service in &services {
        let name = service["ServiceNamespace"].as_str().unwrap_or_default().to_owned();
        if let Some(last) = look.unused(&Json::Null, &service["LastAuthenticated"]) {
            unused.push(Unused { service: name, last, actions: None });
            continue;
        }
        let tracked = service["TrackedActionsLastAccessed"].as_array().into_iter().flatten();
        let actions: Vec<(String, Option<i64>)> = tracked
            .filter_map(|action| {
                let last = look.unused(&Json::Null, &action["LastAccessedTime"])?;
                Some((format!("{name}:{}", action["ActionName"].as_str()?), last))
            })
            .collect();
        if !actions.is_empty() {
            let last = service["LastAuthenticated"].as_f64().map(|seconds| (seconds * 1000.0) as i64);
            unused.push(Unused { service: name, last, actions: Some(actions) });
        }
    }
    let found = look.found("UnusedPermission", &who["Arn"], resource_type);
    Ok((!unused.is_empty()).then_some(Found { unused, ..found }))
}
