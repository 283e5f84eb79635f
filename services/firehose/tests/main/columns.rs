//! Records that become files of columns, by the schema of a table.

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::support::{advance, allow, cloud, create, keys, metric, object, only, put};

async fn table(client: &Client, columns: &[(&str, &str)]) {
    let columns: Vec<Json> = columns.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect();
    let input = json!({"Name": "clicks", "StorageDescriptor": {"Columns": columns}, "PartitionKeys": [{"Name": "day", "Type": "string"}]});
    let made = client.call("glue", "CreateTable", json!({"DatabaseName": "web", "TableInput": input.clone()})).await;
    if made.status != 200 {
        client.call("glue", "UpdateTable", json!({"DatabaseName": "web", "TableInput": input})).await.ok();
    }
}

fn converting(deserializer: &Json) -> Json {
    json!({"Prefix": "p/", "ErrorOutputPrefix": "e/", "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
        "DataFormatConversionConfiguration": {"Enabled": true,
            "SchemaConfiguration": {"DatabaseName": "web", "TableName": "clicks", "Region": "us-east-1", "VersionId": "LATEST"},
            "InputFormatConfiguration": {"Deserializer": deserializer},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}}}})
}

async fn rows(client: &Client) -> Vec<Json> {
    let all = keys(client).await;
    let mut rows = Vec::new();
    for key in all.iter().filter(|key| key.starts_with("p/")) {
        assert!(key.ends_with(".parquet"), "{key}");
        let file = SerializedFileReader::new(bytes::Bytes::from(object(client, key).await)).unwrap();
        rows.extend(file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value()));
    }
    rows
}

#[tokio::test]
async fn records_become_rows_and_those_that_do_not_fit_are_told_of() {
    let (cloud, client) = cloud().await;
    client.call("glue", "CreateDatabase", json!({"DatabaseInput": {"Name": "Web"}})).await.ok();
    table(&client, &[("id", "int"), ("at", "timestamp"), ("tags", "array<string>")]).await;
    create(&client, converting(&json!({"OpenXJsonSerDe": {}}))).await;
    put(&client, r#"{"ID": 1, "at": "2024-01-02T03:04:05Z", "tags": ["a"], "more": true}"#).await;
    put(&client, r#"{"id": "x"}"#).await;
    put(&client, r#"{"id": 2}"#).await;
    advance(&cloud, 61).await;
    let found = rows(&client).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["id"], &found[0]["tags"], &found[1]["at"]), (&json!(1), &json!(["a"]), &Json::Null));
    let failed: Json = serde_json::from_str(only(&client, "e/format-conversion-failed/").await.trim()).unwrap();
    assert_eq!(failed["errorCode"], "DataFormatConversion.MalformedData");
    assert_eq!(failed["dataCatalogTable"]["tableName"], "clicks");
    assert_eq!(metric(&cloud, "SucceedConversion.Records").await, Some(2.0));
    assert_eq!(metric(&cloud, "FailedConversion.Records").await, Some(1.0));

    // The table as it is when a file is written counts.
    table(&client, &[("id", "string")]).await;
    put(&client, r#"{"id": "x"}"#).await;
    advance(&cloud, 61).await;
    assert!(rows(&client).await.iter().any(|row| row["id"] == "x"));
}

#[tokio::test]
async fn a_version_of_a_table_stays_what_it_is() {
    let (cloud, client) = cloud().await;
    client.call("glue", "CreateDatabase", json!({"DatabaseInput": {"Name": "web"}})).await.ok();
    table(&client, &[("id", "int")]).await;
    table(&client, &[("id", "int"), ("later", "string")]).await;
    let mut with = converting(&json!({"HiveJsonSerDe": {"TimestampFormats": ["yyyy-MM-dd", "millis"]}}));
    with["DataFormatConversionConfiguration"]["SchemaConfiguration"]["VersionId"] = json!("0");
    create(&client, with).await;
    put(&client, r#"{"id": 1, "later": "x"}"#).await;
    advance(&cloud, 61).await;
    assert_eq!(rows(&client).await, [json!({"id": 1})]);
}

#[tokio::test]
async fn without_a_schema_all_records_fail_with_the_reason() {
    let (cloud, client) = cloud().await;
    create(&client, converting(&json!({"OpenXJsonSerDe": {}}))).await;
    put(&client, "{}").await;
    advance(&cloud, 61).await;
    assert!(only(&client, "e/").await.contains("DataFormatConversion.EntityNotFound"));

    allow(&client, &["s3:*"]).await;
    put(&client, "{}").await;
    advance(&cloud, 61).await;
    let mut told = String::new();
    for key in keys(&client).await {
        told.push_str(&String::from_utf8(object(&client, &key).await).unwrap());
    }
    assert!(told.contains("DataFormatConversion.AccessDenied"), "{told}");
}

#[tokio::test]
async fn rows_can_be_files_in_orc_too() {
    let (cloud, client) = cloud().await;
    client.call("glue", "CreateDatabase", json!({"DatabaseInput": {"Name": "web"}})).await.ok();
    table(&client, &[("id", "int"), ("inner", "struct<a:array<string>>")]).await;
    let mut with = converting(&json!({"OpenXJsonSerDe": {}}));
    with["DataFormatConversionConfiguration"]["OutputFormatConfiguration"] =
        json!({"Serializer": {"OrcSerDe": {"Compression": "ZLIB", "FormatVersion": "V0_12"}}});
    create(&client, with).await;
    put(&client, r#"{"id": 7, "inner": {"a": ["x"]}}"#).await;
    advance(&cloud, 61).await;
    let all = keys(&client).await;
    assert!(all.len() == 1 && all[0].ends_with(".orc"), "{all:?}");
    let file = object(&client, &all[0]).await;
    // What is in it is read by another reader in the tests of the writer.
    assert!(file.starts_with(b"ORC") && file[..file.len() - 1].ends_with(b"ORC"));
}
