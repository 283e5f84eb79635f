//! Watches the trail for calls that may have changed who has access to what.
//!
//! Nobody listens to the trail until there is an analyzer, for whoever listens costs every call a little.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use undercast_kernel::{Keeper, Kernel, Record, Result};

use crate::rows::ANALYZERS;
use crate::scan;
use crate::zone::Zone;

/// Services whose calls may change it.
const WATCHED: &[&str] =
    &["dynamodb", "iam", "kms", "lambda", "organizations", "s3", "s3control", "secretsmanager", "sns", "sqs"];
/// Calls that use keys change no access to them, and are told by their beginnings.
const USES: &[&str] = &["Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt"];

/// Whether somebody listens to the trail.
#[derive(Debug, Default)]
pub(crate) struct Listening(Mutex<bool>);

/// Where something may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    account: String,
    /// `None`: in all of them.
    region: Option<String>,
}

/// Hands changes on. It is kept by the kernel, and so keeps nothing of it.
struct Listener(UnboundedSender<Change>);

impl Keeper for Listener {
    /// What changes data changes no access to it.
    fn wants(&self, data: bool) -> bool {
        !data
    }

    fn keep(&self, record: &Record) {
        let uses = USES.iter().any(|beginning| record.operation.starts_with(beginning));
        if record.readonly || record.error.is_some() || uses || !WATCHED.contains(&record.service) {
            return;
        }
        let everywhere = matches!(record.service, "iam" | "organizations" | "s3" | "s3control");
        let region = (!everywhere).then(|| record.region.clone());
        // When the other side has gone, the cloud has.
        let _ = self.0.send(Change { account: record.account.clone(), region });
    }
}

impl Listening {
    /// Begins to listen, unless somebody does already.
    pub(crate) fn begin(&self, kernel: &Kernel) {
        let mut listening = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *listening, true) {
            return;
        }
        let (sender, receiver) = unbounded_channel();
        kernel.trail().tell(Arc::new(Listener(sender)));
        kernel.spawn(take(kernel.clone(), receiver));
    }

    /// Begins to listen if there is an analyzer.
    pub(crate) fn begin_if_needed(&self, kernel: &Kernel) -> Result<()> {
        if !ANALYZERS.all(&kernel.database().read(), &())?.is_empty() {
            self.begin(kernel);
        }
        Ok(())
    }
}

/// Takes changes, as many as have come, and has those look who may see them.
async fn take(kernel: Kernel, mut changes: UnboundedReceiver<Change>) {
    while let Some(first) = changes.recv().await {
        let mut all = BTreeSet::from([first]);
        while let Ok(next) = changes.try_recv() {
            all.insert(next);
        }
        // What a scan does not hear of now it sees within a day.
        if let Err(failure) = order(&kernel, &all).await {
            tracing::warn!(%failure, "analyzers could not be told of changes");
        }
    }
}

async fn order(kernel: &Kernel, changes: &BTreeSet<Change>) -> Result<()> {
    let analyzers = ANALYZERS.all(&kernel.database().read(), &())?;
    for entry in analyzers.iter().filter(|entry| !entry.row.is_unused()) {
        let Some((account, region, name)) = entry.key::<(String, String, String)>() else { continue };
        let cx = kernel.cx_for(&account, &region);
        let here: Vec<&Change> =
            changes.iter().filter(|change| change.region.as_ref().is_none_or(|r| *r == region)).collect();
        let concerned = match here.is_empty() {
            true => false,
            false => Zone::of(&cx, &entry.row.kind).await.is_ok_and(|zone| here.iter().any(|c| zone.has(&c.account))),
        };
        if concerned {
            cx.write(|tx| scan::order(&cx, tx, &name)).await?;
        }
    }
    Ok(())
}
