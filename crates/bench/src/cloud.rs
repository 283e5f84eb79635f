//! A cloud under measurement, with something in it to ask for.

use std::net::SocketAddr;
use std::path::Path;

use crate::Failed;
use crate::load::{self, CONNECTIONS, must};
use crate::server::Server;
use crate::signed::{Client, Key};

/// A running cloud.
pub(crate) struct Cloud {
    pub(crate) server: Server,
    /// A key that was issued here, to a user who may do everything by a policy.
    pub(crate) issued: Key,
    queue: String,
}

/// Starts a cloud; `data`: where it keeps its state, if it keeps it.
pub(crate) fn start(binary: &Path, data: Option<&Path>) -> Result<Server, Failed> {
    let arguments = |address: SocketAddr| {
        let mut words: Vec<String> =
            ["up", "--log", "error", "--dynamodb-limits", "off", "--kinesis-limits", "off", "--listen"]
                .map(ToOwned::to_owned)
                .to_vec();
        words.push(address.to_string());
        match data {
            Some(path) => words.extend(["--data".to_owned(), path.display().to_string()]),
            None => words.push("--ephemeral".to_owned()),
        }
        words
    };
    let test = Key::test();
    Server::start(binary, arguments, |address| Client { address, key: &test }.s3("GET", "/", b"").unwrap_or_default())
}

impl Cloud {
    /// Starts one and fills it.
    pub(crate) fn start(binary: &Path, data: Option<&Path>) -> Result<Self, Failed> {
        let server = start(binary, data)?;
        let address = server.address;
        let test = Key::test();
        let root = Client { address, key: &test };
        must(address, &root.s3("PUT", "/bench", b"")?)?;
        must(address, &root.s3("PUT", "/bench/object", &[b'x'; 1024])?)?;
        let table = r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}"#;
        must(address, &root.json("dynamodb", "DynamoDB_20120810.CreateTable", table)?)?;
        wait_for_table(&root)?;
        for request in put_items(&root)? {
            must(address, &request)?;
        }
        let made = must(address, &root.json("sqs", "AmazonSQS.CreateQueue", r#"{"QueueName":"bench"}"#)?)?;
        let queue = between(&made, "\"QueueUrl\":\"", "\"")?;
        let issued = issue(&root)?;
        Ok(Self { server, issued, queue })
    }

    /// `GetObject` of 1 KiB.
    pub(crate) fn get_object(&self, key: &Key) -> Result<Vec<Vec<u8>>, Failed> {
        Ok(vec![Client { address: self.server.address, key }.s3("GET", "/bench/object", b"")?])
    }

    /// `GetItem` of 1 KiB.
    pub(crate) fn get_item(&self, key: &Key) -> Result<Vec<Vec<u8>>, Failed> {
        let body = r#"{"TableName":"bench","Key":{"id":{"S":"0"}}}"#;
        Ok(vec![Client { address: self.server.address, key }.json("dynamodb", "DynamoDB_20120810.GetItem", body)?])
    }

    /// `PutItem` of 1 KiB, an item a connection.
    pub(crate) fn put_item(&self, key: &Key) -> Result<Vec<Vec<u8>>, Failed> {
        put_items(&Client { address: self.server.address, key })
    }

    /// `SendMessage` of 1 KiB.
    pub(crate) fn send_message(&self, key: &Key) -> Result<Vec<Vec<u8>>, Failed> {
        let body = format!(r#"{{"QueueUrl":"{}","MessageBody":"{}"}}"#, self.queue, "m".repeat(1024));
        Ok(vec![Client { address: self.server.address, key }.json("sqs", "AmazonSQS.SendMessage", &body)?])
    }
}

fn put_items(client: &Client<'_>) -> Result<Vec<Vec<u8>>, Failed> {
    let text = "i".repeat(1024);
    let item = |n: usize| format!(r#"{{"TableName":"bench","Item":{{"id":{{"S":"{n}"}},"text":{{"S":"{text}"}}}}}}"#);
    (0..CONNECTIONS).map(|n| client.json("dynamodb", "DynamoDB_20120810.PutItem", &item(n))).collect()
}

fn wait_for_table(root: &Client<'_>) -> Result<(), Failed> {
    let asked = root.json("dynamodb", "DynamoDB_20120810.DescribeTable", r#"{"TableName":"bench"}"#)?;
    for _ in 0..500 {
        if must(root.address, &asked)?.contains("\"ACTIVE\"") {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(Failed::Said("the table does not become active".to_owned()))
}

/// Makes a user who may do everything, and a key for it.
fn issue(root: &Client<'_>) -> Result<Key, Failed> {
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    must(root.address, &root.form("iam", "Action=CreateUser&Version=2010-05-08&UserName=bench")?)?;
    let put = format!("Action=PutUserPolicy&Version=2010-05-08&UserName=bench&PolicyName=all&PolicyDocument={policy}");
    must(root.address, &root.form("iam", &put)?)?;
    let made = must(root.address, &root.form("iam", "Action=CreateAccessKey&Version=2010-05-08&UserName=bench")?)?;
    let key = Key {
        id: between(&made, "<AccessKeyId>", "</AccessKeyId>")?,
        secret: between(&made, "<SecretAccessKey>", "</SecretAccessKey>")?,
    };
    // The load must measure signatures that are verified, so a wrong one has to be noticed.
    let forged = Key { id: key.id.clone(), secret: "wrong".to_owned() };
    let (status, _) =
        load::ask(root.address, &Client { address: root.address, key: &forged }.s3("GET", "/bench/object", b"")?)?;
    if status == 403 { Ok(key) } else { Err(Failed::Said(format!("a wrong signature was answered with {status}"))) }
}

/// What stands between two texts.
pub(crate) fn between(text: &str, from: &str, to: &str) -> Result<String, Failed> {
    let found = text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found.to_owned());
    found.ok_or_else(|| Failed::Said(format!("an answer lacks {from}: {text}")))
}
