//! `undercast names`, which validate domains, and `undercast up --acm-names`.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::Folder;

use crate::cloud::Cloud;

fn printed(cloud: &Cloud, arguments: &[&str]) -> String {
    let output = cloud.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn request(cloud: &Cloud) -> String {
    let input = json!({"DomainName": "shop.com", "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1"});
    let made = cloud.client.call("acm", "RequestCertificate", input).await.ok();
    made["CertificateArn"].as_str().unwrap().to_owned()
}

async fn describe(cloud: &Cloud, arn: &str) -> Json {
    cloud.client.call("acm", "DescribeCertificate", json!({"CertificateArn": arn})).await.ok()["Certificate"].clone()
}

async fn is_issued(cloud: &Cloud, arn: &str) {
    for _ in 0..1000 {
        if describe(cloud, arn).await["Status"] == "ISSUED" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never issued");
}

#[tokio::test]
async fn a_certificate_waits_for_the_record_that_its_user_publishes() {
    let home = Folder::new();
    let waiting = ["--acm-names", "wait"];
    let mut cloud = Cloud::start(&home.0, &waiting);
    let arn = request(&cloud).await;
    let record = describe(&cloud, &arn).await["DomainValidationOptions"][0]["ResourceRecord"].clone();
    let (name, value) = (record["Name"].as_str().unwrap(), record["Value"].as_str().unwrap());
    assert_eq!(printed(&cloud, &["names", "list"]), "");
    // It waits through the end of the program as well.
    cloud.ok(&["down"]);
    cloud.ended(Duration::from_secs(60));
    let cloud = Cloud::start(&home.0, &waiting);
    assert_eq!(describe(&cloud, &arn).await["Status"], "PENDING_VALIDATION");
    cloud.no(&["names", "put", name, "TXT", value], "nothing here asks for records of the kind `TXT`");
    cloud.no(&["names", "put", "a b", "CNAME", value], "`a b` is not a name");
    cloud.no(&["names", "put", name, "CNAME", value, value], "a CNAME has one only");
    let line = format!("{}  CNAME  {value}\n", name.trim_end_matches('.'));
    assert_eq!(printed(&cloud, &["names", "put", name, "cname", value]), line);
    is_issued(&cloud, &arn).await;
    assert_eq!(printed(&cloud, &["names", "list"]), line);
    assert_eq!(printed(&cloud, &["names", "delete", name, "CAA"]), "0 records removed\n");
    assert_eq!(printed(&cloud, &["names", "delete", name]), "1 records removed\n");
    assert_eq!(printed(&cloud, &["names", "list"]), "");
}

#[tokio::test]
async fn records_are_published_as_they_are_asked_for() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &[]);
    let arn = request(&cloud).await;
    is_issued(&cloud, &arn).await;
    let listed: Json = serde_json::from_str(&printed(&cloud, &["--json", "names", "list"])).unwrap();
    assert_eq!(
        (&listed["kind"], &listed["by"], &listed["account"]),
        (&json!("CNAME"), &json!("acm"), &json!("000000000000"))
    );
}
