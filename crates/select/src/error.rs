//! What goes wrong, by S3's codes.
//!
//! Source: "List of SELECT Object Content Error Codes" in the S3 API reference. Sentences that name a place are as
//! recorded from AWS in the troubleshooting chapter of Hadoop's S3A connector and in public bug reports.

use std::fmt;

macro_rules! codes {
    ($($name:ident $code:literal $message:literal;)*) => {
        /// A code of the list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $message] $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written in answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The sentence that the list has for it.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    AmbiguousFieldName "AmbiguousFieldName" "The field name matches to multiple fields in the file. Check the SQL expression and the file, and try again.";
    CastFailed "CastFailed" "An attempt to convert from one data type to another using CAST failed in the SQL expression.";
    CsvEscapingRecordDelimiter "CSVEscapingRecordDelimiter" "A quoted record delimiter was found in the file. To allow quoted record delimiters, set AllowQuotedRecordDelimiter to 'TRUE'.";
    CsvUnescapedQuote "CSVUnescapedQuote" "An unescaped quote was found while parsing the CSV file. To allow quoted record delimiters, set AllowQuotedRecordDelimiter to 'TRUE'.";
    EvaluatorBindingDoesNotExist "EvaluatorBindingDoesNotExist" "A column name or a path provided does not exist in the SQL expression.";
    EvaluatorInvalidArguments "EvaluatorInvalidArguments" "There is an incorrect number of arguments in the function call in the SQL expression.";
    EvaluatorInvalidTimestampFormatPattern "EvaluatorInvalidTimestampFormatPattern" "The timestamp format string in the SQL expression is not valid.";
    EvaluatorInvalidTimestampFormatPatternSymbol "EvaluatorInvalidTimestampFormatPatternSymbol" "The timestamp format pattern contains a symbol in the SQL expression that is not valid.";
    EvaluatorInvalidTimestampFormatPatternToken "EvaluatorInvalidTimestampFormatPatternToken" "The timestamp format pattern contains a token in the SQL expression that is not valid.";
    EvaluatorLikePatternInvalidEscapeSequence "EvaluatorLikePatternInvalidEscapeSequence" "An argument given to the LIKE expression was not valid.";
    EvaluatorNegativeLimit "EvaluatorNegativeLimit" "LIMIT must not be negative.";
    EvaluatorUnterminatedTimestampFormatPatternToken "EvaluatorUnterminatedTimestampFormatPatternToken" "The timestamp format pattern contains an unterminated token in the SQL expression.";
    ExpressionTooLong "ExpressionTooLong" "The SQL expression is too long. The maximum byte-length for an SQL expression is 256 KB.";
    ExternalEvalException "ExternalEvalException" "The query cannot be evaluated. Check the file and try again.";
    IllegalSqlFunctionArgument "IllegalSqlFunctionArgument" "An illegal argument was used in the SQL function.";
    IncorrectSqlFunctionArgumentType "IncorrectSqlFunctionArgumentType" "An incorrect argument type was specified in a function call in the SQL expression.";
    IntegerOverflow "IntegerOverflow" "An integer overflow or underflow occurred in the SQL expression.";
    InternalError "InternalError" "An internal error occurred.";
    InvalidColumnIndex "InvalidColumnIndex" "The column index in the SQL expression is not valid.";
    InvalidCompressionFormat "InvalidCompressionFormat" "The file is not in a supported compression format. Only GZIP and BZIP2 are supported.";
    InvalidDataSource "InvalidDataSource" "The data source type is not valid. Only CSV, JSON, and Parquet are supported.";
    InvalidDataType "InvalidDataType" "The SQL expression contains a data type that is not valid.";
    InvalidExpressionType "InvalidExpressionType" "The ExpressionType value is not valid. Only SQL expressions are supported.";
    InvalidFileHeaderInfo "InvalidFileHeaderInfo" "The FileHeaderInfo value is not valid. Only NONE, USE, and IGNORE are supported.";
    InvalidJsonType "InvalidJsonType" "The JsonType value is not valid. Only DOCUMENT and LINES are supported.";
    InvalidKeyPath "InvalidKeyPath" "The key path in the SQL expression is not valid.";
    InvalidQuoteFields "InvalidQuoteFields" "The QuoteFields value is not valid. Only ALWAYS and ASNEEDED are supported.";
    InvalidRequestParameter "InvalidRequestParameter" "The value of a parameter in the SelectRequest element is not valid. Check the service API documentation and try again.";
    InvalidScanRange "InvalidScanRange" "The provided scan range is not valid.";
    InvalidTableAlias "InvalidTableAlias" "The SQL expression contains a table alias that is not valid.";
    InvalidTextEncoding "InvalidTextEncoding" "The encoding type is not valid. Only UTF-8 encoding is supported.";
    JsonParsingError "JSONParsingError" "An error occurred while parsing the JSON file. Check the file and try again.";
    LexerInvalidChar "LexerInvalidChar" "The SQL expression contains a character that is not valid.";
    LexerInvalidIonLiteral "LexerInvalidIONLiteral" "The SQL expression contains an operator that is not valid.";
    LexerInvalidLiteral "LexerInvalidLiteral" "The SQL expression contains an operator that is not valid.";
    LikeInvalidInputs "LikeInvalidInputs" "The argument given to the LIKE clause in the SQL expression is not valid.";
    MaxOperatorsExceeded "MaxOperatorsExceeded" "Failed to parse SQL expression, try reducing complexity. For example, reduce number of operators used.";
    MissingHeaders "MissingHeaders" "Some headers in the query are missing from the file. Please check the file and try again.";
    MissingRequiredParameter "MissingRequiredParameter" "The SelectRequest entity is missing a required parameter. Check the service documentation and try again.";
    MultipleDataSourcesUnsupported "MultipleDataSourcesUnsupported" "Multiple data sources are not supported.";
    NumberFormatError "NumberFormatError" "An error occurred while parsing a number. This error can be caused by underflow or overflow of integers.";
    ObjectSerializationConflict "ObjectSerializationConflict" "InputSerialization specifies more than one format (CSV, JSON, or Parquet), or OutputSerialization specifies more than one format (CSV or JSON). For InputSerialization and OutputSerialization, you can specify only one format for each.";
    OverMaxParquetBlockSize "OverMaxParquetBlockSize" "The Parquet file is above the max row group size.";
    OverMaxRecordSize "OverMaxRecordSize" "The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.";
    ParquetParsingError "ParquetParsingError" "An error occurred while parsing the Parquet file. Check the file and try again.";
    ParquetUnsupportedCompressionCodec "ParquetUnsupportedCompressionCodec" "The specified Parquet compression codec is not supported.";
    ParseAsteriskIsNotAloneInSelectList "ParseAsteriskIsNotAloneInSelectList" "Other expressions are not allowed in the SELECT list when * is used without dot notation in the SQL expression.";
    ParseCastArity "ParseCastArity" "The SQL expression CAST has incorrect arity.";
    ParseEmptySelect "ParseEmptySelect" "The SQL expression contains an empty SELECT clause.";
    ParseExpectedArgumentDelimiter "ParseExpectedArgumentDelimiter" "The expected argument delimiter in the SQL expression was not found.";
    ParseExpectedDatePart "ParseExpectedDatePart" "The expected date part in the SQL expression was not found.";
    ParseExpectedExpression "ParseExpectedExpression" "The expected SQL expression was not found.";
    ParseExpectedIdentForAlias "ParseExpectedIdentForAlias" "The expected identifier for the alias in the SQL expression was not found.";
    ParseExpectedIdentForGroupName "ParseExpectedIdentForGroupName" "GROUP is not supported in the SQL expression.";
    ParseExpectedKeyword "ParseExpectedKeyword" "The expected keyword in the SQL expression was not found.";
    ParseExpectedLeftParenAfterCast "ParseExpectedLeftParenAfterCast" "The expected left parenthesis after CAST in the SQL expression was not found.";
    ParseExpectedLeftParenBuiltinFunctionCall "ParseExpectedLeftParenBuiltinFunctionCall" "The expected left parenthesis in the SQL expression was not found.";
    ParseExpectedLeftParenValueConstructor "ParseExpectedLeftParenValueConstructor" "The expected left parenthesis in the SQL expression was not found.";
    ParseExpectedNumber "ParseExpectedNumber" "The expected number in the SQL expression was not found.";
    ParseExpectedRightParenBuiltinFunctionCall "ParseExpectedRightParenBuiltinFunctionCall" "The expected right parenthesis character in the SQL expression was not found.";
    ParseExpectedTokenType "ParseExpectedTokenType" "The expected token in the SQL expression was not found.";
    ParseExpectedTypeName "ParseExpectedTypeName" "The expected type name in the SQL expression was not found.";
    ParseExpectedWhenClause "ParseExpectedWhenClause" "The expected WHEN clause in the SQL expression was not found. CASE is not supported.";
    ParseInvalidContextForWildcardInSelectList "ParseInvalidContextForWildcardInSelectList" "The use of * in the SELECT list in the SQL expression is not valid.";
    ParseInvalidPathComponent "ParseInvalidPathComponent" "The SQL expression contains a path component that is not valid.";
    ParseInvalidTypeParam "ParseInvalidTypeParam" "The SQL expression contains a parameter value that is not valid.";
    ParseMalformedJoin "ParseMalformedJoin" "JOIN is not supported in the SQL expression.";
    ParseNonUnaryAggregateFunctionCall "ParseNonUnaryAgregateFunctionCall" "Only one argument is supported for aggregate functions in the SQL expression.";
    ParseSelectMissingFrom "ParseSelectMissingFrom" "The SQL expression contains a missing FROM after the SELECT list.";
    ParseUnexpectedKeyword "ParseUnExpectedKeyword" "The SQL expression contains an unexpected keyword.";
    ParseUnexpectedOperator "ParseUnexpectedOperator" "The SQL expression contains an unexpected operator.";
    ParseUnexpectedTerm "ParseUnexpectedTerm" "The SQL expression contains an unexpected term.";
    ParseUnexpectedToken "ParseUnexpectedToken" "The SQL expression contains an unexpected token.";
    ParseUnsupportedCallWithStar "ParseUnsupportedCallWithStar" "Only COUNT with (*) as a parameter is supported in the SQL expression.";
    ParseUnsupportedSelect "ParseUnsupportedSelect" "The SQL expression contains an unsupported use of SELECT.";
    ParseUnsupportedSyntax "ParseUnsupportedSyntax" "The SQL expression contains unsupported syntax.";
    TruncatedInput "TruncatedInput" "Object decompression failed. Check that the object is properly compressed using the format specified in the request.";
    UnrecognizedFormatException "UnrecognizedFormatException" "We encountered a record type that is not valid.";
    UnsupportedFunction "UnsupportedFunction" "We encountered an unsupported SQL function.";
    UnsupportedParquetType "UnsupportedParquetType" "The specified Parquet type is not supported.";
    UnsupportedScanRangeInput "UnsupportedScanRangeInput" "Scan range queries are not supported on this type of object.";
    UnsupportedSqlOperation "UnsupportedSqlOperation" "We encountered an unsupported SQL operation.";
    UnsupportedSqlStructure "UnsupportedSqlStructure" "We encountered an unsupported SQL structure. Check the SQL Reference.";
    UnsupportedStorageClass "UnsupportedStorageClass" "We encountered a storage class that is not supported. Only STANDARD, STANDARD_IA, and ONEZONE_IA storage classes are supported.";
    ValueParseFailure "ValueParseFailure" "A timestamp parse failure occurred in the SQL expression.";
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// Which kind of reason.
    pub code: Code,
    /// In a sentence.
    pub message: String,
}

/// What the steps of a query give.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// With a sentence of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The object could not be read, for which the query is not to blame.
    pub(crate) fn reading(error: &std::io::Error) -> Self {
        Self::new(Code::InternalError, format!("{} {error}", Code::InternalError.message()))
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.message())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
