"""Waits until so many documents are indexed (`wait.py TABLE COUNT`), or so many queries recorded (`wait.py --queries BUCKET COUNT`)."""

import sys
import time

import boto3

PATIENCE = 600


def indexed(table):
    item = boto3.client("dynamodb").get_item(TableName=table, Key={"document": {"S": "#all"}}, ConsistentRead=True).get("Item")
    return int(item["documents"]["N"]) if item else 0


def recorded(bucket):
    s3 = boto3.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="queries/dt=").get("Contents", [])]
    return sum(s3.get_object(Bucket=bucket, Key=key)["Body"].read().count(b"\n") for key in keys)


def main(count, wanted):
    started = shown = time.monotonic()
    while (now := count()) < wanted:
        if time.monotonic() - started > PATIENCE:
            sys.exit(f"only {now} of {wanted} after {PATIENCE} s")
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            print(f"  {now} of {wanted}", flush=True)
        time.sleep(0.5)


if __name__ == "__main__":
    if sys.argv[1] == "--queries":
        main(lambda: recorded(sys.argv[2]), int(sys.argv[3]))
    else:
        main(lambda: indexed(sys.argv[1]), int(sys.argv[2]))
