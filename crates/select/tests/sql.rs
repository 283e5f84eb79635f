//! The language, by the examples of its reference and beyond.

use undercast_select::{FileHeaderInfo, JsonType};

use crate::support::{answer, csv_input, csv_output, json_input, json_output, text, value, whole};

#[test]
fn expressions() {
    for (expression, wanted) in [
        // Literals.
        ("1", "1"),
        ("-1", "-1"),
        ("1.50", "1.50"),
        ("9223372036854775808", "9223372036854775808"),
        ("'it''s'", "\"it's\""),
        ("true", "true"),
        ("null", "null"),
        ("missing", "missing"),
        ("`2010T`", "\"2010T\""),
        ("`true`", "true"),
        ("`1.5`", "1.5"),
        ("`1e0`", "1.0"),
        ("[1, 'a', null]", "[1,\"a\",null]"),
        // Arithmetic.
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("7 / 2.0", "3.5"),
        ("7 % 4", "3"),
        ("-7 % 4", "-3"),
        ("0.1 + 0.2", "0.3"),
        ("10 - 2 - 3", "5"),
        ("- - 5", "5"),
        ("1 + null", "null"),
        ("1 + missing", "missing"),
        ("CAST('1' AS FLOAT) / 4", "0.25"),
        ("'a' || 'b' || 'c'", "\"abc\""),
        // Comparison.
        ("1 = 1.0", "true"),
        ("1 = '1'", "false"),
        ("1 <> '1'", "true"),
        ("1 != 2", "true"),
        ("'a' < 'b'", "true"),
        ("2 >= 2.00", "true"),
        ("1 < 'a'", "null"),
        ("null = null", "null"),
        ("1 = 1 AND 2 > 1 OR false", "true"),
        ("NOT 1 = 2", "true"),
        ("NOT null", "null"),
        ("false AND null", "false"),
        ("true OR null", "true"),
        ("true AND null", "null"),
        ("`2010T` < `2010-02T`", "true"),
        ("`2010-01-01T01:00+01:00` = `2010-01-01T00:00Z`", "true"),
        ("2 BETWEEN 1 AND 3", "true"),
        ("4 NOT BETWEEN 1 AND 3", "true"),
        ("1 + 1 BETWEEN 1 AND 1 + 1 AND true", "true"),
        ("2 IN (1, 2, 3)", "true"),
        ("4 IN (1, null)", "null"),
        ("4 NOT IN (1, 2)", "true"),
        ("2 IN [1, 2]", "true"),
        ("'abc' LIKE 'a%'", "true"),
        ("'abc' NOT LIKE '_b'", "true"),
        ("'50%' LIKE '50\\%' ESCAPE '\\'", "true"),
        ("null IS NULL", "true"),
        ("missing IS NULL", "true"),
        ("missing IS MISSING", "true"),
        ("null IS NOT MISSING", "true"),
        ("1 IS NOT NULL", "true"),
        // Conditional functions.
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END", "\"b\""),
        ("CASE WHEN 1 > 2 THEN 'a' END", "null"),
        ("COALESCE(1)", "1"),
        ("COALESCE(null)", "null"),
        ("COALESCE(missing, missing)", "null"),
        ("COALESCE(null, null, 1)", "1"),
        ("COALESCE(missing, 1)", "1"),
        ("NULLIF(1, 1)", "null"),
        ("NULLIF(1, 2)", "1"),
        ("NULLIF(1.0, 1)", "null"),
        ("NULLIF(1, '1')", "1"),
        ("NULLIF([1], [1])", "null"),
        ("NULLIF(1, NULL)", "1"),
        ("NULLIF(NULL, 1)", "null"),
        ("NULLIF(missing, missing)", "null"),
        // Conversion.
        ("CAST('2007-04-05T14:30Z' AS TIMESTAMP)", "\"2007-04-05T14:30Z\""),
        ("CAST(0.456 AS FLOAT)", "0.456"),
        ("CAST(' 42 ' AS INT)", "42"),
        ("CAST(42.9 AS INTEGER)", "42"),
        ("CAST('TRUE' AS BOOL)", "true"),
        ("CAST(0 AS BOOL)", "false"),
        ("CAST('1.10' AS DECIMAL(10, 2))", "1.10"),
        ("CAST(7 AS STRING)", "\"7\""),
        ("CAST(null AS INT)", "null"),
        // Strings.
        ("CHAR_LENGTH('')", "0"),
        ("CHARACTER_LENGTH('äbc')", "3"),
        ("LOWER('AbCdEfG!@#$')", "\"abcdefg!@#$\""),
        ("UPPER('AbCdEfG!@#$')", "\"ABCDEFG!@#$\""),
        ("SUBSTRING('123456789', 0)", "\"123456789\""),
        ("SUBSTRING('123456789', 2)", "\"23456789\""),
        ("SUBSTRING('123456789', -4)", "\"123456789\""),
        ("SUBSTRING('123456789', 0, 999)", "\"123456789\""),
        ("SUBSTRING('123456789', 1, 5)", "\"12345\""),
        ("SUBSTRING('123456789', -1, 4)", "\"12\""),
        ("SUBSTRING('123456789', -5, 3)", "\"\""),
        ("SUBSTRING('123456789' FROM 3 FOR 2)", "\"34\""),
        ("TRIM('       foobar         ')", "\"foobar\""),
        ("TRIM('      \tfoobar\t         ')", "\"\\tfoobar\\t\""),
        ("TRIM(LEADING FROM '       foobar         ')", "\"foobar         \""),
        ("TRIM(TRAILING FROM '       foobar         ')", "\"       foobar\""),
        ("TRIM(BOTH FROM '       foobar         ')", "\"foobar\""),
        ("TRIM(BOTH '12' FROM '1112211foobar22211122')", "\"foobar\""),
        // Dates.
        ("DATE_ADD(year, 5, `2010-01-01T`)", "\"2015-01-01\""),
        ("DATE_ADD(hour, 1, `2017T`)", "\"2017-01-01T01:00-00:00\""),
        ("DATE_DIFF(month, `2010T`, `2011T`)", "12"),
        ("DATE_DIFF(day, `2010-01-01T23:00Z`, `2010-01-02T01:00Z`)", "0"),
        ("EXTRACT(YEAR FROM `2010-01-01T`)", "2010"),
        ("EXTRACT(MONTH FROM `2010T`)", "1"),
        ("EXTRACT(HOUR FROM `2017-01-02T03:04:05+07:08`)", "3"),
        ("EXTRACT(TIMEZONE_HOUR FROM `2017-01-02T03:04:05+07:08`)", "7"),
        ("EXTRACT(TIMEZONE_MINUTE FROM `2017-01-02T03:04:05+07:08`)", "8"),
        ("TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y')", "\"July 20, 1969\""),
        ("TO_STRING(`1969-07-20T20:18Z`, 'y-MM-dd''T''H:m:ssX')", "\"1969-07-20T20:18:00Z\""),
        ("TO_TIMESTAMP('2007T')", "\"2007T\""),
        ("TO_TIMESTAMP('2007-02-23T12:14:33.079-08:00')", "\"2007-02-23T12:14:33.079-08:00\""),
        ("UTCNOW()", "\"2017-10-13T16:02:11.123Z\""),
    ] {
        assert_eq!(value(expression).as_deref(), Ok(wanted), "{expression}");
    }
}

#[test]
fn expressions_without_a_value() {
    for (expression, code) in [
        ("9223372036854775807 + 1", "IntegerOverflow"),
        ("1 / 0", "ExternalEvalException"),
        ("1.0 / 0", "ExternalEvalException"),
        ("'a' + 1", "IncorrectSqlFunctionArgumentType"),
        ("1 || 'a'", "IncorrectSqlFunctionArgumentType"),
        ("1 AND true", "InvalidDataType"),
        ("CAST('x' AS INT)", "CastFailed"),
        ("CAST('1.5' AS INT)", "CastFailed"),
        ("CAST('99999999999999999999' AS INT)", "NumberFormatError"),
        ("CAST(1e30 AS INT)", "NumberFormatError"),
        ("CAST('yes' AS BOOL)", "CastFailed"),
        ("CAST(1 AS TIMESTAMP)", "CastFailed"),
        ("CAST([1] AS STRING)", "CastFailed"),
        ("CAST(1 AS BLOB)", "InvalidDataType"),
        ("CAST(1 INT)", "ParseCastArity"),
        ("CAST 1 AS INT", "ParseExpectedLeftParenAfterCast"),
        ("CAST(1 AS 5)", "ParseExpectedTypeName"),
        ("CAST(1 AS DECIMAL('x'))", "ParseInvalidTypeParam"),
        ("'a' LIKE 1", "LikeInvalidInputs"),
        ("'a' LIKE 'a!' ESCAPE '!'", "EvaluatorLikePatternInvalidEscapeSequence"),
        ("'a' LIKE 'a' ESCAPE 'xy'", "EvaluatorLikePatternInvalidEscapeSequence"),
        ("LOWER()", "EvaluatorInvalidArguments"),
        ("LOWER('a', 'b')", "EvaluatorInvalidArguments"),
        ("LOWER(1)", "IncorrectSqlFunctionArgumentType"),
        ("SUBSTRING('a', 1, -1)", "EvaluatorInvalidArguments"),
        ("LOWER 'a'", "ParseExpectedLeftParenBuiltinFunctionCall"),
        ("LOWER('a' 'b')", "ParseExpectedArgumentDelimiter"),
        ("TRIM('a' 'b')", "ParseExpectedRightParenBuiltinFunctionCall"),
        ("SIZE([1])", "ParseUnexpectedToken"),
        ("ABS(1)", "UnsupportedFunction"),
        ("DATE_ADD(week, 1, `2010T`)", "ParseExpectedDatePart"),
        ("DATE_ADD(year, 9999, `2010T`)", "IllegalSqlFunctionArgument"),
        ("DATE_ADD(year, 1, '2010T')", "IncorrectSqlFunctionArgumentType"),
        ("EXTRACT(year `2010T`)", "ParseExpectedKeyword"),
        ("TO_TIMESTAMP('yesterday')", "ValueParseFailure"),
        ("TO_STRING(`2010T`, 'Q')", "EvaluatorInvalidTimestampFormatPatternSymbol"),
        ("TO_STRING(`2010T`, 'yyy')", "EvaluatorInvalidTimestampFormatPatternToken"),
        ("TO_STRING(`2010T`, '''')", "EvaluatorUnterminatedTimestampFormatPatternToken"),
        ("CASE 1 ELSE 2 END", "ParseExpectedWhenClause"),
        ("SUM(*)", "ParseUnsupportedCallWithStar"),
        ("SUM(1, 2)", "ParseNonUnaryAgregateFunctionCall"),
        ("SUM(SUM(1))", "UnsupportedSqlStructure"),
        ("COUNT(DISTINCT 1)", "UnsupportedSqlStructure"),
        ("1 IN 2", "ParseExpectedLeftParenValueConstructor"),
        ("`{`", "LexerInvalidIONLiteral"),
        ("1x", "LexerInvalidLiteral"),
        ("'open", "LexerInvalidChar"),
        ("a ? b", "LexerInvalidChar"),
        ("%", "ParseUnexpectedOperator"),
        ("x IS INT", "ParseExpectedTypeName"),
        ("s[*]", "ParseInvalidContextForWildcardInSelectList"),
        ("s.a.*", "ParseInvalidContextForWildcardInSelectList"),
        ("s[x]", "InvalidKeyPath"),
        ("s.CAST", "ParseInvalidPathComponent"),
    ] {
        assert_eq!(value(expression), Err(code.to_owned()), "{expression}");
    }
}

#[test]
fn statements_that_are_none() {
    for (query, code) in [
        ("", "ParseUnexpectedToken"),
        ("DELETE FROM S3Object", "ParseUnexpectedToken"),
        ("SELECT", "ParseEmptySelect"),
        ("SELECT FROM S3Object", "ParseEmptySelect"),
        ("SELECT *", "ParseSelectMissingFrom"),
        ("SELECT * WHERE true", "ParseUnexpectedToken"),
        ("SELECT *, a FROM S3Object", "ParseAsteriskIsNotAloneInSelectList"),
        ("SELECT DISTINCT a FROM S3Object", "ParseUnsupportedSelect"),
        ("SELECT a AS FROM S3Object", "ParseExpectedIdentForAlias"),
        ("SELECT * FROM somewhere", "InvalidTableAlias"),
        ("SELECT * FROM S3Object.path", "InvalidKeyPath"),
        ("SELECT * FROM S3Object[0]", "InvalidKeyPath"),
        ("SELECT * FROM S3Object s, S3Object t", "ParseMalformedJoin"),
        ("SELECT * FROM S3Object s JOIN S3Object t", "ParseMalformedJoin"),
        ("SELECT * FROM S3Object GROUP BY a", "ParseExpectedIdentForGroupName"),
        ("SELECT * FROM S3Object ORDER BY a", "ParseUnexpectedToken"),
        ("SELECT * FROM S3Object LIMIT -1", "EvaluatorNegativeLimit"),
        ("SELECT * FROM S3Object LIMIT x", "ParseExpectedNumber"),
        ("SELECT * FROM S3Object WHERE SUM(a) > 1", "UnsupportedSqlStructure"),
        ("SELECT SUM(a), b FROM S3Object", "UnsupportedSqlStructure"),
        ("SELECT t.* FROM S3Object s", "ParseInvalidContextForWildcardInSelectList"),
        ("SELECT a b c FROM S3Object", "ParseUnexpectedToken"),
    ] {
        let found = text(whole("{}"), query, &json_input(JsonType::Document), json_output());
        assert_eq!(found, Err(code.to_owned()), "{query}");
    }
    let long = format!("SELECT '{}' FROM S3Object", "x".repeat(256 * 1024));
    assert_eq!(text(whole("{}"), &long, &json_input(JsonType::Lines), json_output()), Err("ExpressionTooLong".into()));
}

/// The sentences are those that were recorded from AWS for these queries.
#[test]
fn messages_that_name_a_place() {
    for (header, query, message) in [
        (
            FileHeaderInfo::None,
            "SELECT * FROM S3OBJECT WHERE odd = true",
            "The column index at line 1, column 30 is invalid. Please check the service documentation and try again.",
        ),
        (
            FileHeaderInfo::Ignore,
            "SELECT * FROM S3OBJECT s WHERE s._1 = \"true\"",
            "The column index at line 1, column 39 is invalid. Please check the service documentation and try again.",
        ),
        (
            FileHeaderInfo::None,
            "SELECT s.\"country_code\" FROM S3Object s WHERE s._1<='x'",
            "The column index at line 1, column 8 is invalid. Please check the service documentation and try again.",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3OBJECT s WHERE s.'odd' is \"true\"",
            "Invalid Path component, expecting either an IDENTIFIER or STAR, got: LITERAL,at line 1, column 34.",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3OBJECT s WHERE s.odd IS \"true\"",
            "Expected type name, found QUOTED_IDENTIFIER:'true' at line 1, column 41.",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3OBJECT s WHERE s.5 = `true`",
            "Unexpected token found LITERAL:5d-1 at line 1, column 33.",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3OBJECT s WHERE s.\"nothing\" = `true`",
            "Some headers in the query are missing from the file. Please check the file and try again.",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3OBJECT s\n WHERE s.odd = %",
            "Unexpected operator OPERATOR:'%' at line 2, column 16.",
        ),
    ] {
        let answer = answer(whole("id,odd\n1,true\n"), query, &csv_input(header), csv_output());
        assert_eq!(answer.end.map_err(|e| e.message), Err(message.to_owned()), "{query}");
        assert_eq!(answer.bytes, b"");
    }
}

#[test]
fn deep_expressions_are_refused_and_long_ones_are_not() {
    let deep = ["(".repeat(50_000) + "1", "NOT ".repeat(50_000) + "true", "- ".repeat(50_000) + "1"];
    let chain = vec!["1"; 50_000].join(" + ");
    let nested = "LOWER(".repeat(40_000);
    let lists = "[".repeat(50_000);
    let cases = "CASE WHEN ".repeat(20_000);
    for expression in deep.iter().chain([&chain, &nested, &lists, &cases]) {
        assert_eq!(value(expression), Err("MaxOperatorsExceeded".to_owned()), "{}", &expression[..20]);
    }
    assert_eq!(value(&vec!["1 = 2"; 20_000].join(" OR ")).as_deref(), Ok("false"));
    assert_eq!(value(&vec!["1"; 90].join(" + ")).as_deref(), Ok("90"));
    assert_eq!(value(&format!("1 IN ({})", vec!["2"; 50_000].join(", "))).as_deref(), Ok("false"));
}

const PEOPLE: &str = "Name,age,City\nAnn,30,Rome\nBob,9,Oslo\nCid,,Rome\nDan,x,Bonn\n";

#[test]
fn queries_of_csv() {
    use FileHeaderInfo::{Ignore, None, Use};
    for (header, query, wanted) in [
        (Use, "SELECT * FROM S3Object LIMIT 2", "Ann,30,Rome\nBob,9,Oslo\n"),
        (Use, "select S.NAME, s.\"City\" from s3object S where s.age > 9", "Ann,Rome\n"),
        (Use, "SELECT name FROM S3Object s WHERE CITY = 'Rome' AND s._2 <> ''", "Ann\n"),
        (Use, "SELECT name FROM S3Object WHERE age = 9.0", "Bob\n"),
        (Use, "SELECT name FROM S3Object WHERE age <> 9", "Ann\nCid\nDan\n"),
        (Use, "SELECT name FROM S3Object WHERE _9 IS MISSING LIMIT 1", "Ann\n"),
        (Use, "SELECT COUNT(*), COUNT(age) FROM S3Object WHERE city LIKE '%o%'", "4,4\n"),
        (
            Use,
            "SELECT MAX(CAST(age AS INT)), AVG(CAST(age AS INT)) FROM S3Object WHERE age IN ('30', '9')",
            "30,19.5\n",
        ),
        (Use, "SELECT SUM(age), MIN(age) FROM S3Object WHERE CHAR_LENGTH(age) > 0 AND age <> 'x'", "39,9\n"),
        (Use, "SELECT SUM(age), AVG(age), MAX(age) FROM S3Object WHERE false", ",,\n"),
        (Use, "SELECT SUM(age) * 2 + COUNT(*) AS n FROM S3Object WHERE age > 0", "80\n"),
        (Use, "SELECT COUNT(*) FROM S3Object LIMIT 0", ""),
        (Use, "SELECT * FROM S3Object LIMIT 0", ""),
        (Use, "SELECT s.*, age FROM S3Object s LIMIT 1", "Ann,30,Rome,30\n"),
        (Use, "SELECT name FROM S3Object WHERE age < 30;", "Bob\n"),
        (None, "SELECT _1 FROM S3Object LIMIT 1", "Name\n"),
        (None, "SELECT s._3, s._1 FROM S3Object s WHERE s._2 = '30' -- Ann", "Rome,Ann\n"),
        (Ignore, "SELECT _1 FROM S3Object LIMIT 1", "Ann\n"),
    ] {
        let found = text(whole(PEOPLE), query, &csv_input(header), csv_output());
        assert_eq!(found.as_deref(), Ok(wanted), "{query}");
    }
    for (header, query, code) in [
        (Use, "SELECT \"name\" FROM S3Object", "MissingHeaders"),
        (Use, "SELECT name FROM S3Object s WHERE CAST(age AS INT) > 1", "CastFailed"),
        (Use, "SELECT SUM(age) FROM S3Object", "InvalidDataType"),
        (Use, "SELECT age + 1 FROM S3Object", "InvalidDataType"),
        (Use, "SELECT name.given FROM S3Object", "InvalidKeyPath"),
        (Use, "SELECT s FROM S3Object s", "UnrecognizedFormatException"),
        (Use, "SELECT * FROM S3Object[*].x", "InvalidKeyPath"),
        (Use, "SELECT * FROM S3Object WHERE name", "InvalidDataType"),
        (None, "SELECT name FROM S3Object", "InvalidColumnIndex"),
        (None, "SELECT _0 FROM S3Object", "InvalidColumnIndex"),
        (Ignore, "SELECT name FROM S3Object", "InvalidColumnIndex"),
    ] {
        let found = text(whole(PEOPLE), query, &csv_input(header), csv_output());
        assert_eq!(found, Err(code.to_owned()), "{query}");
    }
    let twice = "NAME,name\na,b\n";
    let ask = |query| text(whole(twice), query, &csv_input(Use), csv_output());
    assert_eq!(ask("SELECT s.name FROM S3Object s"), Err("AmbiguousFieldName".to_owned()));
    assert_eq!(ask("SELECT s.\"NAME\" FROM S3Object s").as_deref(), Ok("a\n"));
}

#[test]
fn csv_to_json_names_its_columns() {
    for (header, query, wanted) in [
        (
            FileHeaderInfo::Use,
            "SELECT * FROM S3Object LIMIT 1",
            "{\"Name\":\"Ann\",\"age\":\"30\",\"City\":\"Rome\"}\n",
        ),
        (FileHeaderInfo::Ignore, "SELECT * FROM S3Object LIMIT 1", "{\"_1\":\"Ann\",\"_2\":\"30\",\"_3\":\"Rome\"}\n"),
        (
            FileHeaderInfo::Use,
            "SELECT s.name, age AS years, CAST(age AS INT) + 1, _9 FROM S3Object s LIMIT 1",
            "{\"name\":\"Ann\",\"years\":\"30\",\"_3\":31}\n",
        ),
        (
            FileHeaderInfo::Use,
            "SELECT s FROM S3Object s LIMIT 1",
            "{\"s\":{\"Name\":\"Ann\",\"age\":\"30\",\"City\":\"Rome\"}}\n",
        ),
        (FileHeaderInfo::Use, "SELECT COUNT(*) FROM S3Object", "{\"_1\":4}\n"),
        (FileHeaderInfo::Use, "SELECT COUNT(*) n FROM S3Object", "{\"n\":4}\n"),
    ] {
        let found = text(whole(PEOPLE), query, &csv_input(header), json_output());
        assert_eq!(found.as_deref(), Ok(wanted), "{query}");
    }
}

const RULES: &str = r#"{ "Rules": [ {"id": "1"}, {"expr": "y > x"}, {"id": "2", "expr": "z = DEBUG"} ]}
{ "created": "June 27", "modified": "July 6" }
"#;

const FILES: &str = r#"{ "created": "936864000", "dir_name": "important_docs", "files": [ { "name": "." }, { "name": ".aws" } ], "owner": "AWS S3" }
{ "created": "936864000", "dir_name": "other_docs", "files": [ { "name": ".." } ], "owner": "User" }
"#;

const BOOKS: &str =
    r#"{"books": [{"price": 10, "tags": ["x", "y"]}, {"price": 12.50}], "kin": {"a": {"n": 1}, "b": {"n": 2}}}"#;

#[test]
fn queries_of_json() {
    for (object, query, wanted) in [
        // The examples of the reference.
        (RULES, "SELECT id FROM S3Object[*].Rules[*].id", "{\"id\":\"1\"}\n{}\n{\"id\":\"2\"}\n{}\n"),
        (RULES, "SELECT id FROM S3Object[*].Rules[*].id WHERE id IS NOT MISSING", "{\"id\":\"1\"}\n{\"id\":\"2\"}\n"),
        (
            FILES,
            "SELECT d.dir_name, d.files FROM S3Object[*] d",
            "{\"dir_name\":\"important_docs\",\"files\":[{\"name\":\".\"},{\"name\":\".aws\"}]}\n\
             {\"dir_name\":\"other_docs\",\"files\":[{\"name\":\"..\"}]}\n",
        ),
        (
            FILES,
            "SELECT _1.dir_name, _1.owner FROM S3Object[*]",
            "{\"dir_name\":\"important_docs\",\"owner\":\"AWS S3\"}\n{\"dir_name\":\"other_docs\",\"owner\":\"User\"}\n",
        ),
        (BOOKS, "SELECT price FROM S3Object[*].books[*].price", "{\"price\":10}\n{\"price\":12.50}\n"),
        (BOOKS, "SELECT _1.price FROM S3Object[*].books[*]", "{\"price\":10}\n{\"price\":12.50}\n"),
        // Further paths.
        (BOOKS, "SELECT b.price FROM S3Object[*].books[1] b", "{\"price\":12.50}\n"),
        (BOOKS, "SELECT b.price FROM S3Object[*]['books'][*] AS b WHERE b.price > 11", "{\"price\":12.50}\n"),
        (BOOKS, "SELECT _1.n FROM S3Object[*].kin.*", "{\"n\":1}\n{\"n\":2}\n"),
        (BOOKS, "SELECT s.books[0].tags[1], s.KIN.a.n FROM S3Object s", "{\"_1\":\"y\",\"n\":1}\n"),
        (BOOKS, "SELECT t FROM S3Object[*].books[*].tags t", "{\"t\":[\"x\",\"y\"]}\n{}\n"),
        (BOOKS, "SELECT * FROM S3Object[*].books[*].price", "{\"_1\":10}\n{\"_1\":12.50}\n"),
        (BOOKS, "SELECT * FROM S3Object[*].none[*].more", "{}\n"),
        (BOOKS, "SELECT COUNT(n), COUNT(*) FROM S3Object[*].books[*].tags n", "{\"_1\":1,\"_2\":2}\n"),
        (BOOKS, "SELECT SUM(b.price) AS s, AVG(b.price) a FROM S3Object[*].books[*] b", "{\"s\":22.50,\"a\":11.25}\n"),
        (BOOKS, "SELECT 'x' IN s.books[0].tags AS f FROM S3Object s", "{\"f\":true}\n"),
        ("[1,2]", "SELECT * FROM S3Object", "{\"_1\":[1,2]}\n"),
        ("[1,2]", "SELECT v FROM S3Object[*][*] v WHERE v > 1", "{\"v\":2}\n"),
        ("1 \"a\" null", "SELECT * FROM S3Object", "{\"_1\":1}\n{\"_1\":\"a\"}\n{\"_1\":null}\n"),
        ("{\"a\":1.10,\"b\":1e2,\"c\":-0.5}", "SELECT * FROM S3Object", "{\"a\":1.10,\"b\":100,\"c\":-0.5}\n"),
        ("{\"a\":\"\\u00e9\\ud83d\\ude00\\n\\u0001\"}", "SELECT a FROM S3Object", "{\"a\":\"é😀\\n\\u0001\"}\n"),
        (
            "{\"a\":null}",
            "SELECT a IS NULL n, a IS MISSING m, b IS NULL bn FROM S3Object",
            "{\"n\":true,\"m\":false,\"bn\":true}\n",
        ),
        ("", "SELECT * FROM S3Object", ""),
        ("", "SELECT COUNT(*) FROM S3Object", "{\"_1\":0}\n"),
    ] {
        let found = text(whole(object), query, &json_input(JsonType::Document), json_output());
        assert_eq!(found.as_deref(), Ok(wanted), "{query}");
    }
    for (object, query, code) in [
        ("{\"A\":1,\"a\":2}", "SELECT a FROM S3Object", "AmbiguousFieldName"),
        ("{\"A\":1,\"a\":2}", "SELECT * FROM S3Object[*].a", "AmbiguousFieldName"),
        ("{\"a\":", "SELECT a FROM S3Object", "JSONParsingError"),
        ("{\"a\":01}", "SELECT a FROM S3Object", "JSONParsingError"),
        ("{\"a\":1,}", "SELECT b FROM S3Object[*].b", "JSONParsingError"),
        ("nul", "SELECT b FROM S3Object", "JSONParsingError"),
        ("{\"a\":\"\\ud800\"}", "SELECT a FROM S3Object", "JSONParsingError"),
    ] {
        let found = text(whole(object), query, &json_input(JsonType::Document), json_output());
        assert_eq!(found, Err(code.to_owned()), "{query} of {object}");
    }
    let ask = |query| text(whole(BOOKS), query, &json_input(JsonType::Document), csv_output());
    assert_eq!(ask("SELECT s.books[0].price, 'a,b', missing FROM S3Object s").as_deref(), Ok("10,\"a,b\",\n"));
    assert_eq!(ask("SELECT s.books FROM S3Object s"), Err("UnrecognizedFormatException".to_owned()));
}

#[test]
fn lines_of_json() {
    let lines = "{\"a\":1}\n\n  {\"a\":2}  \r\n{\"a\":3}";
    let ask = |object: &str| text(whole(object), "SELECT a FROM S3Object", &json_input(JsonType::Lines), json_output());
    assert_eq!(ask(lines).as_deref(), Ok("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"));
    assert_eq!(ask("{\"a\":\n1}"), Err("JSONParsingError".to_owned()));
    assert_eq!(ask("{\"a\":1} {\"a\":2}"), Err("JSONParsingError".to_owned()));
}
