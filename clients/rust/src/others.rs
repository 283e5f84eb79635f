//! DynamoDB and SQS.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, PutRequest,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem, WriteRequest,
};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};

use crate::check::{Outcome, refused, same};
use crate::cloud::Cloud;

const TABLE: &str = "rust-table";

fn row(who: &str, at: u32) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("who".to_owned(), AttributeValue::S(who.to_owned())),
        ("at".to_owned(), AttributeValue::N(at.to_string())),
    ])
}

pub async fn tables(cloud: &Cloud) -> Outcome {
    let client = aws_sdk_dynamodb::Client::new(&cloud.shared);
    let attribute = |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("who", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("at", ScalarAttributeType::N)?)
        .key_schema(key("who", KeyType::Hash)?)
        .key_schema(key("at", KeyType::Range)?)
        .send()
        .await?;
    client.wait_until_table_exists().table_name(TABLE).wait(Duration::from_secs(20)).await?;
    let mut item = row("ann", 1);
    let list = vec![AttributeValue::Null(true), AttributeValue::Bool(false), AttributeValue::Ss(vec!["x".to_owned()])];
    item.insert("long".to_owned(), AttributeValue::N("12345678901234567890123456789012345678".to_owned()));
    item.insert("bytes".to_owned(), AttributeValue::B(Blob::new([0, 1, 255])));
    item.insert("map".to_owned(), AttributeValue::M(HashMap::from([("list".to_owned(), AttributeValue::L(list))])));
    client.put_item().table_name(TABLE).set_item(Some(item.clone())).send().await?;
    let got = client.get_item().table_name(TABLE).set_key(Some(row("ann", 1))).consistent_read(true).send().await?;
    same("a row of each type", got.item(), Some(&item))?;
    let again = client
        .put_item()
        .table_name(TABLE)
        .set_item(Some(row("ann", 1)))
        .condition_expression("attribute_not_exists(who)");
    let again = again.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let failed = refused("a condition that fails", "ConditionalCheckFailedException", 400, again.send()).await?;
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) = failed else {
        return Err("it is of another type".into());
    };
    same("it shows the row that was there", failed.item(), Some(&item))?;
    many(&client).await?;
    let put = |row| {
        Put::builder().table_name(TABLE).set_item(Some(row)).condition_expression("attribute_not_exists(who)").build()
    };
    let write = |put| TransactWriteItem::builder().put(put).build();
    let cancelled = client
        .transact_write_items()
        .transact_items(write(put(row("eve", 1))?))
        .transact_items(write(put(row("ann", 1))?));
    let cancelled =
        refused("a transaction of which one fails", "TransactionCanceledException", 400, cancelled.send()).await?;
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = cancelled
    else {
        return Err("it is of another type".into());
    };
    let reasons: Vec<Option<&str>> = cancelled.cancellation_reasons().iter().map(|reason| reason.code()).collect();
    same("its reasons", reasons, vec![Some("None"), Some("ConditionalCheckFailed")])?;
    let unknown = client.get_item().table_name("rust-none").set_key(Some(row("ann", 1))).send();
    let unknown = refused("an unknown table", "ResourceNotFoundException", 400, unknown).await?;
    same("as a ResourceNotFoundException", unknown.is_resource_not_found_exception(), true)?;
    client.delete_table().table_name(TABLE).send().await?;
    client.wait_until_table_not_exists().table_name(TABLE).wait(Duration::from_secs(20)).await?;
    Ok(())
}

async fn many(client: &aws_sdk_dynamodb::Client) -> Outcome {
    let write = |n| {
        Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(row("bob", n))).build()?).build())
    };
    let writes = (0..25).map(write).collect::<Outcome<Vec<_>>>()?;
    let left = client.batch_write_item().request_items(TABLE, writes).send().await?;
    same("25 rows at once", left.unprocessed_items().is_none_or(HashMap::is_empty), true)?;
    let query =
        client.query().table_name(TABLE).key_condition_expression("who = :w AND #at >= :a").scan_index_forward(false);
    let query = query
        .expression_attribute_names("#at", "at")
        .expression_attribute_values(":w", AttributeValue::S("bob".to_owned()));
    let query = query.expression_attribute_values(":a", AttributeValue::N("3".to_owned()));
    let rows = query.into_paginator().page_size(10).items().send().collect::<Result<Vec<_>, _>>().await?;
    let found: Vec<&AttributeValue> = rows.iter().filter_map(|row| row.get("at")).collect();
    let wanted: Vec<AttributeValue> = (3..25).rev().map(|n: u32| AttributeValue::N(n.to_string())).collect();
    same("a range, backwards, in pages", found, wanted.iter().collect::<Vec<_>>())?;
    let scanned = client
        .scan()
        .table_name(TABLE)
        .into_paginator()
        .page_size(7)
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await?;
    same("a scan", scanned.len(), 26)
}

pub async fn queues(cloud: &Cloud) -> Outcome {
    let client = aws_sdk_sqs::Client::new(&cloud.shared);
    let made = client
        .create_queue()
        .queue_name("rust-queue.fifo")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .send()
        .await?;
    let url = made.queue_url().unwrap_or_default();
    let attribute = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(aws_sdk_sqs::primitives::Blob::new([0, 255]))
        .build()?;
    let entry = |n: u32| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(format!("body {n} ü"));
        entry
            .message_group_id("g")
            .message_deduplication_id((n % 3).to_string())
            .message_attributes("b", attribute.clone())
            .build()
    };
    let sent = client.send_message_batch().queue_url(url);
    let sent = sent.set_entries(Some((0..4).map(entry).collect::<Result<Vec<_>, _>>()?)).send().await?;
    same("four are sent", (sent.successful().len(), sent.failed().len()), (4, 0))?;
    let got = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .message_attribute_names("All")
        .send()
        .await?;
    let bodies: Vec<Option<&str>> = got.messages().iter().map(|m| m.body()).collect();
    same("in order, and the same one once", bodies, vec![Some("body 0 ü"), Some("body 1 ü"), Some("body 2 ü")])?;
    let told = got.messages()[0].message_attributes().and_then(|all| all.get("b")).and_then(|b| b.binary_value());
    same("with its attribute", told.map(|blob| blob.as_ref()), Some([0, 255].as_slice()))?;
    for message in got.messages() {
        client.delete_message().queue_url(url).set_receipt_handle(message.receipt_handle.clone()).send().await?;
    }
    let unknown = client.get_queue_url().queue_name("rust-none").send();
    let unknown = refused("an unknown queue", "AWS.SimpleQueueService.NonExistentQueue", 400, unknown).await?;
    same("as a QueueDoesNotExist", unknown.is_queue_does_not_exist(), true)?;
    let bad = client.delete_message().queue_url(url).receipt_handle("x").send();
    let bad = refused("a handle that is none", "ReceiptHandleIsInvalid", 400, bad).await?;
    same("as a ReceiptHandleIsInvalid", bad.is_receipt_handle_is_invalid(), true)?;
    client.delete_queue().queue_url(url).send().await?;
    Ok(())
}
