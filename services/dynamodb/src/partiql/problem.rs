//! What is said of statements that cannot be carried out, in AWS's words.

use super::tree::At;
use crate::expression::Problem;
use crate::number::NumberError;
use crate::value::ValueError;

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementProblem {
    /// It is not of the grammar. Of what cannot even be cut into words nothing is said behind the colon.
    #[error("Statement wasn't well formed, can't be processed: {0}")]
    Malformed(&'static str),
    #[error("Unsupported operation: {0}")]
    Operation(&'static str),
    #[error("Unsupported clause: {clause} at {at}")]
    Clause { clause: &'static str, at: At },
    #[error("Duplicate identifiers in select clause: {0}")]
    ColumnTwice(Box<str>),
    #[error("Aliasing is not supported")]
    Alias,
    #[error("A path may contain at most 2 components in the FROM clause")]
    LongSource,
    #[error("FROM clause may only contain a single table name")]
    InsertSource,
    #[error("Path component cannot be an empty string")]
    EmptyComponent,
    #[error("This operation is not supported on an index")]
    WriteToIndex,
    #[error("Unexpected path component at {0}")]
    PathComponent(At),
    #[error("List index is not within the allowable range; index: [{index}] at {at}")]
    ListIndex { index: Box<str>, at: At },
    #[error("Number of parameters in request and statement don't match.")]
    ParameterCount,
    #[error("Unrecognized function: {function} at {at}")]
    Function { function: Box<str>, at: At },
    #[error("{function} must have exactly two arguments at {at}")]
    SetArguments { function: &'static str, at: At },
    #[error("The first argument to {function} must equal the assignment value at {at}")]
    SetPlace { function: &'static str, at: At },
    #[error("The second argument to {function} must be a value with type SET at {at}")]
    SetOperand { function: &'static str, at: At },
    #[error("Unsupported data type: {what} under key {path} at {at}")]
    DataType { what: Box<str>, path: Box<str>, at: At },
    #[error("Empty bags are not supported")]
    EmptyBag,
    #[error("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")]
    MixedBag,
    #[error(
        "One or more parameter values were invalid: Input collection [{members}] contains duplicates! under {path}"
    )]
    DuplicateNumbers { members: Box<str>, path: Box<str> },
    #[error("Nesting Levels have exceeded supported limits under {0}")]
    TooDeep(Box<str>),
    #[error("{error} under {path}")]
    Number { error: NumberError, path: Box<str> },
    #[error(transparent)]
    Value(#[from] ValueError),
    /// PartiQL lists the types in an order of its own.
    #[error("Invalid attribute type name found; type: {0}, valid types: {{N,BS,L,B,NULL,M,S,SS,NS,BOOL}}")]
    UnknownType(Box<str>),
    /// What expressions are refused for, without the name of the parameter that they would stand in.
    #[error("{0}")]
    Expression(Problem),
    #[error("Invalid returning clause: RETURNING {0} *. Only RETURNING ALL OLD * is allowed in DELETE statements.")]
    DeleteReturning(&'static str),
    #[error("Where clause does not contain a mandatory equality on all key attributes")]
    KeyMissing,
    #[error("Multiple conditions on same key {0}. Only single item Update/Insert/Delete are supported")]
    KeyTwice(Box<str>),
    #[error("Key attribute's data type should match its data type in table's schema: Key {0}")]
    KeyType(Box<str>),
    #[error("Overlapping conditions with range keys are not supported in where clause")]
    Overlap,
    #[error("Too many decomposed read operations for a given query.")]
    TooManyReads,
    #[error("The table does not have the specified index")]
    NoIndex,
    #[error(
        "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys."
    )]
    ManyKeyAttributes,
    #[error("Strongly consistent read is not supported on Global Secondary Indexes")]
    ConsistentIndex,
    #[error(
        "One or more parameter values were invalid: Secondary index {index} does not project one or more filter attributes: [{names}]"
    )]
    FilterNotProjected { index: Box<str>, names: Box<str> },
    #[error("Must have WHERE clause in the statement when using ORDER BY clause.")]
    OrderWithoutWhere,
    #[error("Attribute {0} in ORDER BY clause must be part of the primary key")]
    OrderByOther(Box<str>),
    #[error("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")]
    OrderWithoutKey,
    #[error("Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.")]
    OrderWithoutHash,
    #[error("Select statements within {0} must specify the primary key in the where clause.")]
    SelectByKey(&'static str),
    #[error("Reads on indices are not supported within transactions.")]
    IndexInTransaction,
    #[error("RETURNING clause is not supported in ExecuteTransaction.")]
    ReturningInTransaction,
    #[error("EXISTS can only be used in ExecuteTransaction write requests.")]
    ExistsElsewhere,
    #[error("EXISTS() must contain a single item read with additional condition")]
    ExistsCondition,
    #[error("{0} API does not support both read and write operations in the same request.")]
    Mixed(&'static str),
    #[error("Invalid NextToken")]
    TokenUnreadable,
    #[error("NextToken does not match request")]
    TokenOfAnother,
}

impl From<Problem> for StatementProblem {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::UnknownType(name) => Self::UnknownType(name),
            other => Self::Expression(other),
        }
    }
}
