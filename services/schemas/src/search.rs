//! SearchSchemas: words in names and contents.

use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::error::{bad, page};
use crate::name::RegistryName;
use crate::rows::{Version, moment};
use crate::{schemas, versions};

/// Whether one of the words, which are in small letters, is in a text.
fn has_any(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// A schema is found by any of the words, which spaces part: in its name, then with all its versions, or in what versions say, then
/// with those, the newest first.
pub(crate) fn search(cx: &Cx, input: &api::SearchSchemasInput) -> Result<api::SearchSchemasOutput> {
    let words: Vec<String> = input.keywords.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return Err(bad("Keywords must not be empty.").into());
    }
    let registry = RegistryName::of(cx, &input.registry_name);
    let from = cx.read();
    let mut found: Vec<(String, Vec<Version>)> = Vec::new();
    for schema in schemas::all(cx, &from, &registry)? {
        let mut versions = versions::all(&from, &registry, &schema.name)?;
        if !has_any(&schema.name, &words) {
            versions.retain(|version| has_any(&version.content, &words));
        }
        versions.reverse();
        if !versions.is_empty() {
            found.push((schema.name, versions));
        }
    }
    let scope = format!("SearchSchemas/{}/{}", registry.arn(), input.keywords);
    let (found, next_token) = page(&scope, found, input.next_token.as_deref(), input.limit)?;
    let shown = found.into_iter().map(|(name, versions)| output::SearchSchemaSummary {
        registry_name: Some(registry.name.clone()),
        schema_arn: Some(registry.schema_arn(&name)),
        schema_name: Some(name),
        schema_versions: Some(versions.iter().map(shown).collect()),
    });
    Ok(api::SearchSchemasOutput { next_token, schemas: Some(shown.collect()) })
}

fn shown(version: &Version) -> output::SearchSchemaVersionSummary {
    output::SearchSchemaVersionSummary {
        created_date: Some(moment(version.created)),
        schema_version: Some(version.number.to_string()),
        type_: Some(version.kind.name().to_owned()),
    }
}
