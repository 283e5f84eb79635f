//! A state machine as it is read: types for what the language has words for.

mod choice;
mod map;

pub use choice::{Choice, Comparison, Condition, Operand, Order, Rule};
pub use map::{
    BatcherLimits, CsvHeaders, ExecutionType, InputType, ItemBatcher, ItemReader, Items, ManifestType, Map, OutputType,
    ProcessorConfig, ProcessorMode, ReaderConfig, ReaderTransformation, ResultWriter, WriterConfig,
    WriterTransformation,
};

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::jsonata::Expression;
use crate::path::Path;
use crate::template::{Lookup, Template};
use crate::validate::Limits;

/// The language in which a state says what it takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLanguage {
    /// Paths and intrinsic functions.
    #[default]
    JsonPath,
    /// `{% … %}`.
    Jsonata,
}

impl QueryLanguage {
    /// As a definition writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}

/// A state machine; or a branch of a `Parallel`, or what a `Map` does with each item.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What its author says of it.
    pub comment: Option<String>,
    /// The language of the states that name none: a branch has that of the whole machine.
    pub query_language: QueryLanguage,
    /// The state with which it begins. It is one of `states`.
    pub start_at: String,
    /// The states, in the order of the definition.
    pub states: IndexMap<String, State>,
    /// How long an execution may take.
    pub timeout_seconds: Option<u64>,
    /// The version of the language: `1.0`.
    pub version: Option<String>,
    /// How a `Map` runs this; of nothing else.
    pub processor_config: Option<ProcessorConfig>,
}

impl Machine {
    /// Reads a definition.
    ///
    /// # Errors
    /// What [`validate`](crate::validate::validate) finds wrong with it. Warnings are no errors.
    pub fn parse(definition: &str) -> Result<Self, Vec<Diagnostic>> {
        crate::validate::read(definition, &Limits::default())
    }

    /// The state with a name.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.get(name)
    }

    /// The state with which it begins.
    pub fn first(&self) -> Option<&State> {
        self.state(&self.start_at)
    }
}

/// A state.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What its author says of it.
    pub comment: Option<String>,
    /// The language that holds for it: its own, or the machine's.
    pub query_language: QueryLanguage,
    /// What comes after it.
    pub next: Transition,
    /// What it takes of its input and gives as its output.
    pub flow: Flow,
    /// What is tried again: of a `Task`, `Parallel` or `Map`.
    pub retry: Vec<Retrier>,
    /// What is caught: of a `Task`, `Parallel` or `Map`.
    pub catch: Vec<Catcher>,
    /// What it does.
    pub kind: Kind,
}

impl State {
    /// Its type, as a definition and the events of a history write it: `Task`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Task(_) => "Task",
            Kind::Pass(_) => "Pass",
            Kind::Choice(_) => "Choice",
            Kind::Wait(_) => "Wait",
            Kind::Succeed => "Succeed",
            Kind::Fail(_) => "Fail",
            Kind::Parallel(_) => "Parallel",
            Kind::Map(_) => "Map",
        }
    }
}

/// What comes after a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// This state.
    Next(String),
    /// Nothing: the machine, or the branch, ends.
    End,
    /// A rule says it, or a `Succeed` or `Fail` ends the machine.
    None,
}

/// What a state does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Has something done.
    Task(Box<Task>),
    /// Gives its input, or what it says itself.
    Pass(Pass),
    /// Chooses.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Ends the machine well.
    Succeed,
    /// Ends the machine with an error.
    Fail(Fail),
    /// Does several things at a time.
    Parallel(Vec<Machine>),
    /// Does a thing for each item.
    Map(Box<Map>),
}

/// `InputPath`, `Parameters`, `ResultSelector`, `ResultPath`, `OutputPath`; `Arguments`, `Output`; `Assign`.
/// What a state's language does not have is as if it were not there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flow {
    /// The part of the input that is taken.
    pub input_path: Selection,
    /// What is made of it. (Of a `Map` whose older form says `Parameters` see [`Map::item_selector`].)
    pub parameters: Option<Template>,
    /// What is made of a result.
    pub result_selector: Option<Template>,
    /// Where in the input the result goes.
    pub result_path: Placement,
    /// The part of that which is given.
    pub output_path: Selection,
    /// What a task or the branches of a `Parallel` get.
    pub arguments: Option<Template>,
    /// What the state gives.
    pub output: Option<Template>,
    /// The variables that are set, one a field.
    pub assign: Option<Template>,
}

/// `InputPath` and `OutputPath`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Selection {
    /// `$`: all of it, which is the default.
    #[default]
    All,
    /// `null`: nothing of it, an empty object instead.
    Nothing,
    /// What a path finds.
    Path(Path),
}

/// `ResultPath`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Placement {
    /// `$`: the result stands instead of the input, which is the default.
    #[default]
    Replace,
    /// `null`: the result is dropped.
    Discard,
    /// The result goes to this place of the input.
    At(Path),
}

/// A value that a definition gives, or says where it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<T> {
    /// The value.
    Fixed(T),
    /// What a path finds: the fields that end with `Path`.
    Lookup(Lookup),
    /// What an expression gives.
    Expression(Expression),
}

/// A `Task`.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The ARN of what is to be done.
    pub resource: String,
    /// `TimeoutSeconds` and `TimeoutSecondsPath`.
    pub timeout_seconds: Option<Given<u64>>,
    /// `HeartbeatSeconds` and `HeartbeatSecondsPath`.
    pub heartbeat_seconds: Option<Given<u64>>,
    /// The role with whose rights it is done, in a field `RoleArn`.
    pub credentials: Option<Template>,
}

/// A `Pass`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pass {
    /// The result, if it is not the input.
    pub result: Option<Value>,
}

/// A `Wait`.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// So many seconds: `Seconds` and `SecondsPath`.
    Seconds(Given<u64>),
    /// Until then: `Timestamp` and `TimestampPath`.
    Until(Given<jiff::Timestamp>),
}

/// A `Fail`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fail {
    /// `Error` and `ErrorPath`.
    pub error: Option<Given<String>>,
    /// `Cause` and `CausePath`.
    pub cause: Option<Given<String>>,
}

/// What is tried again, how often and how long after.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// The names of errors.
    pub error_equals: Vec<String>,
    /// How long before the first time.
    pub interval_seconds: u64,
    /// How often. Zero: never.
    pub max_attempts: u64,
    /// By what the time grows.
    pub backoff_rate: f64,
    /// How long at most.
    pub max_delay_seconds: Option<u64>,
    /// Whether chance shortens the time.
    pub jitter: Jitter,
}

/// `JitterStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// It does not.
    #[default]
    None,
    /// Anything between zero and the time.
    Full,
}

/// What comes after an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Catcher {
    /// The names of errors.
    pub error_equals: Vec<String>,
    /// The state that comes then.
    pub next: String,
    /// What its author says of it.
    pub comment: Option<String>,
    /// Where in the input the error goes.
    pub result_path: Placement,
    /// What the state gives then.
    pub output: Option<Template>,
    /// The variables that are set then.
    pub assign: Option<Template>,
}
