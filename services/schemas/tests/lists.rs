//! Lists, searches, versions.

use super::*;

#[tokio::test]
async fn lists_come_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for name in ["r", "s"] {
        ok(&client, "CreateRegistry", json!({"RegistryName": name})).await;
    }
    let found = pages(&client, "ListRegistries", json!({"Limit": 3}), "Registries", "RegistryName").await;
    assert_eq!(found, [vec!["aws.events", "discovered-schemas", "r"], vec!["s"]]);
    let of = async |scope: &str| {
        pages(&client, "ListRegistries", json!({"Scope": scope}), "Registries", "RegistryName").await.concat()
    };
    assert_eq!(of("AWS").await, ["aws.events", "discovered-schemas"]);
    assert_eq!(of("LOCAL").await, ["r", "s"]);
    let named = json!({"RegistryNamePrefix": "aws"});
    assert_eq!(pages(&client, "ListRegistries", named, "Registries", "RegistryName").await, [["aws.events"]]);
    for name in ["a", "b", "c", "xa"] {
        ok(&client, "CreateSchema", schema(name, &json!({"one": {"type": "string"}}))).await;
    }
    ok(&client, "UpdateSchema", without_type(schema("b", &json!({"two": {"type": "string"}})))).await;
    let found = pages(&client, "ListSchemas", json!({"RegistryName": "r", "Limit": 2}), "Schemas", "SchemaName").await;
    assert_eq!(found, [["a", "b"], ["c", "xa"]]);
    let x = json!({"RegistryName": "r", "SchemaNamePrefix": "x"});
    assert_eq!(pages(&client, "ListSchemas", x, "Schemas", "SchemaName").await, [["xa"]]);
    let b = json!({"RegistryName": "r", "SchemaName": "b", "Limit": 1});
    let found = pages(&client, "ListSchemaVersions", b, "SchemaVersions", "SchemaVersion").await;
    assert_eq!(found, [["2"], ["1"]]);
    let search = async |words: &str| {
        let input = json!({"RegistryName": "r", "Keywords": words, "Limit": 1});
        pages(&client, "SearchSchemas", input, "Schemas", "SchemaName").await.concat()
    };
    assert_eq!(search("TWO").await, ["b"]);
    assert_eq!(search("two xa").await, ["b", "xa"]);
    assert!(search("three").await.is_empty());
    let found = ok(&client, "SearchSchemas", json!({"RegistryName": "r", "Keywords": "two"})).await;
    let versions = found["Schemas"][0]["SchemaVersions"].as_array().unwrap();
    assert_eq!((versions.len(), &versions[0]["SchemaVersion"]), (1, &json!("2")));
    let limit = json!({"RegistryName": "r", "Limit": 101});
    assert_eq!(refused(&client, "ListSchemas", limit).await.0, "BadRequestException");
    let foreign = json!({"RegistryName": "r", "NextToken": "x"});
    assert_eq!(refused(&client, "ListSchemas", foreign).await.0, "BadRequestException");
}

fn without_type(mut input: Json) -> Json {
    input.as_object_mut().unwrap().remove("Type");
    input
}

#[tokio::test]
async fn new_content_is_a_new_version_and_the_same_is_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    let first = ok(&client, "CreateSchema", schema("a", &json!({"one": {"type": "string"}}))).await;
    assert_eq!(first["SchemaVersion"], "1");
    let same = ok(&client, "UpdateSchema", schema("a", &json!({"one": {"type": "string"}}))).await;
    assert_eq!(same["SchemaVersion"], "1");
    let mut second = schema("a", &json!({"two": {"type": "string"}}));
    second["ClientTokenId"] = json!("token");
    for _ in 0..2 {
        assert_eq!(ok(&client, "UpdateSchema", second.clone()).await["SchemaVersion"], "2");
    }
    second["Description"] = json!("words");
    assert_eq!(refused(&client, "UpdateSchema", second.clone()).await.0, "BadRequestException");
    let words = json!({"RegistryName": "r", "SchemaName": "a", "Description": "words"});
    assert_eq!(ok(&client, "UpdateSchema", words).await["SchemaVersion"], "2");
    // The other language, which the old content is not in.
    let other = json!({"RegistryName": "r", "SchemaName": "a", "Type": "JSONSchemaDraft4", "Content": "{\"type\": \"object\"}"});
    let third = ok(&client, "UpdateSchema", other).await;
    assert_eq!((&third["SchemaVersion"], &third["Type"]), (&json!("3"), &json!("JSONSchemaDraft4")));
    let version = |number: &str| json!({"RegistryName": "r", "SchemaName": "a", "SchemaVersion": number});
    ok(&client, "DeleteSchemaVersion", version("3")).await;
    let newest = ok(&client, "DescribeSchema", json!({"RegistryName": "r", "SchemaName": "a"})).await;
    assert_eq!((&newest["SchemaVersion"], &newest["Description"]), (&json!("2"), &json!("words")));
    // Numbers are not used twice.
    let fourth = ok(&client, "UpdateSchema", schema("a", &json!({"three": {"type": "string"}}))).await;
    assert_eq!(fourth["SchemaVersion"], "4");
    assert_eq!(refused(&client, "DescribeSchema", version("3")).await.0, "NotFoundException");
    let mut deleted = version("3");
    deleted["Language"] = json!("Go1");
    assert_eq!(refused(&client, "PutCodeBinding", deleted.clone()).await.0, "GoneException");
    deleted["SchemaVersion"] = json!("9");
    assert_eq!(refused(&client, "PutCodeBinding", deleted).await.0, "NotFoundException");
}

#[tokio::test]
async fn a_registry_has_so_many_schemas_and_an_account_so_many_registries() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for n in 0..10 {
        ok(&client, "CreateRegistry", json!({"RegistryName": format!("r{n}")})).await;
    }
    let (code, message) = refused(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    assert_eq!((code.as_str(), message.as_str()), ("ForbiddenException", "The quota of 10 registries is reached."));
    let of = |name: &str| {
        let mut input = schema(name, &json!({}));
        input["RegistryName"] = json!("r0");
        input
    };
    for n in 0..100 {
        ok(&client, "CreateSchema", of(&format!("s{n}"))).await;
    }
    assert_eq!(refused(&client, "CreateSchema", of("more")).await.0, "ForbiddenException");
}
