//! CloudFormation resource types: each service says how its own are made, changed and removed.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json};

use crate::{Cx, Result};

/// The resolved properties of a resource.
pub type Properties = Map<String, Json>;

/// What is asked of a resource type.
#[derive(Debug, Clone)]
pub struct ResourceRequest {
    /// Name of the stack.
    pub stack: String,
    /// ARN of the stack.
    pub stack_id: String,
    /// Logical id in the template.
    pub logical_id: String,
    /// The properties as they shall be.
    pub properties: Properties,
    /// Tags of the stack, which AWS hands on to resources that have tags.
    pub tags: Vec<(String, String)>,
}

impl ResourceRequest {
    /// A name for a resource whose template gives none: `stack-Logical-1A2B3C4D5E6F`, cut to `most` characters.
    pub fn generated_name(&self, cx: &Cx, most: usize) -> String {
        let suffix = cx.random().text(12, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        let keep = most.saturating_sub(suffix.len() + 1);
        let base: String = format!("{}-{}", self.stack, self.logical_id).chars().take(keep).collect();
        format!("{}-{suffix}", base.trim_end_matches('-'))
    }

    /// A text property. Numbers and booleans are texts too, as CloudFormation takes them.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.properties.get(name)? {
            Json::String(s) => Some(s.clone()),
            Json::Null => None,
            other => Some(other.to_string()),
        }
    }
}

/// A resource as it is now.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// Physical id: what `Ref` gives.
    pub id: String,
    /// What `Fn::GetAtt` gives, by attribute.
    pub attributes: Map<String, Json>,
}

/// What became of an update.
#[derive(Debug, Clone)]
pub enum Updated {
    /// Changed where it is.
    InPlace(Resource),
    /// It cannot be changed so: a new one must take its place.
    NeedsReplacement,
}

/// A CloudFormation resource type. Calls go out as the principal of the stack's operation, through the same dispatch as
/// any other (`cx.call`), so that policies, faults and the trail see them.
pub trait ResourceType: Send + Sync {
    /// `AWS::SQS::Queue`
    fn name(&self) -> &'static str;

    /// The properties that are understood. A template with any other is refused before anything is made.
    fn properties(&self) -> &'static [&'static str];

    /// The properties that can only be changed by replacement.
    fn create_only(&self) -> &'static [&'static str];

    /// Makes it, and returns when it can be used.
    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>>;

    /// Changes it from `before` to what the request says.
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>>;

    /// Removes it; one that is already gone is fine.
    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>>;
}
