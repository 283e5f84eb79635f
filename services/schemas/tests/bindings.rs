//! Code bindings, as those use them who have them.

use std::io::Read as _;
use std::process::{Command, Output};

use undercast_testkit::Folder;

use super::*;

/// An event of orders, with what there can be in one.
fn event() -> Json {
    json!({
        "version": "0", "id": "1", "detail-type": "Order placed", "source": "com.shop", "account": "000000000000",
        "time": "2026-03-01T12:00:00Z", "region": "us-east-1", "resources": ["r"],
        "detail": {
            "order-id": "o", "class": "first", "at": "2026-03-01T12:00:00.123456Z", "total": 2.5, "count": 3, "paid": true,
            "customer": {"name": "n", "address": {"city": "c"}},
            "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
            "labels": {"a": "b"}, "anything": {"x": [1, "2"]},
        },
    })
}

/// Its schema in either language.
fn content() -> String {
    let text = || json!({"type": "string"});
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    open_api(
        "OrderPlaced",
        &json!({
            "AWSEvent": {"type": "object", "required": ["detail", "id"], "x-amazon-events-detail-type": "Order placed", "x-amazon-events-source": "com.shop",
                "properties": {"detail": reference("OrderPlaced"), "account": text(), "detail-type": text(), "id": text(), "region": text(),
                    "resources": {"type": "array", "items": text()}, "source": text(), "time": {"type": "string", "format": "date-time"}, "version": text()}},
            "OrderPlaced": {"type": "object", "required": ["order-id", "lines"], "properties": {
                "order-id": text(), "class": text(), "at": {"type": "string", "format": "date-time"}, "total": {"type": "number"},
                "count": {"type": "integer"}, "paid": {"type": "boolean"}, "customer": reference("Customer"),
                "lines": {"type": "array", "items": reference("Line")},
                "labels": {"type": "object", "additionalProperties": text()}, "anything": {}}},
            "Customer": {"type": "object", "required": ["name"], "properties": {"name": text(),
                "address": {"type": "object", "properties": {"city": text()}}}},
            "Line": {"type": "object", "properties": {"sku": text(), "n": {"type": "number"}, "within": reference("OrderPlaced")}},
        }),
    )
}

/// The code of the schema in a language, unpacked.
async fn unpacked(language: &str) -> Folder {
    code("com.shop@OrderPlaced", &content(), language).await
}

/// The same of another schema.
async fn code(schema: &str, content: &str, language: &str) -> Folder {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    let input = json!({"RegistryName": "r", "SchemaName": schema, "Type": "OpenApi3", "Content": content});
    ok(&client, "CreateSchema", input).await;
    let named = json!({"RegistryName": "r", "SchemaName": schema, "Language": language});
    assert_eq!(refused(&client, "DescribeCodeBinding", named.clone()).await.0, "NotFoundException");
    let begun = ok(&client, "PutCodeBinding", named.clone()).await;
    assert_eq!((&begun["Status"], &begun["SchemaVersion"]), (&json!("CREATE_IN_PROGRESS"), &json!("1")));
    let status = async || ok(&client, "DescribeCodeBinding", named.clone()).await["Status"].clone();
    until("the code is made", async || status().await == "CREATE_COMPLETE").await;
    let mut of_version = named.clone();
    of_version["SchemaVersion"] = json!("1");
    let zip = client.call(SERVICE, "GetCodeBindingSource", of_version).await;
    assert_eq!(zip.status, 200);
    unzip(&zip.body)
}

fn unzip(bytes: &[u8]) -> Folder {
    let folder = Folder::new();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let path = folder.0.join(file.enclosed_name().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn read(folder: &Folder, path: &str) -> String {
    std::fs::read_to_string(folder.0.join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Whether a program is there.
fn has(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

/// Runs a program in a folder; it must go well.
fn run(folder: &Folder, command: &mut Command) -> Output {
    let output = command.current_dir(&folder.0).output().unwrap();
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", said());
    output
}

#[tokio::test]
async fn python_reads_and_writes_an_event() {
    let folder = unpacked("Python36").await;
    let script = r#"
import datetime, json, sys
from schema.com_shop.orderplaced import AWSEvent, OrderPlaced, Line, Customer, Marshaller
given = json.loads(sys.argv[1])
event = Marshaller.unmarshall(given, AWSEvent)
detail = event.detail
assert type(detail) is OrderPlaced and type(detail.lines[1]) is Line and type(detail.customer) is Customer
assert detail.lines[1].sku == "b" and detail.customer.address.city == "c" and detail.class_ == "first"
assert event.time == datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
assert detail.at.microsecond == 123456 and detail.labels == {"a": "b"}
assert Marshaller.marshall(event) == given, Marshaller.marshall(event)
assert event == Marshaller.unmarshall(given, AWSEvent) and event.to_dict()["detail"]["order_id"] == "o"
detail.order_id = "p"
assert Marshaller.marshall(event)["detail"]["order-id"] == "p"
try:
    detail.order_id = None
except ValueError:
    print("good")
"#;
    let output = run(&folder, Command::new("python3").args(["-c", script, &event().to_string()]));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "good\n");
}

#[tokio::test]
async fn go_reads_and_writes_an_event() {
    let folder = unpacked("Go1").await;
    let line = read(&folder, "schema/com_shop/orderplaced/line.go");
    assert!(line.contains("Within *OrderPlaced `json:\"within,omitempty\"`"), "{line}");
    assert!(read(&folder, "schema/com_shop/orderplaced/orderplaced.go").contains("OrderId string `json:\"order-id\"`"));
    // Where there is a compiler, it is asked as well.
    if !has("go", "version") {
        return;
    }
    assert_eq!(by_go(&folder, "schema/com_shop/orderplaced", &event()), event());
}

/// Names that no language likes, of properties and of classes.
const NAMES: &[&str] = &[
    "class",
    "self",
    "type",
    "func",
    "constructor",
    "import",
    "None",
    "a-b",
    "a_b",
    "aB",
    "1st",
    "",
    "-",
    "a b",
    "quo\"te",
    "it's",
    "back\\slash",
    "new\nline",
    "tick`",
    "comma,",
    "ünï",
    "日本",
    "$ref",
    "to_dict",
    "detail",
];
const CLASSES: &[&str] = &[
    "Object",
    "String",
    "Date",
    "List",
    "Map",
    "None",
    "Marshaller",
    "Marshal",
    "UnmarshalEvent",
    "9th",
    "some-thing",
    "some.thing",
    "SomeThing",
    "OnWindows",
];

/// A schema of all of them, and an event with them.
fn unlikely() -> (String, Json) {
    let mut properties: serde_json::Map<String, Json> =
        NAMES.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let mut event: serde_json::Map<String, Json> = NAMES.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    let mut schemas = serde_json::Map::new();
    for name in CLASSES {
        properties.insert(format!("of {name}"), json!({"$ref": format!("#/components/schemas/{name}")}));
        event.insert(format!("of {name}"), json!({"name": name}));
        schemas.insert((*name).to_owned(), json!({"type": "object", "properties": {"name": {"type": "string"}}}));
    }
    schemas.insert("class".to_owned(), json!({"type": "object", "properties": properties}));
    (open_api("class", &Json::Object(schemas)), Json::Object(event))
}

/// Has Go read an event with the code in a folder, and write it again.
fn by_go(folder: &Folder, package: &str, event: &Json) -> Json {
    std::fs::write(folder.0.join("go.mod"), "module shop\n\ngo 1.16\n").unwrap();
    let main = r#"package main

import (
	"fmt"
	"os"

	code "shop/PACKAGE"
)

func main() {
	event, err := code.UnmarshalEvent([]byte(os.Args[1]))
	if err != nil {
		panic(err)
	}
	out, err := code.Marshal(event)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(out))
}
"#;
    std::fs::write(folder.0.join("main.go"), main.replace("PACKAGE", package)).unwrap();
    // What it compiles of its own library is good for all tests.
    let home = std::env::temp_dir().join("undercast-test-go");
    let mut command = Command::new("go");
    command.env("GOCACHE", home.join("cache")).env("GOPATH", home.join("path")).env("GOFLAGS", "-mod=mod");
    serde_json::from_slice(&run(folder, command.args(["run", ".", &event.to_string()])).stdout).unwrap()
}

#[tokio::test]
async fn names_that_no_language_likes_are_read_and_written() {
    let (content, event) = unlikely();
    let folder = code("class@import", &content, "Python36").await;
    let script = r#"
import json, sys
import schema.class_.import_ as code
given = json.loads(sys.argv[1])
read = code.Marshaller.unmarshall(given, "Class_")
assert code.Marshaller.marshall(read) == given, code.Marshaller.marshall(read)
"#;
    run(&folder, Command::new("python3").args(["-c", script, &event.to_string()]));
    if has("go", "version") {
        let folder = code("class@import", &content, "Go1").await;
        let mut wanted = event.clone();
        // Its library has no way to say these, and the code says so.
        for name in ["", "-", "quo\"te", "it's", "back\\slash", "new\nline", "tick`", "comma,"] {
            wanted.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(by_go(&folder, "schema/class_/import_", &event), wanted);
    }
    if has("javac", "-version") {
        let folder = code("class@import", &content, "Java8").await;
        let sources = jackson(&folder);
        std::fs::write(folder.0.join("User.java"), "class User { schema.class_.import_.Class_ of; }\n").unwrap();
        let words = ["-encoding", "UTF-8", "-d", "out", "-Xlint:-options", "User.java"];
        run(&folder, Command::new("javac").args(words).args(&sources));
    }
    let folder = code("class@import", &content, "TypeScript3").await;
    let text = read(&folder, "schema/class_/import_/Class_.ts");
    assert!(text.contains("  \"constructor_\"?: string;\n") && text.contains("baseName: \"new\\nline\""), "{text}");
}

/// What of Jackson the code names, so that a compiler can see whether it is Java.
const JACKSON: &[(&str, &str)] = &[
    ("annotation/JsonIgnore", "public @interface JsonIgnore {}"),
    ("annotation/JsonProperty", "public @interface JsonProperty { String value(); }"),
    ("annotation/JsonIgnoreProperties", "public @interface JsonIgnoreProperties { boolean ignoreUnknown(); }"),
    ("annotation/JsonInclude", "public @interface JsonInclude { enum Include { NON_NULL } Include value(); }"),
    ("databind/SerializationFeature", "public enum SerializationFeature { WRITE_DATES_AS_TIMESTAMPS }"),
    ("databind/JavaType", "public class JavaType {}"),
    (
        "databind/TypeFactory",
        "public class TypeFactory { public JavaType constructParametricType(Class<?> a, Class<?> b) { return null; } }",
    ),
    ("databind/util/StdDateFormat", "public class StdDateFormat extends java.text.SimpleDateFormat {}"),
    (
        "databind/ObjectMapper",
        "public class ObjectMapper { public ObjectMapper disable(SerializationFeature f) { return this; } public ObjectMapper setDateFormat(java.text.DateFormat f) { return this; } public TypeFactory getTypeFactory() { return null; } public void writeValue(java.io.OutputStream o, Object v) throws java.io.IOException {} public <T> T readValue(java.io.InputStream i, Class<T> t) throws java.io.IOException { return null; } public <T> T readValue(java.io.InputStream i, JavaType t) throws java.io.IOException { return null; } }",
    ),
];

/// Writes it down, and says where.
fn jackson(folder: &Folder) -> Vec<std::path::PathBuf> {
    let mut sources = Vec::new();
    for (path, text) in JACKSON {
        let file = folder.0.join(format!("com/fasterxml/jackson/{path}.java"));
        let package = path.rsplit_once('/').unwrap().0.replace('/', ".");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("package com.fasterxml.jackson.{package};\n{text}\n")).unwrap();
        sources.push(file);
    }
    sources
}

#[tokio::test]
async fn java_is_java() {
    let folder = unpacked("Java8").await;
    let root = "schema/com_shop/orderplaced";
    let event = read(&folder, &format!("{root}/AWSEvent.java"));
    assert!(event.contains("public class AWSEvent<T> implements Serializable") && event.contains("private T detail;"));
    let order = read(&folder, &format!("{root}/OrderPlaced.java"));
    assert!(order.contains("@JsonProperty(\"order-id\")\n  private String orderId;"), "{order}");
    assert!(order.contains("private List<Line> lines;") && order.contains("private String class_;"));
    if !has("javac", "-version") {
        return;
    }
    let sources = jackson(&folder);
    let user = "import schema.com_shop.orderplaced.*;\nimport schema.com_shop.orderplaced.marshaller.Marshaller;\nclass User { String of(java.io.InputStream in) throws Exception { AWSEvent<OrderPlaced> e = Marshaller.unmarshalEvent(in, OrderPlaced.class); Marshaller.marshal(System.out, e); return e.getDetail().getLines().get(0).getSku(); } }\n";
    std::fs::write(folder.0.join("User.java"), user).unwrap();
    run(&folder, Command::new("javac").args(["-d", "out", "-Xlint:-options", "User.java"]).args(&sources));
}

#[tokio::test]
async fn typescript_has_classes_and_a_marshaller() {
    let folder = unpacked("TypeScript3").await;
    let root = "schema/com_shop/orderplaced";
    let order = read(&folder, &format!("{root}/OrderPlaced.ts"));
    assert!(order.contains("import { Customer } from \"./Customer\";\nimport { Line } from \"./Line\";\n"), "{order}");
    assert!(order.contains("  \"orderId\"!: string;\n") && order.contains("  \"at\"?: Date;\n"), "{order}");
    assert!(order.contains("{ name: \"lines\", baseName: \"lines\", type: { list: () => Line } }"), "{order}");
    assert!(read(&folder, &format!("{root}/index.ts")).contains("export { AWSEvent } from \"./AWSEvent\";"));
    // Without its types it is JavaScript, which node runs.
    if !has("node", "--version") {
        return;
    }
    let mut script = String::new();
    let marshaller = format!("{root}/marshaller/marshaller.ts");
    for path in ["Customer", "CustomerAddress", "Line", "OrderPlaced", "AWSEvent"]
        .map(|name| format!("{root}/{name}.ts"))
        .iter()
        .chain([&marshaller])
    {
        script.push_str(&untyped(&read(&folder, path)));
    }
    script.push_str(
        "const given = JSON.parse(process.argv[1]);\nconst event = Marshaller.unmarshall(given, AWSEvent);\nif (!(event.detail.lines[1] instanceof Line) || !(event.time instanceof Date) || event.detail.customer.address.city !== 'c') throw new Error('not read');\nprocess.stdout.write(JSON.stringify(Marshaller.marshall(event)));\n",
    );
    let mut event = event();
    // Its moments have milliseconds only.
    event["detail"]["at"] = json!("2026-03-01T12:00:00.123Z");
    let output = run(&folder, Command::new("node").args(["-e", &script, &event.to_string()]));
    assert_eq!(serde_json::from_slice::<Json>(&output.stdout).unwrap(), event);
}

/// The same without types, imports and exports.
fn untyped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("import ") && !line.starts_with("  \"")) {
        let mut line =
            line.replace("export class", "class").replace("private static", "static").replace(" as any)", ")");
        for typed in [
            ": Array<{ name: string; baseName: string; type: any }>",
            ": { [key: string]: any }",
            ": new () => T",
            ": any",
            ": T ",
            "<T>",
        ] {
            line = line.replace(typed, if typed == ": T " { " " } else { "" });
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[tokio::test]
async fn schemas_of_either_language_have_code_and_what_is_no_object_has_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    let draft = json!({"title": "Order", "type": "object", "properties": {"line": {"$ref": "#/definitions/Line"}},
        "definitions": {"Line": {"properties": {"sku": {"type": "string"}}}}});
    for (name, content) in [("order", draft), ("text", json!({"type": "string"}))] {
        let input = json!({"RegistryName": "r", "SchemaName": name, "Type": "JSONSchemaDraft4", "Content": content.to_string()});
        ok(&client, "CreateSchema", input).await;
    }
    let code = |name: &str, language: &str| json!({"RegistryName": "r", "SchemaName": name, "Language": language});
    ok(&client, "PutCodeBinding", code("order", "Python36")).await;
    ok(&client, "PutCodeBinding", code("text", "Go1")).await;
    let status = async |name: &str, language: &str| {
        ok(&client, "DescribeCodeBinding", code(name, language)).await["Status"].clone()
    };
    until("it is made", async || status("order", "Python36").await == "CREATE_COMPLETE").await;
    until("it fails", async || status("text", "Go1").await == "CREATE_FAILED").await;
    assert_eq!(refused(&client, "GetCodeBindingSource", code("text", "Go1")).await.0, "NotFoundException");
    let folder = unzip(&client.call(SERVICE, "GetCodeBindingSource", code("order", "Python36")).await.body);
    assert!(read(&folder, "schema/order/__init__.py").contains("from schema.order.Line import Line"));
    assert_eq!(refused(&client, "PutCodeBinding", code("order", "Cobol")).await.0, "BadRequestException");
    let of_aws = json!({"RegistryName": "aws.events", "SchemaName": "aws.s3@ObjectCreated", "Language": "Java8"});
    ok(&client, "PutCodeBinding", of_aws.clone()).await;
    until("it is made", async || {
        ok(&client, "DescribeCodeBinding", of_aws.clone()).await["Status"] == "CREATE_COMPLETE"
    })
    .await;
    let folder = unzip(&client.call(SERVICE, "GetCodeBindingSource", of_aws).await.body);
    // Its object has a name that Java has already.
    assert!(read(&folder, "schema/aws/s3/objectcreated/ObjectCreated.java").contains("private Object_ object;"));
}

#[tokio::test]
async fn code_is_of_a_version_and_goes_with_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    ok(&client, "CreateSchema", schema("a", &json!({"one": {"type": "string"}}))).await;
    ok(&client, "UpdateSchema", schema("a", &json!({"two": {"type": "string"}}))).await;
    let of = |version: &str| json!({"RegistryName": "r", "SchemaName": "a", "Language": "Python36", "SchemaVersion": version});
    ok(&client, "PutCodeBinding", of("1")).await;
    until("it is made", async || ok(&client, "DescribeCodeBinding", of("1")).await["Status"] == "CREATE_COMPLETE")
        .await;
    // To ask again makes nothing anew.
    assert_eq!(ok(&client, "PutCodeBinding", of("1")).await["Status"], "CREATE_COMPLETE");
    let newest = json!({"RegistryName": "r", "SchemaName": "a", "Language": "Python36"});
    for (operation, input) in [("DescribeCodeBinding", newest.clone()), ("GetCodeBindingSource", of("2"))] {
        assert_eq!(refused(&client, operation, input).await.0, "NotFoundException");
    }
    let folder = unzip(&client.call(SERVICE, "GetCodeBindingSource", of("1")).await.body);
    let text = read(&folder, "schema/a/A.py");
    assert!(text.contains("'one'") || text.contains("\"one\""), "{text}");
    assert!(!text.contains("two"), "{text}");
    ok(&client, "PutCodeBinding", newest.clone()).await;
    assert_eq!(ok(&client, "DescribeCodeBinding", newest).await["SchemaVersion"], "2");
    let version = json!({"RegistryName": "r", "SchemaName": "a", "SchemaVersion": "1"});
    ok(&client, "DeleteSchemaVersion", version).await;
    assert_eq!(refused(&client, "GetCodeBindingSource", of("1")).await.0, "NotFoundException");
    assert_eq!(refused(&client, "PutCodeBinding", of("1")).await.0, "GoneException");
}
