//! What a call met with while it was judged, for those who keep records: how it was decided, whose resources it touched, and by which
//! condition keys and tags it could have been judged.
//!
//! Source: "Enrich CloudTrail events by adding resource tag keys and IAM global condition keys" in the CloudTrail user guide.

use serde_json::{Map, Value as Json, json};
use undercast_policy::{Context as _, MapContext, Values};

use crate::access::{Belonging, CallContext, Later};
use crate::{Access, Cx, Result};

/// The condition keys with which events can be enriched, as they are written.
pub const CONTEXT_KEYS: &[&str] = &[
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:FederatedProvider",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceName",
    "aws:PrincipalType",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIdentity",
    "aws:SourceIp",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:ViaAWSService",
    "aws:userid",
    "aws:username",
];

/// What a call met with.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// How it was decided, where that is told.
    pub(crate) decision: Option<Json>,
    /// The accounts other than the one that it went to whose resources it was let touch.
    pub(crate) owners: Vec<String>,
    /// The condition keys that it had, and the tags of its resources and of who made it, where somebody keeps them:
    /// `{keys, principalTags, resourceTags: [{arn, tags}]}`.
    pub(crate) context: Option<Json>,
}

fn told(values: &Values<'_>) -> Json {
    match values {
        Values::One(value) => json!(value),
        Values::Many(all) => json!(all),
    }
}

impl Met {
    /// A permission was given.
    pub(crate) fn let_touch(&mut self, cx: &Cx, access: &Access) {
        let Some(owner) = &access.resource_account else { return };
        let is_account = owner.len() == 12 && owner.chars().all(|c| c.is_ascii_digit());
        if is_account && owner != cx.account() && !self.owners.contains(owner) {
            self.owners.push(owner.clone());
        }
    }

    /// Adds the keys and tags of a permission that is asked for. `more`: those that are worked out when a policy asks for one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn enrich(&mut self, cx: &Cx, access: &Access, more: &MapContext) -> Result<()> {
        let facts = match cx.kernel().identities() {
            Some(known) => known.policies(&cx.read(), cx.principal())?,
            None => std::sync::Arc::default(),
        };
        let owner = access.resource_account.as_deref().unwrap_or(cx.account());
        let organizations = Belonging::of(cx, owner)?;
        let later = Later::new(None);
        let context = CallContext {
            cx,
            access: &access.context,
            later: &later,
            owner,
            tags: &facts.tags,
            organizations: &organizations,
        };
        let all = self.context.get_or_insert_with(|| json!({"keys": {}, "principalTags": {}, "resourceTags": []}));
        for key in CONTEXT_KEYS {
            let small = key.to_lowercase();
            let found = context.lookup(&small).or_else(|| more.lookup(&small));
            if let Some(values) = found.or_else(|| cx.principal().lookup(&small)) {
                all["keys"][*key] = told(&values);
            }
        }
        let of_session = cx.temporary().into_iter().flat_map(|t| t.tags.iter());
        for (name, value) in facts.tags.iter().chain(of_session) {
            all["principalTags"][name.as_str()] = json!(value);
        }
        let tags = access.context.iter().chain(more.iter()).filter_map(|(key, values)| {
            let name = key.strip_prefix("aws:resourcetag/")?;
            Some((name.to_owned(), json!(values.iter().next()?)))
        });
        let tags: Map<String, Json> = tags.collect();
        if !tags.is_empty()
            && let Some(resources) = all["resourceTags"].as_array_mut()
        {
            resources.push(json!({"arn": access.resource, "tags": tags}));
        }
        Ok(())
    }
}
