//! The walk over a bucket, and the files that its lines fill.

use std::vec::IntoIter;

use undercast_kernel::store::Snapshot;
use undercast_kernel::{Failure, Result};

use super::csv::Csv;
use super::fields::{self, Column, Line, Value};
use super::orc::Orc;
use super::parquet::Parquet;
use super::{orc, parquet};
use crate::api::kept::InventoryConfiguration;
use crate::lifecycle_rules::Lifecycle;
use crate::listing::{Cursor, Plain, Ranked};
use crate::rows::{Bucket, OBJECTS, Object, VERSIONS};
use crate::settings::Setting;

/// A file of a list has so many lines at most.
const MOST_LINES: usize = 100_000;

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Parquet,
    Orc,
}

impl Format {
    /// That of a configuration. The model knows three, and the wire lets no other one through.
    pub(super) fn of(configuration: &InventoryConfiguration) -> Self {
        match configuration.destination.s3_bucket_destination.format.as_str() {
            "Parquet" => Self::Parquet,
            "ORC" => Self::Orc,
            _ => Self::Csv,
        }
    }

    /// With what the names of its files end.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv.gz",
            Self::Parquet => "parquet",
            Self::Orc => "orc",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "application/x-gzip",
            Self::Parquet | Self::Orc => "application/octet-stream",
        }
    }

    /// What the manifest says of the columns.
    pub(super) fn schema(self, columns: &[Column]) -> String {
        match self {
            Self::Csv => columns.iter().map(|c| c.name).collect::<Vec<_>>().join(", "),
            Self::Parquet => parquet::schema(columns),
            Self::Orc => orc::schema(columns),
        }
    }
}

/// A file that is being written, in memory: it may have so many lines at most that it may stay there.
enum File {
    Csv(Box<Csv>),
    Parquet(Box<Parquet>),
    Orc(Box<Orc>),
}

impl File {
    fn new(format: Format, columns: &[Column]) -> Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(Csv::new())),
            Format::Parquet => Self::Parquet(Box::new(Parquet::new(columns).map_err(Failure::broken)?)),
            Format::Orc => Self::Orc(Box::new(Orc::new(columns).map_err(Failure::broken)?)),
        })
    }

    fn write(&mut self, columns: &[Column], values: Vec<Value>) -> Result<()> {
        match self {
            Self::Csv(file) => file.write(columns, values).map_err(Failure::broken),
            Self::Parquet(file) => file.write(values).map_err(Failure::broken),
            Self::Orc(file) => file.write(values).map_err(Failure::broken),
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Csv(file) => file.finish().map_err(Failure::broken),
            Self::Parquet(file) => file.finish().map_err(Failure::broken),
            Self::Orc(file) => file.finish().map_err(Failure::broken),
        }
    }
}

/// A walk over the versions of a bucket, or over its current objects.
pub(super) struct Walk<'a> {
    bucket: &'a Bucket,
    lifecycle: Option<Lifecycle>,
    versions: bool,
    /// When the list is made, in milliseconds since 1970.
    now: i64,
    format: Format,
    columns: Vec<Column>,
    current: Cursor<'a, Object, Plain>,
    old: Cursor<'a, Object, Ranked>,
    /// Of the key that was come to last: what is not listed yet, each with whether it is the latest one.
    found: (String, IntoIter<(bool, Object)>),
    /// A list has a file, even where there is nothing to list.
    began: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn over(
        from: &'a Snapshot,
        bucket: &'a Bucket,
        configuration: &InventoryConfiguration,
        format: Format,
        now: i64,
    ) -> Result<Self> {
        let prefix = configuration.filter.as_ref().map_or("", |f| f.prefix.as_str());
        Ok(Self {
            bucket,
            lifecycle: Setting::Lifecycle.get::<Lifecycle>(from, bucket)?,
            versions: fields::lists_versions(configuration),
            now,
            format,
            columns: fields::columns(configuration),
            current: Cursor::new(&OBJECTS, from, bucket, prefix, Vec::new()),
            old: Cursor::new(&VERSIONS, from, bucket, prefix, Vec::new()),
            found: (String::new(), Vec::new().into_iter()),
            began: false,
        })
    }

    /// The next file, whole. `None`: all is listed.
    pub(super) fn next_file(&mut self) -> Result<Option<Vec<u8>>> {
        let mut file = File::new(self.format, &self.columns)?;
        let mut lines = 0;
        while lines < MOST_LINES
            && let Some(values) = self.next_line()?
        {
            file.write(&self.columns, values)?;
            lines += 1;
        }
        let first = !std::mem::replace(&mut self.began, true);
        if lines == 0 && !first { Ok(None) } else { file.finish().map(Some) }
    }

    fn next_line(&mut self) -> Result<Option<Vec<Value>>> {
        loop {
            for (latest, object) in self.found.1.by_ref() {
                if self.versions || (latest && !object.marker) {
                    let (lifecycle, key) = (self.lifecycle.as_ref(), self.found.0.as_str());
                    let line = Line { bucket: self.bucket, lifecycle, key, object: &object, latest, now: self.now };
                    return Ok(Some(fields::values(&self.columns, &line)));
                }
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next key: its current object, and what stands behind that.
    fn step(&mut self) -> Result<bool> {
        let keys = [self.current.peek()?.map(|(k, _)| k.0.clone()), self.old.peek()?.map(|(k, _)| k.0.clone())];
        let Some(key) = keys.into_iter().flatten().min() else { return Ok(false) };
        let mut found = Vec::new();
        if self.current.peek()?.is_some_and(|(k, _)| k.0 == key) {
            found.extend(self.current.take().map(|(_, object)| (true, object)));
        }
        while self.old.peek()?.is_some_and(|(k, _)| k.0 == key) {
            found.extend(self.old.take().map(|(_, object)| (found.is_empty(), object)));
        }
        self.found = (key, found.into_iter());
        Ok(true)
    }
}
