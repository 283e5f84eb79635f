"""The search page, and `GET /search?q=`."""

import collections
import html
import json
import os
import time
import uuid

import boto3
from terms import terms, weight

dynamodb = boto3.client("dynamodb")
sns = boto3.client("sns")
POSTINGS, INDEX, SEARCHED = os.environ["POSTINGS"], os.environ["INDEX"], os.environ["SEARCHED"]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Search the standard library</title>
<style>body{font:16px/1.5 system-ui;max-width:44rem;margin:3rem auto;padding:0 1rem}input{font:inherit;width:70%%;padding:.4rem}
button{font:inherit;padding:.4rem 1rem}li{margin:1rem 0}code{font-weight:600}small{color:#666}</style>
<h1>Search Python's standard library</h1><form action="/"><input name="q" value="%s" autofocus> <button>Search</button></form>%s"""


def handler(event, context):
    path = event["rawPath"]
    query = (event.get("queryStringParameters") or {}).get("q", "")
    if path == "/search":
        return respond(200, "application/json", json.dumps(answer(query)))
    if path != "/":
        return respond(404, "application/json", json.dumps({"error": "there is /search?q= and the page at /"}))
    found = render(answer(query)) if query else ""
    return respond(200, "text/html; charset=utf-8", PAGE % (html.escape(query), found))


def respond(status, kind, body):
    return {"statusCode": status, "headers": {"content-type": kind}, "body": body}


def render(result):
    items = "".join(f"<li><code>{html.escape(r['name'])}</code> <small>{r['score']:.3f}</small><br>{html.escape(r['start'])}</li>"
                    for r in result["results"])
    return f"<p>{result['found']} documents in {result['milliseconds']} ms</p><ol>{items}</ol>"


def answer(query):
    started = time.monotonic()
    ranked = rank(query)
    result = {
        "query": query,
        "found": len(ranked),
        "results": describe(ranked[:10]),
        "milliseconds": round((time.monotonic() - started) * 1000, 1),
    }
    told = {"query": query, "found": len(ranked), "top": [name for name, _ in ranked[:3]], "time": time.time()}
    sns.publish(
        TopicArn=SEARCHED,
        Message=json.dumps(told),
        MessageGroupId="searches",
        MessageDeduplicationId=str(uuid.uuid4()),
        MessageAttributes={"found": {"DataType": "Number", "StringValue": str(len(ranked))}},
    )
    return result


def rank(query):
    """Documents and scores, the best first; names decide between equals."""
    everything = dynamodb.get_item(TableName=INDEX, Key={"document": {"S": "#all"}}, ConsistentRead=True).get("Item")
    if not everything:
        return []
    documents = int(everything["documents"]["N"])
    average = int(everything["words"]["N"]) / documents
    scores = collections.defaultdict(float)
    for term in dict.fromkeys(terms(query)):
        found = postings(term)
        for item in found:
            scores[item["document"]["S"]] += weight(int(item["frequency"]["N"]), int(item["length"]["N"]), average, documents, len(found))
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def postings(term):
    found, more = [], {}
    while True:
        page = dynamodb.query(TableName=POSTINGS, KeyConditionExpression="term = :t", ExpressionAttributeValues={":t": {"S": term}}, **more)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def describe(ranked):
    if not ranked:
        return []
    keys = [{"document": {"S": name}} for name, _ in ranked]
    items = dynamodb.batch_get_item(RequestItems={INDEX: {"Keys": keys}})["Responses"][INDEX]
    starts = {item["document"]["S"]: item["start"]["S"] for item in items}
    return [{"name": name, "score": score, "start": starts.get(name, "")} for name, score in ranked]
