//! `api.toml`: what of an API is built, and what of it is not honoured.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::Member;
use crate::{Error, Model};

/// The file `services/<name>/api.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Operations that are built.
    pub operations: Vec<String>,
    /// Former names of operations: the request on the wire is that of the operation which is built.
    #[serde(default)]
    pub former: BTreeMap<String, String>,
    /// `Operation.Member` or `Shape.Member` that is not honoured, and the reason.
    #[serde(default)]
    pub ignored: BTreeMap<String, String>,
    /// `Operation.Member` or `Shape.Member` whose use is refused as not built, and the reason: for members that would
    /// change the meaning of a call.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// `Operation.Member` or `Shape.Member` that no handler reads because it is honoured on the way to it, and where.
    #[serde(default)]
    pub elsewhere: BTreeMap<String, String>,
    /// `Operation.Member` that AWS's reference describes and the model lacks, and the `Shape.Member` that it is like.
    #[serde(default)]
    pub also: BTreeMap<String, String>,
    /// Shapes that the service reads and writes itself: the path of its Rust type, which has `read(Value) -> Self` and
    /// implements `Write`.
    #[serde(default)]
    pub external: BTreeMap<String, String>,
    /// Structures that are taken, stored and shown as they are, with all that they hold: one Rust type for requests and
    /// answers, which serde reads and writes.
    #[serde(default)]
    pub kept: Vec<String>,
    /// Names in query forms and XML that the model no longer tells: `Shape.Member` to its name.
    #[serde(default)]
    pub form_names: BTreeMap<String, String>,
    /// The same for maps: shape to the names of key and value.
    #[serde(default)]
    pub form_maps: BTreeMap<String, (String, String)>,
    /// Root elements of XML that the model no longer tells: shape to name.
    #[serde(default)]
    pub xml_roots: BTreeMap<String, String>,
    /// Answers whose only member is the root element itself.
    #[serde(default)]
    pub xml_unwrapped: Vec<String>,
    /// Codes of errors that the model no longer tells: shape to its code in the query protocol.
    #[serde(default)]
    pub error_codes: BTreeMap<String, String>,
    /// Enumerations whose values the service checks itself, and the reason: where AWS takes, or refuses in words of its
    /// own, what the model does not list.
    #[serde(default)]
    pub open_enums: BTreeMap<String, String>,
    /// Texts whose patterns are not checked, and the reason: where AWS takes what the model's pattern does not.
    #[serde(default)]
    pub open_patterns: BTreeMap<String, String>,
    /// HTTP statuses of errors that the model does not tell.
    #[serde(default)]
    pub error_statuses: BTreeMap<String, u16>,
    /// `Operation!Error` that the reference lists and the service never gives, and the reason; an `Operation` alone is
    /// always refused in AWS's words.
    #[serde(default)]
    pub never: BTreeMap<String, String>,
    /// Facts about the wire that the model does not tell.
    #[serde(default)]
    pub wire: Wire,
    /// Operation to how many conformance cases stand behind it; counted, not written.
    #[serde(skip)]
    pub cases: BTreeMap<String, u32>,
}

/// Facts about the wire that botocore's models do not carry.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// XML errors stand alone.
    #[serde(default)]
    pub bare_errors: bool,
    /// S3's rules of signing.
    #[serde(default)]
    pub s3_signing: bool,
    /// Answers carry `x-amz-crc32`.
    #[serde(default)]
    pub crc32: bool,
    /// Stored once for all regions.
    #[serde(default)]
    pub global: bool,
    /// Protocols besides those that the model lists.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// What stands in front of its IAM actions, where it is not the signing name.
    pub iam_prefix: Option<String>,
    /// Code of the error for a broken constraint; by default what its protocol's services use.
    pub validation_error: Option<String>,
    /// Namespace of its XML, where the model does not tell.
    pub xml_namespace: Option<String>,
    /// Operations that links name, which nobody signs.
    #[serde(default)]
    pub unsigned: Vec<String>,
    /// A header that all its requests carry, where another API has the same name in signatures.
    pub told_by: Option<String>,
}

impl Config {
    /// The reason why `member` of `shape` is not honoured. `operations` are those whose input `shape` is.
    pub fn ignored<'a>(&'a self, shape: &str, member: &str, operations: &[&str]) -> Option<&'a str> {
        reason(&self.ignored, shape, member, operations)
    }

    /// The reason why a use of `member` of `shape` is refused.
    pub fn refused<'a>(&'a self, shape: &str, member: &str, operations: &[&str]) -> Option<&'a str> {
        reason(&self.refused, shape, member, operations)
    }

    /// Whether handlers read `member` of `shape`.
    pub(crate) fn is_read(&self, shape: &str, member: &str, operations: &[&str]) -> bool {
        [&self.ignored, &self.refused, &self.elsewhere]
            .iter()
            .all(|reasons| reason(reasons, shape, member, operations).is_none())
    }

    /// Puts into the model what it lacks.
    pub(crate) fn complete(&self, model: &mut Model) -> Result<(), Error> {
        for (key, like) in &self.also {
            let missing = |name: &str| Error::Unknown(format!("api.toml names `{name}`, which the API does not have"));
            let (operation, name) = key.split_once('.').ok_or_else(|| missing(key))?;
            let (shape, of) = like.split_once('.').ok_or_else(|| missing(like))?;
            let members = model.shapes.get(shape).map(|s| s.members.as_slice()).unwrap_or_default();
            let found = members.iter().find(|m| m.name == of).ok_or_else(|| missing(like))?;
            let member = Member { name: name.to_owned(), ..found.clone() };
            let input = model.operations.get(operation).and_then(|o| o.input.clone()).ok_or_else(|| missing(key))?;
            let input = model.shapes.get_mut(&input).ok_or_else(|| missing(key))?;
            if input.members.iter().any(|m| m.name == name) {
                return Err(Error::Unknown(format!("the model has `{key}` by now, so api.toml need not add it")));
            }
            input.members.push(member);
        }
        Ok(())
    }

    /// Refuses what the model does not have.
    pub(crate) fn check(&self, model: &Model) -> Result<(), Error> {
        for name in &self.operations {
            if !model.operations.contains_key(name) {
                return Err(Error::Unknown(format!(
                    "api.toml lists the operation `{name}`, which the API does not have"
                )));
            }
        }
        for (former, name) in &self.former {
            let sent = |name: &String| model.operations.get(name).map(|o| (&o.method, &o.uri));
            if sent(former).is_none() || sent(former) != sent(name) || !self.operations.contains(name) {
                return Err(Error::Unknown(format!(
                    "`{former}` is not a former name of `{name}`, or that is not built"
                )));
            }
        }
        let keys = self.ignored.keys().chain(self.refused.keys()).chain(self.elsewhere.keys());
        for key in keys.chain(self.form_names.keys()) {
            let found = key.split_once('.').is_some_and(|(owner, member)| {
                let input = model.operations.get(owner).and_then(|o| o.input.as_deref());
                let shape = model.shapes.get(input.unwrap_or(owner));
                shape.is_some_and(|s| s.members.iter().any(|m| m.name == member))
            });
            if !found {
                return Err(Error::Unknown(format!("api.toml names the member `{key}`, which the API does not have")));
            }
        }
        for key in self.never.keys() {
            let found = match key.split_once('!') {
                Some((operation, error)) => {
                    model.operations.get(operation).is_some_and(|o| o.errors.iter().any(|e| e == error))
                }
                None => self.operations.contains(key),
            };
            if !found {
                return Err(Error::Unknown(format!("api.toml names the error `{key}`, which the API does not have")));
            }
        }
        let named = self
            .external
            .keys()
            .chain(self.form_maps.keys())
            .chain(self.xml_roots.keys())
            .chain(&self.xml_unwrapped)
            .chain(&self.kept)
            .chain(self.error_codes.keys())
            .chain(self.open_enums.keys())
            .chain(self.open_patterns.keys())
            .chain(self.error_statuses.keys());
        for shape in named {
            if !model.shapes.contains_key(shape) {
                return Err(Error::Unknown(format!("api.toml names the shape `{shape}`, which the API does not have")));
            }
        }
        if let Some(name) = self.wire.unsigned.iter().find(|name| !model.operations.contains_key(*name)) {
            return Err(Error::Unknown(format!("api.toml names the operation `{name}`, which the API does not have")));
        }
        if let Some(name) = self.wire.protocols.iter().find(|name| crate::emit::protocol(name).is_none()) {
            return Err(Error::Unknown(format!("api.toml names the protocol `{name}`, which is not spoken")));
        }
        Ok(())
    }
}

fn reason<'a>(
    reasons: &'a BTreeMap<String, String>,
    shape: &str,
    member: &str,
    operations: &[&str],
) -> Option<&'a str> {
    let names = std::iter::once(shape).chain(operations.iter().copied());
    names.map(|n| format!("{n}.{member}")).find_map(|key| reasons.get(&key)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::generate;

    #[test]
    fn what_the_api_does_not_have_is_refused_by_name() {
        let model = r#"{"metadata": {"protocol": "json"}, "operations": {"Get": {"name": "Get", "input": {"shape": "In"}}},
                        "shapes": {"In": {"type": "structure", "members": {"A": {"shape": "T"}}}, "T": {"type": "string"}}}"#;
        let refused = |config: &str| {
            let outcome = generate("x", model, config, Path::new("there/are/no/cases"));
            outcome.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(refused("operations = [\"Get\"]\nignored = {\"Get.A\" = \"why\"}"), "");
        assert_eq!(
            refused("operations = [\"Get\"]\nalso = {\"Get.B\" = \"In.A\"}\nignored = {\"Get.B\" = \"why\"}"),
            ""
        );
        for (config, named) in [
            ("operations = [\"Put\"]", "the operation `Put`"),
            ("operations = []\nignored = {\"Get.B\" = \"why\"}", "the member `Get.B`"),
            ("operations = []\nexternal = {\"Out\" = \"path\"}", "the shape `Out`"),
            ("operations = []\nnever = {\"Get!Gone\" = \"why\"}", "the error `Get!Gone`"),
            ("operations = []\nnever = {\"Get\" = \"why\"}", "the error `Get`"),
            ("operations = []\nwire = {protocols = [\"qery\"]}", "the protocol `qery`"),
            ("operations = []\nalso = {\"Get.B\" = \"In.C\"}", "`In.C`"),
            ("operations = []\nalso = {\"Get.A\" = \"In.A\"}", "`Get.A` by now"),
        ] {
            assert!(refused(config).contains(named), "{config}: {}", refused(config));
        }
    }
}
