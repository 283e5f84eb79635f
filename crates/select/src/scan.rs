//! A query on its way through an object.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::bind::{self, Columns};
use crate::error::{Code, Error, Result};
use crate::evaluate::{Accumulator, Record, Scope, evaluate, truth};
use crate::input::{Counter, CsvReader, Fields, JsonReader, ParquetReader, Source, Tape};
use crate::output::{self, Field};
use crate::settings::{Compression, Format, Input, JsonType, Output, Span};
use crate::sql::{self, Item, Query};
use crate::types::Value;

/// The longest piece of an answer: 128 KB.
pub const MOST_PIECE: usize = 128 * 1024;

/// After so many bytes without a full piece there is a word of it.
const PATIENCE_BYTES: u64 = 1024 * 1024;

/// The same in records, for formats of which few bytes are many records.
const PATIENCE_RECORDS: u32 = 20_000;

/// What a step gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the answer: at most [`MOST_PIECE`], not always whole records.
    Records(Bytes),
    /// Nothing was found so far, and there is more to read.
    Searching,
}

/// How far a query has come, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Read of the object.
    pub scanned: u64,
    /// The same without compression.
    pub processed: u64,
    /// Given out.
    pub returned: u64,
}

/// Where records come from.
enum Rows {
    Csv {
        reader: CsvReader,
        fields: Fields,
        /// The names of as many columns as any record had.
        headers: Vec<String>,
    },
    Json(JsonReader),
    Parquet(ParquetReader),
}

/// A record of a CSV file, with the names of its columns.
struct CsvRecord<'a> {
    fields: &'a Fields,
    headers: &'a [String],
}

/// A record that is a value.
struct Whole<'a>(&'a Value);

/// No record at all, as aggregates see it at the end.
const NOTHING: Whole<'_> = Whole(&Value::Missing);

/// A query on its way through an object.
pub struct Scan {
    rows: Rows,
    query: Query,
    output: Output,
    now: jiff::Timestamp,
    counter: Counter,
    accumulators: Vec<Accumulator>,
    /// How many records may still be given out.
    left: u64,
    out: String,
    ready: Bytes,
    returned: u64,
    ended: Option<Result<()>>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("query", &self.query).finish_non_exhaustive()
    }
}

impl Record for CsvRecord<'_> {
    fn column(&self, number: usize) -> Value {
        self.fields.get(number).map_or(Value::Missing, |text| Value::Text(text.to_owned()))
    }

    fn whole(&self) -> Cow<'_, Value> {
        let named = |(name, value): Field<'_>| (name.into_owned(), value.into_owned());
        Cow::Owned(Value::Struct(self.all().map(named).collect()))
    }
}

impl CsvRecord<'_> {
    /// All its fields.
    fn all(&self) -> impl Iterator<Item = Field<'_>> {
        let columns = self.headers.iter().zip(self.fields.iter());
        columns.map(|(name, text)| (Cow::Borrowed(name.as_str()), Cow::Owned(Value::Text(text.to_owned()))))
    }
}

impl Record for Whole<'_> {
    fn column(&self, _: usize) -> Value {
        Value::Missing
    }

    fn whole(&self) -> Cow<'_, Value> {
        Cow::Borrowed(self.0)
    }
}

/// `_1` is the first.
fn place(number: usize) -> String {
    format!("_{}", number + 1)
}

impl Scan {
    /// Reads the expression and the beginning of the object. `now` is what `UTCNOW()` gives.
    ///
    /// # Errors
    /// When the expression is none, asks for columns that are not there, or does not fit the settings.
    pub fn open(
        source: &Arc<dyn Source>,
        expression: &str,
        input: &Input,
        output: Output,
        now: jiff::Timestamp,
    ) -> Result<Self> {
        let mut query = sql::parse(expression)?;
        let counter = Counter::default();
        let span = span(source.as_ref(), input)?;
        if !query.from.is_empty() && !matches!(input.format, Format::Json(_)) {
            return Err(Code::InvalidKeyPath.into());
        }
        let rows = match &input.format {
            Format::Csv(settings) => {
                let (reader, header) = CsvReader::open(source, settings, input.compression, span, &counter)?;
                let headers: Vec<String> = header.iter().flat_map(Fields::iter).map(ToOwned::to_owned).collect();
                let columns = if header.is_some() { Columns::Named(&headers) } else { Columns::Numbered };
                bind::bind(&mut query, &columns)?;
                Rows::Csv { reader, fields: Fields::default(), headers }
            }
            Format::Json(kind) => {
                bind::bind(&mut query, &Columns::Attributes)?;
                let tape = Tape::open(source.clone(), JsonReader::start(span), input.compression, &counter)?;
                Rows::Json(JsonReader::new(tape, *kind, span, query.from.clone())?)
            }
            Format::Parquet => {
                bind::bind(&mut query, &Columns::Attributes)?;
                let needed = bind::needed(&mut query);
                Rows::Parquet(ParquetReader::open(source, span, needed.as_deref(), &counter)?)
            }
        };
        let accumulators = query.aggregates.iter().map(|a| Accumulator::new(a.kind)).collect();
        let left = query.limit.unwrap_or(u64::MAX);
        Ok(Self {
            rows,
            query,
            output,
            now,
            counter,
            accumulators,
            left,
            out: String::new(),
            ready: Bytes::new(),
            returned: 0,
            ended: None,
        })
    }

    /// How far it has come. What was given out counts once [`Self::next`] has returned it.
    pub fn statistics(&self) -> Statistics {
        Statistics { scanned: self.counter.scanned(), processed: self.counter.processed(), returned: self.returned }
    }

    /// The next piece of the answer; `None` is its end.
    ///
    /// # Errors
    /// When the object is not what it was said to be, or an expression has no value. What was found before is given out
    /// before that.
    #[expect(clippy::should_implement_trait, reason = "an iterator would not end at an error")]
    pub fn next(&mut self) -> Result<Option<Piece>> {
        if self.ready.is_empty() {
            if self.ended.is_none()
                && let Err(error) = self.work()
            {
                self.ended = Some(Err(error));
            }
            self.ready = std::mem::take(&mut self.out).into();
        }
        if !self.ready.is_empty() {
            let piece = self.ready.split_to(self.ready.len().min(MOST_PIECE));
            self.returned += piece.len() as u64;
            return Ok(Some(Piece::Records(piece)));
        }
        match &self.ended {
            None => Ok(Some(Piece::Searching)),
            Some(Ok(())) => Ok(None),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    /// Reads records until a piece is full, or patience is at its end, or the object.
    fn work(&mut self) -> Result<()> {
        let begun = self.counter.processed();
        for _ in 0..PATIENCE_RECORDS {
            if self.left == 0 {
                self.ended = Some(Ok(()));
                return Ok(());
            }
            if self.out.len() >= MOST_PIECE || self.counter.processed() - begun >= PATIENCE_BYTES {
                return Ok(());
            }
            if !self.step()? {
                self.summarise()?;
                self.ended = Some(Ok(()));
                return Ok(());
            }
        }
        Ok(())
    }

    /// One record. False: there is none.
    fn step(&mut self) -> Result<bool> {
        let mut selection = Selection {
            query: &self.query,
            output: &self.output,
            now: self.now,
            accumulators: &mut self.accumulators,
            left: &mut self.left,
            out: &mut self.out,
        };
        match &mut self.rows {
            Rows::Csv { reader, fields, headers } => {
                if !reader.next(fields)? {
                    return Ok(false);
                }
                // Those without a name are called after their place.
                headers.extend((headers.len()..fields.len()).map(place));
                let record = CsvRecord { fields, headers };
                selection.take(&record, || record.all().collect())?;
            }
            Rows::Json(reader) => match reader.next()? {
                None => return Ok(false),
                Some(value) => selection.take(&Whole(&value), || members(&value))?,
            },
            Rows::Parquet(reader) => match reader.next()? {
                None => return Ok(false),
                Some(value) => selection.take(&Whole(&value), || members(&value))?,
            },
        }
        Ok(true)
    }

    /// The one record of a query of aggregates.
    fn summarise(&mut self) -> Result<()> {
        if self.accumulators.is_empty() || self.left == 0 {
            return Ok(());
        }
        let results = self.accumulators.iter().map(Accumulator::result).collect::<Result<Vec<_>>>()?;
        let scope = Scope { record: &NOTHING, aggregates: &results, now: self.now };
        let fields = selected(&self.query.items, &scope, &mut Vec::new)?;
        output::record(&self.output, &fields, &mut self.out)
    }
}

/// The range of an object that is asked for, where ranges can be.
fn span(source: &dyn Source, input: &Input) -> Result<Span> {
    let Some(range) = input.range else { return Ok(Span::ALL) };
    let possible = match &input.format {
        Format::Csv(settings) => !settings.allow_quoted_record_delimiter,
        Format::Json(kind) => *kind == JsonType::Lines,
        Format::Parquet => true,
    };
    if !possible || input.compression != Compression::None {
        return Err(Error::from(Code::UnsupportedScanRangeInput));
    }
    range.of(source.size())
}

/// All of a record: its members, or itself.
fn members(value: &Value) -> Vec<Field<'_>> {
    match value {
        Value::Struct(members) => {
            members.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value))).collect()
        }
        value => vec![(Cow::Borrowed("_1"), Cow::Borrowed(value))],
    }
}

/// The fields of the answer for one record.
fn selected<'a>(
    items: &'a [Item],
    scope: &Scope<'_>,
    all: &mut dyn FnMut() -> Vec<Field<'a>>,
) -> Result<Vec<Field<'a>>> {
    let mut fields = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        match item {
            Item::All | Item::AllOf(_) => fields.append(&mut all()),
            Item::One(expression, name) => {
                let name = name.as_deref().map_or_else(|| Cow::Owned(place(number)), Cow::Borrowed);
                fields.push((name, Cow::Owned(evaluate(expression, scope)?)));
            }
        }
    }
    Ok(fields)
}

/// What becomes of a record.
struct Selection<'a> {
    query: &'a Query,
    output: &'a Output,
    now: jiff::Timestamp,
    accumulators: &'a mut Vec<Accumulator>,
    left: &'a mut u64,
    out: &'a mut String,
}

impl Selection<'_> {
    fn take<'r>(&mut self, record: &dyn Record, all: impl Fn() -> Vec<Field<'r>>) -> Result<()> {
        let scope = Scope { record, aggregates: &[], now: self.now };
        if let Some(condition) = &self.query.condition
            && truth(&evaluate(condition, &scope)?)? != Some(true)
        {
            return Ok(());
        }
        if !self.accumulators.is_empty() {
            for (accumulator, aggregate) in self.accumulators.iter_mut().zip(&self.query.aggregates) {
                match &aggregate.of {
                    Some(of) => accumulator.add(&evaluate(of, &scope)?)?,
                    None => accumulator.count(),
                }
            }
            return Ok(());
        }
        *self.left -= 1;
        let fields = selected(&self.query.items, &scope, &mut || all())?;
        output::record(self.output, &fields, self.out)
    }
}
