//! What the store itself can do: groups of writers of the same shape as a service's, and nothing around them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use undercast_store::{Database, Durable, Error, Tx};

use crate::Failed;
use crate::load::CONNECTIONS;

/// Which writes stand for a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// `PutItem`: the item in its place, and the table's counts.
    Item,
    /// `PutObject`: the version with its body.
    Object,
    /// `SendMessage`, or a batch of so many: the queue's next number, and of each message the body, where it stands, its place
    /// in the order.
    Messages(u64),
}

/// A store of its own, with nothing above it.
pub(crate) struct Limit {
    database: Database,
    number: Arc<AtomicU64>,
}

impl Limit {
    /// Opens it in a directory of its own.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failed> {
        Ok(Self { database: Database::new(Arc::new(Durable::open(folder)?))?, number: Arc::default() })
    }

    /// Writes for `span` with as many writers as the load has connections. Says how many writes came in how long.
    pub(crate) async fn run(&self, shape: Shape, span: Duration) -> Result<(u64, Duration), Failed> {
        let started = Instant::now();
        let mut writers = JoinSet::new();
        for writer in 0..CONNECTIONS {
            let (database, number) = (self.database.clone(), self.number.clone());
            writers.spawn(async move {
                let mut written = 0_u64;
                while started.elapsed() < span {
                    let fresh = number.fetch_add(1, Ordering::Relaxed);
                    database.write(|tx| put(tx, shape, writer, fresh)).await?;
                    written += 1;
                }
                Ok::<_, Error>(written)
            });
        }
        let mut all = 0;
        while let Some(ended) = writers.join_next().await {
            all += ended.map_err(|_| Failed::Said("a writer ended early".to_owned()))??;
        }
        Ok((all, started.elapsed()))
    }
}

fn put(tx: &mut Tx<'_>, shape: Shape, writer: usize, fresh: u64) -> Result<(), Error> {
    let key = |table: &str, rest: &[u8]| [table.as_bytes(), b"\x00000000000000\0us-east-1\0bench\0", rest].concat();
    match shape {
        Shape::Item => {
            tx.put(key("items", &writer.to_be_bytes()), Bytes::from_static(&[b'i'; 1040]));
            tx.put(key("counts", b""), Bytes::from_static(&[0; 16]));
        }
        Shape::Object => tx.put(key("objects", &writer.to_be_bytes()), Bytes::from_static(&[b'o'; 1300])),
        Shape::Messages(count) => {
            tx.put(key("next", b""), Bytes::from_static(&[0; 9]));
            for number in fresh * count..(fresh + 1) * count {
                tx.put(key("bodies", &number.to_be_bytes()), Bytes::from_static(&[b'm'; 1150]));
                tx.put(key("messages", &number.to_be_bytes()), Bytes::from_static(&[0; 30]));
                tx.put(key("order", &number.to_be_bytes()), Bytes::from_static(&[0; 1]));
            }
        }
    }
    Ok(())
}
