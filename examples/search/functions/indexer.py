"""Indexes documents that were put into the bucket."""

import collections
import json
import os
import urllib.parse

import boto3
from terms import terms

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
POSTINGS, INDEX = os.environ["POSTINGS"], os.environ["INDEX"]


def handler(event, context):
    """Each message tells of one or more new objects. Messages that fail come again, alone."""
    failed = []
    for message in event["Records"]:
        try:
            for record in json.loads(message["body"]).get("Records", []):
                index(record["s3"]["bucket"]["name"], urllib.parse.unquote_plus(record["s3"]["object"]["key"]))
        except Exception as error:
            print(f"{message['messageId']} failed: {error!r}")
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def index(bucket, key):
    document = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    name = document["name"]
    words = terms(name + " " + document["text"])
    counts = collections.Counter(words)
    # Postings have the document in their key, so that indexing it again changes nothing.
    put_all([{"term": {"S": t}, "document": {"S": name}, "frequency": {"N": str(n)}, "length": {"N": str(len(words))}}
             for t, n in sorted(counts.items())])
    count(name, document["text"], len(words))


def put_all(items):
    for start in range(0, len(items), 25):
        requests = {POSTINGS: [{"PutRequest": {"Item": item}} for item in items[start:start + 25]]}
        while requests:
            requests = dynamodb.batch_write_item(RequestItems=requests).get("UnprocessedItems")


def count(name, text, length):
    """Adds the document and counts it, both or neither, and only once."""
    try:
        dynamodb.transact_write_items(TransactItems=[
            {"Put": {"TableName": INDEX, "ConditionExpression": "attribute_not_exists(document)",
                     "Item": {"document": {"S": name}, "start": {"S": text[:200]}, "words": {"N": str(length)}}}},
            {"Update": {"TableName": INDEX, "Key": {"document": {"S": "#all"}},
                        "UpdateExpression": "ADD documents :one, words :length",
                        "ExpressionAttributeValues": {":one": {"N": "1"}, ":length": {"N": str(length)}}}},
        ])
    except dynamodb.exceptions.TransactionCanceledException as error:
        reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
        if reasons[0] != "ConditionalCheckFailed":
            raise
