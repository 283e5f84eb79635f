//! CloudFormation resource types: each service says how its own are made, changed and removed.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use crate::{AwsError, Cx, Result};

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
        self.properties.get(name).filter(|value| !value.is_null()).map(text)
    }

    /// The tags of the resource: those of the stack, then its own, which take the place of the stack's under their names.
    ///
    /// # Errors
    /// `ValidationError` when one has no `Key` or no `Value`.
    pub fn all_tags(&self) -> Result<ResourceTags> {
        let mut own = Vec::new();
        for (at, tag) in self.properties.get("Tags").and_then(Json::as_array).into_iter().flatten().enumerate() {
            let member = |name: &str| {
                let missing = format!("Model validation failed (#/Tags/{at}: required key [{name}] not found)");
                tag.get(name).map(text).ok_or_else(|| AwsError::new("ValidationError", 400, missing))
            };
            own.push((member("Key")?, member("Value")?));
        }
        let mut all = self.tags.clone();
        all.retain(|(name, _)| !own.iter().any(|(o, _)| o == name));
        all.append(&mut own);
        Ok(ResourceTags(all))
    }
}

/// The tags that a resource shall have, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTags(Vec<(String, String)>);

impl ResourceTags {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As some APIs have them: `[{"Key": …, "Value": …}]`.
    pub fn list(&self) -> Json {
        self.0.iter().map(|(name, value)| json!({"Key": name, "Value": value})).collect()
    }

    /// As other APIs have them: `{name: value}`.
    pub fn map(&self) -> Json {
        self.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    }

    /// The names of tags that are there, in either form, and shall not be.
    pub fn unwanted(&self, there: &Json) -> Vec<String> {
        let of_list = there.as_array().into_iter().flatten().filter_map(|tag| tag["Key"].as_str());
        let names = of_list.chain(there.as_object().into_iter().flat_map(Map::keys).map(String::as_str));
        names.filter(|name| !self.0.iter().any(|(wanted, _)| wanted == name)).map(ToOwned::to_owned).collect()
    }
}

/// A value as text. Numbers and booleans are texts too, and documents their JSON.
pub fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A property that is a list of texts; without it there are none.
pub fn texts(properties: &Properties, name: &str) -> Vec<String> {
    properties.get(name).and_then(Json::as_array).into_iter().flatten().map(text).collect()
}

/// The properties that are there, of those named: for parameters that have the same name and form.
pub fn pick(properties: &Properties, names: &[&str]) -> Properties {
    names.iter().filter_map(|name| Some(((*name).to_owned(), properties.get(*name)?.clone()))).collect()
}

/// To remove what is not there, which the API says with one of these codes, is to do nothing.
///
/// # Errors
/// Any other than those.
pub fn unless_gone(removed: Result<Json>, codes: &[&str]) -> Result<()> {
    match removed {
        Err(failure) if failure.code().is_some_and(|code| codes.contains(&code)) => Ok(()),
        other => other.map(drop),
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

impl Resource {
    /// One with these attributes.
    pub fn new<'a>(id: impl Into<String>, attributes: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { id: id.into(), attributes }
    }
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

    /// Changes it from `before` to what the request says. What can only be changed by replacement is the same in both.
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
