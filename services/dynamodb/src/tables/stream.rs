//! The stream of a table: made, ended, and begun anew.

use crate::DynamoDb;
use crate::api::input::StreamSpecification;
use crate::error::{Error, Result};
use crate::request::scope;
use crate::streams::store::{self, Latest, Stream, View};
use crate::table::Table;
use undercast_kernel::{Cx, Timestamp};
use undercast_store::Tx;

/// What a request wants of the stream of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A stream that shows this.
    Enabled(View),
    /// No stream.
    Disabled,
}

/// What a specification wants.
///
/// # Errors
/// When it says too much or too little.
pub(crate) fn wanted(specification: &StreamSpecification) -> Result<Wanted> {
    match (specification.stream_enabled, specification.stream_view_type.as_deref().and_then(View::parse)) {
        (true, Some(view)) => Ok(Wanted::Enabled(view)),
        (true, None) => Err(Error::invalid("If stream is being enabled then UpdateViewType is required")),
        (false, None) => Ok(Wanted::Disabled),
        (false, Some(_)) => {
            Err(Error::invalid("If stream is being disabled, then UpdateViewType must not be specified"))
        }
    }
}

impl DynamoDb {
    /// Gives a table a stream.
    ///
    /// # Errors
    /// When it has one, and when the store fails.
    pub(crate) fn begin_stream(&self, cx: &Cx, tx: &mut Tx<'_>, table: &mut Table, id: &str, view: View) -> Result<()> {
        if table.stream.as_ref().is_some_and(|stream| stream.enabled) {
            let name = &table.name;
            return Err(Error::validation(format_args!("Table already has an enabled stream: TableName: {name}")));
        }
        let mut created = cx.now_millis();
        let mut label = label(created);
        // A label is a moment, and no two streams of a table may have the same.
        while store::get(tx, scope(cx), &table.name, &label)?.is_some() {
            created += 1;
            label = self::label(created);
        }
        let stream = Stream {
            table: table.name.clone(),
            label: label.clone(),
            id: id.to_owned(),
            view,
            created,
            key: table.key.clone(),
            ended: None,
            encryption: None,
            policy: None,
        };
        store::put(tx, scope(cx), &stream);
        self.schedule_trimming(cx, tx, &stream)?;
        table.stream = Some(Latest { label, id: id.to_owned(), view, enabled: true });
        Ok(())
    }

    /// Ends the stream of a table; it can be read for another day. Says whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn end_stream(&self, cx: &Cx, tx: &mut Tx<'_>, table: &mut Table) -> Result<bool> {
        let Some(latest) = table.stream.as_mut().filter(|stream| stream.enabled) else { return Ok(false) };
        latest.enabled = false;
        if let Some(mut stream) = store::get(tx, scope(cx), &table.name, &latest.label)? {
            stream.ended = Some(cx.now_millis());
            stream.encryption = table.encryption.clone();
            store::put(tx, scope(cx), &stream);
        }
        Ok(true)
    }

    /// Changes the stream of a table to what is wanted.
    ///
    /// # Errors
    /// When that is what it is, and when the store fails.
    pub(crate) fn change_stream(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        table: &mut Table,
        id: &str,
        wanted: Wanted,
    ) -> Result<()> {
        match wanted {
            Wanted::Enabled(view) => self.begin_stream(cx, tx, table, id, view),
            Wanted::Disabled if table.replica.as_ref().is_some_and(|replica| !replica.strong) => {
                Err(Error::invalid("Disabling Stream is not allowed for a Global Table replica."))
            }
            Wanted::Disabled if self.end_stream(cx, tx, table)? => Ok(()),
            Wanted::Disabled => {
                Err(Error::validation(format_args!("Table has no stream to disable: TableName: {}", table.name)))
            }
        }
    }
}

/// A moment as labels write it: `2015-05-20T20:51:10.252`.
fn label(millis: i64) -> String {
    let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    let text = format!("{moment:.3}");
    text.trim_end_matches('Z').to_owned()
}
