//! Layers: packages that several functions have in common, in numbered versions.

pub(crate) mod attached;
pub(crate) mod policy;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Blobs, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::configuration::{moment, sha256};
use crate::function::Code;
use crate::package::{self, Source};
use crate::state::State;
use crate::{error, site};

/// Account, region, name → the number that was given last.
static LAYERS: Table<u64> = Table::new("lambda.layers");
/// Account, region, name, number → version of a layer.
pub(crate) static LAYER_VERSIONS: Table<LayerVersion> = Table::new("lambda.layer-versions");

/// A version of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LayerVersion {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) name: String,
    #[n(3)]
    pub(crate) number: u64,
    #[n(4)]
    pub(crate) code: Code,
    #[n(5)]
    description: String,
    /// Milliseconds since 1970.
    #[n(6)]
    created: i64,
    #[n(7)]
    architectures: Vec<String>,
    #[n(8)]
    runtimes: Vec<String>,
    #[n(9)]
    license: Option<String>,
    /// Statements of its policy, by their ids, as JSON.
    #[n(10)]
    pub(crate) permissions: Vec<(String, String)>,
    /// Of its policy; made anew with every change.
    #[n(11)]
    pub(crate) revision: String,
}

impl LayerVersion {
    fn place(&self) -> LayerName {
        LayerName { account: self.account.clone(), region: self.region.clone(), name: self.name.clone() }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        self.place().version_arn(cx, self.number)
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        LAYER_VERSIONS.put(tx, &(&self.account, &self.region, &self.name, self.number), self);
    }

    /// Whether it says that it goes with these; one that says nothing goes with none that is asked for.
    fn fits(&self, architecture: Option<&String>, runtime: Option<&String>) -> bool {
        architecture.is_none_or(|wanted| self.architectures.contains(wanted))
            && runtime.is_none_or(|wanted| self.runtimes.contains(wanted))
    }

    fn item(&self, cx: &Cx) -> output::LayerVersionsListItem {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        output::LayerVersionsListItem {
            layer_version_arn: Some(self.arn(cx)),
            version: i64::try_from(self.number).ok(),
            description: Some(self.description.clone()),
            created_date: Some(moment(self.created)),
            compatible_architectures: some(&self.architectures),
            compatible_runtimes: some(&self.runtimes),
            license_info: self.license.clone(),
        }
    }

    /// The whole of it, with a link to its package.
    fn show(&self, state: &State, cx: &Cx) -> api::GetLayerVersionOutput {
        let item = self.item(cx);
        api::GetLayerVersionOutput {
            content: Some(output::LayerVersionContentOutput {
                location: Some(site::link(state, cx, &self.code.id, &self.region)),
                code_sha256: Some(sha256(&self.code.id)),
                code_size: i64::try_from(self.code.size).ok(),
                ..output::LayerVersionContentOutput::default()
            }),
            layer_arn: Some(self.place().arn(cx)),
            layer_version_arn: item.layer_version_arn,
            description: item.description,
            created_date: item.created_date,
            version: item.version,
            compatible_architectures: item.compatible_architectures,
            compatible_runtimes: item.compatible_runtimes,
            license_info: item.license_info,
        }
    }
}

/// How a layer is named: by its name or by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

impl LayerName {
    pub(crate) fn parse(cx: &Cx, text: &str) -> Self {
        match Arn::parse(text) {
            Some(arn) => {
                let name = arn.resource.strip_prefix("layer:").unwrap_or(&arn.resource).to_owned();
                Self { account: arn.account, region: arn.region, name }
            }
            None => Self { account: cx.account().to_owned(), region: cx.region().to_owned(), name: text.to_owned() },
        }
    }

    /// Takes the ARN of a version apart. `None`: it is not one.
    pub(crate) fn of_version(text: &str) -> Option<(Self, u64)> {
        let arn = Arn::parse(text).filter(|arn| arn.service == "lambda")?;
        let (name, number) = arn.resource.strip_prefix("layer:")?.split_once(':')?;
        let number = number.parse().ok()?;
        Some((Self { account: arn.account.clone(), region: arn.region.clone(), name: name.to_owned() }, number))
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:lambda:{}:{}:layer:{}", cx.partition(), self.region, self.account, self.name)
    }

    pub(crate) fn version_arn(&self, cx: &Cx, number: u64) -> String {
        format!("{}:{number}", self.arn(cx))
    }

    fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn version(&self, from: &(impl Read + ?Sized), number: u64) -> Result<Option<LayerVersion>> {
        Ok(LAYER_VERSIONS.get(from, &(&self.account, &self.region, &self.name, number))?)
    }

    /// All versions, the newest first.
    fn versions(&self, from: &(impl Read + ?Sized)) -> Result<Vec<LayerVersion>> {
        let mut all: Vec<LayerVersion> =
            LAYER_VERSIONS.all(from, &self.key())?.into_iter().map(|entry| entry.row).collect();
        all.reverse();
        Ok(all)
    }
}

/// The number of a version, as calls say it.
pub(crate) fn number(given: i64) -> Result<u64> {
    let number = u64::try_from(given).ok().filter(|number| *number > 0);
    number.ok_or_else(|| error::invalid("Layer Version Cannot be less than 1"))
}

/// `PublishLayerVersion`
pub(crate) async fn publish(
    state: &State,
    cx: &Cx,
    input: api::PublishLayerVersionInput,
) -> Result<api::PublishLayerVersionOutput> {
    let place = LayerName::parse(cx, &input.layer_name);
    let source = Source {
        zip: input.content.zip_file,
        bucket: input.content.s3_bucket,
        key: input.content.s3_key,
        version: input.content.s3_object_version,
        mode: input.content.s3_object_storage_mode,
    };
    let (code, kept) = package::take(cx, source).await?;
    let mut version = LayerVersion {
        account: place.account.clone(),
        region: place.region.clone(),
        name: place.name.clone(),
        number: 0,
        code,
        description: input.description.unwrap_or_else(String::new),
        created: cx.now_millis(),
        architectures: input.compatible_architectures.unwrap_or_else(Vec::new),
        runtimes: input.compatible_runtimes.unwrap_or_else(Vec::new),
        license: input.license_info,
        permissions: Vec::new(),
        revision: cx.random().uuid(),
    };
    cx.write(|tx| {
        // A number is never given twice, whatever was deleted.
        version.number = LAYERS.get(tx, &place.key())?.unwrap_or(0) + 1;
        LAYERS.put(tx, &place.key(), &version.number);
        Blobs::retain(tx, &version.account, &version.code.blob())?;
        version.put(tx);
        Ok(())
    })
    .await?;
    drop(kept);
    let shown = version.show(state, cx);
    Ok(api::PublishLayerVersionOutput {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}

fn none() -> Failure {
    error::not_found("The resource you requested does not exist.")
}

/// `GetLayerVersion`
pub(crate) fn get(state: &State, cx: &Cx, input: &api::GetLayerVersionInput) -> Result<api::GetLayerVersionOutput> {
    let number = number(input.version_number)?;
    let found = LayerName::parse(cx, &input.layer_name).version(&cx.read(), number)?;
    Ok(found.ok_or_else(none)?.show(state, cx))
}

/// `GetLayerVersionByArn`
pub(crate) fn get_by_arn(state: &State, cx: &Cx, arn: &str) -> Result<api::GetLayerVersionByArnOutput> {
    let Some((place, number)) = LayerName::of_version(arn) else { return Err(none()) };
    Ok(place.version(&cx.read(), number)?.ok_or_else(none)?.show(state, cx))
}

/// `ListLayers`: each with its newest version that fits.
pub(crate) fn list(cx: &Cx, input: api::ListLayersInput) -> Result<api::ListLayersOutput> {
    let (architecture, runtime) = (input.compatible_architecture, input.compatible_runtime);
    let mut newest = std::collections::BTreeMap::new();
    for entry in LAYER_VERSIONS.all(&cx.read(), &(cx.account(), cx.region()))? {
        let version = entry.row;
        if version.fits(architecture.as_ref(), runtime.as_ref()) {
            newest.insert(version.name.clone(), version);
        }
    }
    let scope = format!("ListLayers/{architecture:?}/{runtime:?}");
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let (page, next_marker) =
        paging::page(&scope, newest.into_values().collect::<Vec<_>>(), input.marker.as_deref(), most)
            .ok_or_else(|| error::invalid("Invalid Marker"))?;
    let item = |version: &LayerVersion| output::LayersListItem {
        layer_name: Some(version.name.clone()),
        layer_arn: Some(version.place().arn(cx)),
        latest_matching_version: Some(version.item(cx)),
    };
    Ok(api::ListLayersOutput { next_marker, layers: Some(page.iter().map(item).collect()) })
}

/// `ListLayerVersions`, the newest first.
pub(crate) fn list_versions(cx: &Cx, input: api::ListLayerVersionsInput) -> Result<api::ListLayerVersionsOutput> {
    let place = LayerName::parse(cx, &input.layer_name);
    let (architecture, runtime) = (input.compatible_architecture, input.compatible_runtime);
    let mut found = place.versions(&cx.read())?;
    found.retain(|version| version.fits(architecture.as_ref(), runtime.as_ref()));
    let scope = format!("ListLayerVersions/{}/{architecture:?}/{runtime:?}", place.arn(cx));
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let (page, next_marker) =
        paging::page(&scope, found, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    let layer_versions = Some(page.iter().map(|version| version.item(cx)).collect());
    Ok(api::ListLayerVersionsOutput { next_marker, layer_versions })
}

/// `DeleteLayerVersion`. Functions that have it keep it; one that is not there is fine.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteLayerVersionInput) -> Result<()> {
    let (place, number) = (LayerName::parse(cx, &input.layer_name), number(input.version_number)?);
    cx.write(|tx| {
        let Some(version) = place.version(tx, number)? else { return Ok(()) };
        Blobs::release(tx, &version.account, &version.code.blob())?;
        LAYER_VERSIONS.delete(tx, &(&place.account, &place.region, &place.name, number));
        Ok(())
    })
    .await
}
