"""DynamoDB as a boto3 user meets it, against a running cloud.

Run: AWS_ENDPOINT_URL=http://localhost:4566 python3 boto3_dynamodb.py
Ends with `N passed, M failed`.
"""

import decimal
import os
import sys
import traceback
import uuid

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "http://localhost:4566")
ACCESS = dict(
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(retries={"max_attempts": 1}),
)
client = boto3.client("dynamodb", **ACCESS)
resource = boto3.resource("dynamodb", **ACCESS)
streams = boto3.client("dynamodbstreams", **ACCESS)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def table(sort=None, indexes=()):
    name = "boto-" + uuid.uuid4().hex[:12]
    keys = [("pk", "S", "HASH")] + ([("sk", sort, "RANGE")] if sort else [])
    extra = {}
    attributes = {key: kind for key, kind, _ in keys}
    if indexes:
        extra["GlobalSecondaryIndexes"] = [
            {
                "IndexName": f"by-{key}",
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for key in indexes
        ]
        attributes.update({key: "S" for key in indexes})
    made = resource.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in attributes.items()],
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
        BillingMode="PAY_PER_REQUEST",
        **extra,
    )
    made.wait_until_exists()
    return made


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error
    raise AssertionError(f"{code} was expected")


@check
def values_round_trip():
    made = table()
    item = {
        "pk": "é",
        "n": decimal.Decimal("-12.50"),
        "b": Binary(b"\x00\x01\xff"),
        "ss": {"a", "b"},
        "ns": {decimal.Decimal(1), decimal.Decimal("2.5")},
        "m": {"l": [True, None, {"x": ""}]},
    }
    made.put_item(Item=item)
    assert made.get_item(Key={"pk": "é"}, ConsistentRead=True)["Item"] == item
    assert "Item" not in made.get_item(Key={"pk": "e"})


@check
def conditions_and_exceptions():
    made = table()
    made.put_item(Item={"pk": "a", "v": 1}, ConditionExpression=Attr("pk").not_exists())
    error = refused(
        "ConditionalCheckFailedException",
        made.put_item,
        Item={"pk": "a"},
        ConditionExpression=Attr("pk").not_exists(),
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert error.response["Item"] == {"pk": {"S": "a"}, "v": {"N": "1"}}, error.response
    made.delete_item(Key={"pk": "a"}, ConditionExpression=Attr("v").between(0, 1) & Attr("x").not_exists())
    refused("ResourceNotFoundException", client.get_item, TableName="not-there", Key={"pk": {"S": "a"}})


@check
def updates():
    made = table()
    answer = made.update_item(
        Key={"pk": "a"},
        UpdateExpression="SET #c = if_not_exists(#c, :zero) + :one, l = list_append(:empty, :l)",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":zero": 0, ":one": 1, ":empty": [], ":l": ["x"]},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"] == {"pk": "a", "count": 1, "l": ["x"]}, answer
    error = refused("ValidationException", made.update_item, Key={"pk": "a"}, UpdateExpression="SET status = l")
    message = "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status"
    assert error.response["Error"]["Message"] == message


@check
def queries_page_and_filter():
    made = table("N", ["g"])
    with made.batch_writer() as batch:
        for number in range(100):
            batch.put_item(Item={"pk": "p", "sk": number, "g": str(number % 3), "even": number % 2 == 0})
    found = made.query(KeyConditionExpression=Key("pk").eq("p") & Key("sk").gte(90), ScanIndexForward=False)
    assert [int(item["sk"]) for item in found["Items"]] == list(range(99, 89, -1))
    pages = client.get_paginator("query").paginate(
        TableName=made.name,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "1"}},
        PaginationConfig={"PageSize": 7},
    )
    assert sum(page["Count"] for page in pages) == 33
    found = made.scan(FilterExpression=Attr("even").eq(True) & (Attr("sk").lt(10) | Attr("g").is_in(["2"])))
    assert found["Count"] == len([n for n in range(100) if n % 2 == 0 and (n < 10 or n % 3 == 2)])
    total = 0
    for segment in range(4):
        pages = client.get_paginator("scan").paginate(TableName=made.name, Segment=segment, TotalSegments=4)
        total += sum(page["Count"] for page in pages)
    assert total == 100


@check
def batches_and_transactions():
    made = table()
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": made.name, "Item": {"pk": {"S": "a"}, "n": {"N": "1"}}}},
            {"Put": {"TableName": made.name, "Item": {"pk": {"S": "b"}, "n": {"N": "2"}}}},
        ]
    )
    try:
        client.transact_write_items(
            TransactItems=[
                {"Delete": {"TableName": made.name, "Key": {"pk": {"S": "b"}}}},
                {
                    "ConditionCheck": {
                        "TableName": made.name,
                        "Key": {"pk": {"S": "a"}},
                        "ConditionExpression": "n > :n",
                        "ExpressionAttributeValues": {":n": {"N": "1"}},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        )
        raise AssertionError("the transaction should have been cancelled")
    except client.exceptions.TransactionCanceledException as error:
        reasons = error.response["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"], reasons
        assert reasons[1]["Item"]["n"] == {"N": "1"}, reasons
    found = resource.batch_get_item(RequestItems={made.name: {"Keys": [{"pk": "a"}, {"pk": "b"}, {"pk": "c"}]}})
    assert sorted(item["pk"] for item in found["Responses"][made.name]) == ["a", "b"]


@check
def tables_live_and_die():
    made = table("S")
    client.update_time_to_live(
        TableName=made.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    shown = client.describe_time_to_live(TableName=made.name)["TimeToLiveDescription"]
    assert shown == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}, shown
    client.tag_resource(ResourceArn=made.table_arn, Tags=[{"Key": "team", "Value": "a"}])
    assert client.list_tags_of_resource(ResourceArn=made.table_arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    made.put_item(Item={"pk": "a", "sk": "b"})
    made.reload()
    assert made.item_count == 1 and made.table_status == "ACTIVE"
    made.update(
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "late",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    made.reload()
    assert made.global_secondary_indexes[0]["IndexStatus"] == "ACTIVE"
    assert made.name in client.list_tables()["TableNames"]
    made.delete()
    made.wait_until_not_exists()
    refused("ResourceNotFoundException", client.describe_table, TableName=made.name)


@check
def streams_tell_what_was_written():
    target = table()
    view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.update_table(TableName=target.name, StreamSpecification=view)
    arn = client.describe_table(TableName=target.name)["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    target.put_item(Item={"pk": "a", "n": 1})
    target.delete_item(Key={"pk": "a"})
    answer = streams.get_records(ShardIterator=start["ShardIterator"])
    assert [record["eventName"] for record in answer["Records"]] == ["INSERT", "REMOVE"]
    assert answer["Records"][0]["dynamodb"]["NewImage"] == {"pk": {"S": "a"}, "n": {"N": "1"}}
    assert answer["NextShardIterator"]
    target.delete()


@check
def backups_and_moments_are_restored():
    target = table()
    enabled = {"PointInTimeRecoveryEnabled": True}
    client.update_continuous_backups(TableName=target.name, PointInTimeRecoverySpecification=enabled)
    target.put_item(Item={"pk": "a", "n": 1})
    backup = client.create_backup(TableName=target.name, BackupName="before")["BackupDetails"]["BackupArn"]
    target.delete_item(Key={"pk": "a"})
    copies = [target.name + "-backup", target.name + "-latest"]
    client.restore_table_from_backup(BackupArn=backup, TargetTableName=copies[0])
    client.restore_table_to_point_in_time(
        SourceTableName=target.name, TargetTableName=copies[1], UseLatestRestorableTime=True
    )
    for copy in copies:
        client.get_waiter("table_exists").wait(TableName=copy, WaiterConfig={"Delay": 1})
    found = [resource.Table(copy).get_item(Key={"pk": "a"}).get("Item") for copy in copies]
    assert found == [{"pk": "a", "n": 1}, None], found
    client.delete_backup(BackupArn=backup)
    for name in [*copies, target.name]:
        client.delete_table(TableName=name)


@check
def statements_do_what_plain_operations_do():
    target = table()
    run = client.execute_statement
    run(Statement=f"INSERT INTO \"{target.name}\" VALUE {{'pk': ?, 'n': 1}}", Parameters=[{"S": "a"}])
    text = f"UPDATE \"{target.name}\" SET n = n + 1 WHERE pk = 'a' RETURNING MODIFIED NEW *"
    assert run(Statement=text)["Items"] == [{"n": {"N": "2"}}]
    again = f"INSERT INTO \"{target.name}\" VALUE {{'pk': 'a'}}"
    refused("DuplicateItemException", run, Statement=again)
    one = {"Statement": f"SELECT n FROM \"{target.name}\" WHERE pk = 'a'"}
    answers = client.batch_execute_statement(Statements=[one, {"Statement": "SLECT"}])["Responses"]
    assert answers[0]["Item"] == {"n": {"N": "2"}} and answers[1]["Error"]["Code"] == "ValidationError", answers
    refused("TransactionCanceledException", client.execute_transaction, TransactStatements=[{"Statement": again}])
    answers = client.execute_transaction(TransactStatements=[one])["Responses"]
    assert answers == [{"Item": {"n": {"N": "2"}}}], answers
    target.delete()


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok      {function.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {function.__name__}")
            traceback.print_exc()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
