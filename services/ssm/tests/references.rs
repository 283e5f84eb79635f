//! Secrets of Secrets Manager, read as parameters; AWS's public parameters, which are not here.

use super::*;

const TOKEN: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn a_secret_is_read_as_a_parameter() {
    let (cloud, client) = noon().await;
    let made = json!({"Name": "db/password", "SecretString": "hush", "ClientRequestToken": TOKEN});
    let arn = client.call("secretsmanager", "CreateSecret", made).await.ok()["ARN"].clone();
    let name = "/aws/reference/secretsmanager/db/password";
    let read = get(&client, name).await;
    assert_eq!(
        (&read["Value"], &read["Type"], &read["Version"], &read["Name"]),
        (&json!("hush"), &json!("SecureString"), &json!(0), &json!(name))
    );
    assert_eq!(read["ARN"], "arn:aws:ssm:us-east-1:000000000000:parameter/aws/reference/secretsmanager/db/password");
    let source: Json = serde_json::from_str(read["SourceResult"].as_str().unwrap()).unwrap();
    assert_eq!((&source["ARN"], &source["VersionStages"]), (&arn, &json!(["AWSCURRENT"])));
    for selector in ["AWSCURRENT", TOKEN] {
        let read = get(&client, &format!("{name}:{selector}")).await;
        assert_eq!((&read["Value"], &read["Selector"]), (&json!("hush"), &json!(format!(":{selector}"))));
    }
    let many = ok(
        &client,
        "GetParameters",
        json!({"Names": [name, "/aws/reference/secretsmanager/none"], "WithDecryption": true}),
    )
    .await;
    assert_eq!(
        (&many["Parameters"][0]["Value"], &many["InvalidParameters"][0]),
        (&json!("hush"), &json!("/aws/reference/secretsmanager/none"))
    );
    let why = "WithDecryption flag must be True for retrieving a Secret Manager secret.";
    is_refused(&client, "GetParameter", json!({"Name": name}), "ValidationException", why).await;
    let why = "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret /aws/reference/secretsmanager/none not found.";
    let none = json!({"Name": "/aws/reference/secretsmanager/none", "WithDecryption": true});
    is_refused(&client, "GetParameter", none, "ParameterNotFound", why).await;
    is_refused(&client, "GetParameterHistory", json!({"Name": name}), "ValidationException", "").await;
    // Secrets' names have signs that parameters' have not.
    let odd = json!({"Name": "a+b@c", "SecretString": "odd", "ClientRequestToken": TOKEN});
    client.call("secretsmanager", "CreateSecret", odd).await.ok();
    assert_eq!(value(&client, "/aws/reference/secretsmanager/a+b@c").await, "odd");
    let binary = json!({"Name": "bin", "SecretBinary": "AAE=", "ClientRequestToken": TOKEN});
    client.call("secretsmanager", "CreateSecret", binary).await.ok();
    let binary = json!({"Name": "/aws/reference/secretsmanager/bin", "WithDecryption": true});
    is_refused(&client, "GetParameter", binary, "ValidationException", "binary").await;
    // Both services must let the caller.
    let one =
        rights::user(&cloud, &client, "one", json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}])).await;
    let input = json!({"Name": name, "WithDecryption": true});
    is_refused(&one, "GetParameter", input, "AccessDeniedException", "secretsmanager:GetSecretValue").await;
    let both =
        json!([{"Effect": "Allow", "Action": ["ssm:GetParameter", "secretsmanager:GetSecretValue"], "Resource": "*"}]);
    let both = rights::user(&cloud, &client, "both", both).await;
    assert_eq!(value(&both, name).await, "hush");
}

#[tokio::test]
async fn public_parameters_are_not_here() {
    let (_cloud, client) = noon().await;
    let name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    is_not_built(&client, "GetParameter", json!({"Name": name})).await;
    is_not_built(&client, "GetParameters", json!({"Names": [name]})).await;
    is_not_built(&client, "GetParameterHistory", json!({"Name": name})).await;
}
