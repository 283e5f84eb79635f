"""Sees that each function has the permissions that it needs, and no more: takes one after the other away, has the function work, and looks in
the audit for the call that was denied for want of it. Then sees that what made the stack is on record.

`rights.py STACK PAGE-URL DOCUMENTS-BUCKET AUDIT-STORE`
"""

import copy
import json
import sys
import time
import urllib.error
import uuid

import boto3

from check import ask

iam, s3, cloudtrail = boto3.client("iam"), boto3.client("s3"), boto3.client("cloudtrail")
PATIENCE = 90
# What a mapping needs when it is made, and a function when it logs for the first time.
BEFORE = {"sqs:GetQueueAttributes", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}

# Types whose resources have no name in any call: how they are made.
NAMELESS = {"AWS::SQS::QueuePolicy": "SetQueueAttributes", "AWS::IAM::Policy": "PutRolePolicy"}


def query(store, condition):
    """What the audit has, by a condition."""
    sql = f"SELECT eventID, eventName, errorMessage FROM {store.rsplit('/', 1)[-1]} WHERE {condition}"
    asked = cloudtrail.start_query(QueryStatement=sql)["QueryId"]
    while (found := cloudtrail.get_query_results(QueryId=asked))["QueryStatus"] in ("QUEUED", "RUNNING"):
        time.sleep(0.05)
    if found["QueryStatus"] != "FINISHED":
        sys.exit(f"{sql}: {found}")
    return [{k: v for cell in row for k, v in cell.items()} for row in found["QueryResultRows"]]


def denied(store, role):
    """Denied calls of a role, by their events."""
    rows = query(store, f"userIdentity.sessionContext.sessionIssuer.userName = '{role}' AND errorCode IS NOT NULL")
    return {row["eventID"]: row["errorMessage"] for row in rows}


def without(policy, action):
    """A policy that does not allow an action."""
    less = copy.deepcopy(policy)
    for statement in less["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [one for one in actions if one != action]
    less["Statement"] = [statement for statement in less["Statement"] if statement["Action"]]
    return less


def actions(policy):
    for statement in policy["Statement"]:
        yield from statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def index(bucket):
    """Has the indexer work."""
    name = f"rights-{uuid.uuid4().hex}"
    document = {"name": name, "text": "a document that is about nothing but what somebody may do"}
    s3.put_object(Bucket=bucket, Key=f"{name}.json", Body=json.dumps(document).encode())


def search(page, words):
    """Has the search function work, and the recorder after it."""
    try:
        ask(page, words)
    except urllib.error.HTTPError as error:
        if error.code != 502:
            raise


def takes_away(store, role, name, policy, action, work):
    """Says the reason for which something is denied without one permission."""
    before = denied(store, role)
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without(policy, action)))
    try:
        work()
        end = time.monotonic() + PATIENCE
        # Services write names of actions in cases of their own.
        wanted = f"is not authorized to perform: {action} on resource: ".lower()
        because = f"because no identity-based policy allows the {action} action".lower()
        while True:
            new = [message for event, message in denied(store, role).items() if event not in before]
            fits = [message for message in new if wanted in message.lower() and because in message.lower()]
            if fits:
                return fits[0]
            if time.monotonic() > end:
                sys.exit(f"{role} without {action}: nothing is denied for it, but {new[:3]}")
            time.sleep(0.1)
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def recorded(stack, store):
    """Each resource of the stack was made by a call that is in the event history, in the name of CloudFormation."""
    cloudformation = boto3.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    pages = cloudtrail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}])
    events = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
    made = [json.dumps(event) for event in events if event.get("errorCode") is None]
    missing = []
    for resource in resources:
        # The last part of an ARN or of a URL is what calls name it by.
        name = resource["PhysicalResourceId"].rstrip("/").replace("|", "/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        sought = NAMELESS.get(resource["ResourceType"], name)
        if not any(sought in event for event in made):
            missing.append(f"{resource['ResourceType']} {resource['PhysicalResourceId']}")
    if missing:
        sys.exit(f"{len(missing)} of {len(resources)} resources are on no record: {missing[:5]}")
    return len(resources)


def main(stack, page, bucket, store):
    resources = recorded(stack, store)
    works = {
        "IndexerRole": lambda: index(bucket),
        "SearchRole": lambda: search(page, "parse xml"),
        # A search that finds nothing is recorded, and is in no table.
        "RecorderRole": lambda: search(page, "qqxzzy"),
    }
    reasons = {}
    for logical, work in works.items():
        found = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical)
        role = found["StackResourceDetail"]["PhysicalResourceId"]
        if iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            sys.exit(f"{role} has a managed policy, which allows more than it needs")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for action in actions(policy):
            if action not in BEFORE:
                reasons[f"{logical} {action}"] = takes_away(store, role, name, policy, action, work)
    print(json.dumps({"resources": resources, "permissions": len(reasons), "reasons": reasons}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
