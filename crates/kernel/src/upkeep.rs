//! What is tidied up beside the calls, by the machine's time.

use std::time::Duration;

use undercast_store::Unreferenced;

use crate::Kernel;

/// Between two sweeps. A blob goes at the second one that finds it without a row, so the slowest download has so long.
const SWEEP: Duration = Duration::from_secs(600);

impl Kernel {
    /// Removes blobs that no row refers to, until the process ends.
    pub(crate) async fn sweep_blobs(self) {
        let mut seen = Unreferenced::default();
        loop {
            tokio::time::sleep(SWEEP).await;
            match self.blobs().sweep(self.database(), &mut seen).await {
                Ok(0) => {}
                Ok(removed) => tracing::debug!(removed, "blobs that nothing refers to are gone"),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "blobs could not be swept"),
            }
        }
    }
}
