//! The layers of a function: which, in what order, and whether all fits together.

use std::collections::HashMap;

use undercast_kernel::{Cx, Result};

use crate::error;
use crate::function::{Attached, Code};
use crate::layer::LayerName;
use crate::package::MOST_UNZIPPED;

/// A function has so many layers at most.
const MOST_LAYERS: usize = 5;

/// Finds the layers that a function shall have. Who asks may use them, which was seen before.
pub(crate) fn find(cx: &Cx, arns: &[String]) -> Result<Vec<Attached>> {
    if arns.len() > MOST_LAYERS {
        return Err(error::invalid(format!("Cannot reference more than {MOST_LAYERS} layers.")));
    }
    let mut known: HashMap<&str, &str> = HashMap::new();
    let mut found = Vec::new();
    for arn in arns {
        let missing = || error::invalid(format!("Layer version {arn} does not exist."));
        let (place, number) = LayerName::of_version(arn).ok_or_else(missing)?;
        if place.region != cx.region() {
            return Err(error::invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                cx.region()
            )));
        }
        let version = place.version(&cx.read(), number)?.ok_or_else(missing)?;
        let layer = arn.rsplit_once(':').map_or(arn.as_str(), |(layer, _)| layer);
        if let Some(other) = known.insert(layer, arn) {
            return Err(error::invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {arn} are versions of the same layer."
            )));
        }
        found.push(Attached { arn: arn.clone(), code: version.code });
    }
    Ok(found)
}

/// Refuses a function whose code and layers hold too much together.
pub(crate) fn check_size(code: &Code, layers: &[Attached]) -> Result<()> {
    let size = code.unzipped + layers.iter().map(|layer| layer.code.unzipped).sum::<u64>();
    if !layers.is_empty() && size > MOST_UNZIPPED {
        return Err(error::invalid(format!(
            "Function code combined with layers exceeds the maximum allowed size of {MOST_UNZIPPED} bytes. The actual size is {size} bytes."
        )));
    }
    Ok(())
}
