//! Access previews.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};
pub(crate) fn forget(_cx: &Cx, _tx: &mut Tx<'_>, _name: &str) -> Result<()> {
    Ok(())
}
