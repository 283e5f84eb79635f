//! Settings of buckets that few calls need: each a text in a row of its own, and a bit of the bucket's row that says
//! whether it is there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::bucket;
use crate::rows::{BUCKETS, Bucket, SETTINGS};

/// What a bucket can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Tags of the bucket decide who may.
    Abac,
    Accelerate,
    /// There are analytics configurations that export.
    Analytics,
    Cors,
    Lifecycle,
    Logging,
    /// There are configurations of request metrics.
    Metrics,
    Replication,
    Website,
}

impl Setting {
    /// The last part of its row's key.
    fn name(self) -> &'static str {
        match self {
            Self::Abac => "abac",
            Self::Accelerate => "accelerate",
            Self::Analytics => "analytics",
            Self::Cors => "cors",
            Self::Lifecycle => "lifecycle",
            Self::Logging => "logging",
            Self::Metrics => "metrics",
            Self::Replication => "replication",
            Self::Website => "website",
        }
    }

    /// Its bit. They are in rows, so they stay what they are.
    fn bit(self) -> u32 {
        match self {
            Self::Abac => 1 << 7,
            Self::Accelerate => 1 << 1,
            Self::Analytics => 1 << 16,
            Self::Cors => 1 << 2,
            Self::Lifecycle => 1 << 3,
            Self::Website => 1 << 4,
            Self::Logging => 1 << 6,
            Self::Metrics => 1 << 8,
            Self::Replication => 1 << 5,
        }
    }

    /// Whether the bucket has it.
    pub(crate) fn is_on(self, bucket: &Bucket) -> bool {
        bucket.has & self.bit() != 0
    }

    /// Says in the bucket's row whether it has something of the kind, which is kept elsewhere.
    pub(crate) fn mark(self, tx: &mut Tx<'_>, bucket: &mut Bucket, on: bool) {
        if self.is_on(bucket) != on {
            bucket.has ^= self.bit();
            BUCKETS.put(tx, &(&bucket.name,), bucket);
        }
    }

    /// The setting of a bucket. `None`: it has none.
    pub(crate) fn get<T: DeserializeOwned>(self, from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Option<T>> {
        if !self.is_on(bucket) {
            return Ok(None);
        }
        let text = SETTINGS.get(from, &bucket.key(self.name()))?;
        text.map(|text| serde_json::from_str(&text).map_err(Failure::broken)).transpose()
    }

    /// Puts it into a bucket's rows.
    pub(crate) fn put<T: Serialize>(self, tx: &mut Tx<'_>, bucket: &mut Bucket, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(Failure::broken)?;
        bucket.has |= self.bit();
        SETTINGS.put(tx, &bucket.key(self.name()), &text);
        BUCKETS.put(tx, &(&bucket.name,), bucket);
        Ok(())
    }

    /// Takes it out of them.
    pub(crate) fn clear(self, tx: &mut Tx<'_>, bucket: &mut Bucket) {
        bucket.has &= !self.bit();
        SETTINGS.delete(tx, &bucket.key(self.name()));
        BUCKETS.put(tx, &(&bucket.name,), bucket);
    }

    /// What a call reads that shows the setting.
    pub(crate) fn of_call<T: DeserializeOwned>(
        self,
        cx: &Cx,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(Bucket, Option<T>)> {
        let from = cx.read();
        let bucket = bucket::open(cx, &from, name, owner)?;
        let found = self.get(&from, &bucket)?;
        Ok((bucket, found))
    }

    /// What a call does that sets it.
    pub(crate) async fn set<T: Serialize>(self, cx: &Cx, name: &str, owner: Option<&str>, value: &T) -> Result<()> {
        cx.write(|tx| {
            let mut bucket = bucket::open(cx, tx, name, owner)?;
            self.put(tx, &mut bucket, value)
        })
        .await
    }

    /// What a call does that deletes it.
    pub(crate) async fn delete(self, cx: &Cx, name: &str, owner: Option<&str>) -> Result<()> {
        cx.write(|tx| {
            let mut bucket = bucket::open(cx, tx, name, owner)?;
            self.clear(tx, &mut bucket);
            Ok(())
        })
        .await
    }
}

/// The answer where a bucket does not have what is asked for.
pub(crate) fn missing(bucket: &Bucket, code: &'static str, message: &'static str) -> Failure {
    AwsError::new(code, 404, message).with("BucketName", bucket.name.as_str()).into()
}
