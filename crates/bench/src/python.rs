//! A Python function, cold and warm.

use std::path::Path;

use crate::Failed;
use crate::table::say;

/// Measures it, where the binary runs functions.
pub(crate) fn measure(_binary: &Path) -> Result<(), Failed> {
    say("Python function                               not measured: this binary has no Lambda");
    Ok(())
}
