//! Words that are no names unless they stand in double quotes.
//!
//! Source: the reserved words of PartiQL as the developer guide of QLDB, which reads the same language, lists them: those of
//! SQL-92 and a few more. Parts of dates are left out: statements of the guide use `year` as a name.

/// In order, in capitals.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "ABSOLUTE", "ACTION", "ADD", "ALL", "ALLOCATE", "ALTER", "AND", "ANY", "ARE", "AS", "ASC", "ASSERTION", "AT",
    "AUTHORIZATION", "AVG", "BAG", "BEGIN", "BETWEEN", "BIT", "BIT_LENGTH", "BLOB", "BOOL", "BOOLEAN", "BOTH", "BY",
    "CASCADE", "CASCADED", "CASE", "CAST", "CATALOG", "CHAR", "CHARACTER", "CHARACTER_LENGTH", "CHAR_LENGTH",
    "CHECK", "CLOB", "CLOSE", "COALESCE", "COLLATE", "COLLATION", "COLUMN", "COMMIT", "CONNECT", "CONNECTION",
    "CONSTRAINT", "CONSTRAINTS", "CONTINUE", "CONVERT", "CORRESPONDING", "COUNT", "CREATE", "CROSS", "CURRENT",
    "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURSOR", "DATE", "DATE_ADD", "DATE_DIFF",
    "DEALLOCATE", "DEC", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DELETE", "DESC", "DESCRIBE",
    "DESCRIPTOR", "DIAGNOSTICS", "DISCONNECT", "DISTINCT", "DOMAIN", "DOUBLE", "DROP", "ELSE", "END", "ESCAPE",
    "EXCEPT", "EXCEPTION", "EXEC", "EXECUTE", "EXISTS", "EXTERNAL", "EXTRACT", "FALSE", "FETCH", "FIRST", "FLOAT",
    "FOR", "FOREIGN", "FOUND", "FROM", "FULL", "GET", "GLOBAL", "GO", "GOTO", "GRANT", "GROUP", "HAVING",
    "IDENTITY", "IMMEDIATE", "IN", "INDEX", "INDICATOR", "INITIALLY", "INNER", "INPUT", "INSENSITIVE", "INSERT",
    "INT", "INTEGER", "INTERSECT", "INTERVAL", "INTO", "IS", "ISOLATION", "JOIN", "KEY", "LANGUAGE", "LAST",
    "LEADING", "LEFT", "LEVEL", "LIKE", "LIMIT", "LIST", "LOCAL", "LOWER", "MATCH", "MAX", "MIN", "MISSING",
    "MODULE", "NAMES", "NATIONAL", "NATURAL", "NCHAR", "NEXT", "NO", "NOT", "NULL", "NULLIF", "NUMERIC",
    "OCTET_LENGTH", "OF", "ON", "ONLY", "OPEN", "OPTION", "OR", "ORDER", "OUTER", "OUTPUT", "OVERLAPS", "PAD",
    "PARTIAL", "PIVOT", "POSITION", "PRECISION", "PREPARE", "PRESERVE", "PRIMARY", "PRIOR", "PRIVILEGES",
    "PROCEDURE", "PUBLIC", "READ", "REAL", "REFERENCES", "RELATIVE", "REMOVE", "RESTRICT", "REVOKE", "RIGHT",
    "ROLLBACK", "ROWS", "SCHEMA", "SCROLL", "SECTION", "SELECT", "SESSION", "SESSION_USER", "SET", "SEXP", "SIZE",
    "SMALLINT", "SOME", "SPACE", "SQL", "SQLCODE", "SQLERROR", "SQLSTATE", "STRING", "STRUCT", "SUBSTRING", "SUM",
    "SYMBOL", "SYSTEM_USER", "TABLE", "TEMPORARY", "THEN", "TIME", "TIMESTAMP", "TO", "TRAILING", "TRANSACTION",
    "TRANSLATE", "TRANSLATION", "TRIM", "TRUE", "TUPLE", "UNION", "UNIQUE", "UNKNOWN", "UNPIVOT", "UPDATE", "UPPER",
    "USAGE", "USER", "USING", "VALUE", "VALUES", "VARCHAR", "VARYING", "VIEW", "WHEN", "WHENEVER", "WHERE", "WITH",
    "WORK", "WRITE", "ZONE",
];

/// Keywords that are operators: they are complained of as such.
const OPERATORS: &[&str] = &["AND", "BETWEEN", "IN", "IS", "LIKE", "OR"];

/// Keywords that are functions where a parenthesis follows them.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "AVG", "BIT_LENGTH", "CAST", "CHARACTER_LENGTH", "CHAR_LENGTH", "COALESCE", "COUNT", "DATE_ADD", "DATE_DIFF",
    "EXISTS", "EXTRACT", "LOWER", "MAX", "MIN", "NULLIF", "OCTET_LENGTH", "POSITION", "SIZE", "SUBSTRING", "SUM",
    "TRIM", "UPPER",
];

/// What a type is called behind `IS`, and the code of the type that it means.
const TYPES: &[(&str, &str)] = &[
    ("BLOB", "B"),
    ("BOOL", "BOOL"),
    ("BOOLEAN", "BOOL"),
    ("CHAR", "S"),
    ("CHARACTER", "S"),
    ("DEC", "N"),
    ("DECIMAL", "N"),
    ("DOUBLE", "N"),
    ("FLOAT", "N"),
    ("INT", "N"),
    ("INT4", "N"),
    ("INT8", "N"),
    ("INTEGER", "N"),
    ("LIST", "L"),
    ("NULL", "NULL"),
    ("NUMERIC", "N"),
    ("REAL", "N"),
    ("SMALLINT", "N"),
    ("STRING", "S"),
    ("STRUCT", "M"),
    ("TUPLE", "M"),
    ("VARCHAR", "S"),
];

fn among(words: &[&str], word: &str) -> bool {
    words.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// Whether it is no name.
pub(super) fn is_keyword(word: &str) -> bool {
    among(KEYWORDS, word)
}

/// Whether it is an operator.
pub(super) fn is_operator(word: &str) -> bool {
    among(OPERATORS, word)
}

/// Whether it may be called, which every name may.
pub(super) fn is_function(word: &str) -> bool {
    !is_keyword(word) || among(FUNCTIONS, word)
}

/// The code of the type that a word behind `IS` means.
pub(super) fn type_named(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_uppercase();
    TYPES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order() {
        for list in [KEYWORDS, OPERATORS, FUNCTIONS] {
            assert!(list.is_sorted());
        }
    }
}
