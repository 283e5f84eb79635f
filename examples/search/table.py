"""Waits until searches are in the table that a delivery stream makes of them, and replays them out of the archive.

`table.py BUCKET ARCHIVE BUS COUNT`
"""

import collections
import datetime
import json
import sys
import time

import boto3

PATIENCE = 120


def rows(bucket):
    """How often each search is in the files, as the bucket itself reads Parquet: more than once where a crash had something carried twice."""
    s3 = boto3.client("s3")
    found = collections.Counter()
    for key in [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="searches/").get("Contents", [])]:
        answer = s3.select_object_content(
            Bucket=bucket, Key=key, ExpressionType="SQL", Expression='SELECT s."query", s."found", s."time" FROM S3Object s',
            InputSerialization={"Parquet": {}}, OutputSerialization={"JSON": {}})
        lines = b"".join(event["Records"]["Payload"] for event in answer["Payload"] if "Records" in event)
        for row in map(json.loads, lines.splitlines()):
            if row["found"] <= 0:
                sys.exit(f"a search that found nothing is in the table: {row}")
            found[row["query"], row["time"]] += 1
    return found


def wait(count, wanted, what):
    end = time.monotonic() + PATIENCE
    while (now := count()) != wanted:
        if time.monotonic() > end:
            sys.exit(f"{what}: {now} of {wanted} after {PATIENCE} s")
        time.sleep(0.5)


def main(bucket, archive, bus, count):
    wait(lambda: len(rows(bucket)), count, "searches in the table")
    first = rows(bucket)
    events = boto3.client("events")
    now = datetime.datetime.now(datetime.timezone.utc)
    events.start_replay(
        ReplayName="again", EventSourceArn=archive, EventStartTime=now - datetime.timedelta(hours=1), EventEndTime=now,
        Destination={"Arn": bus})
    wait(lambda: events.describe_replay(ReplayName="again")["State"], "COMPLETED", "the replay")
    wait(lambda: sum(again > first[row] for row, again in rows(bucket).items()), count, "searches in the table once more")
    print(json.dumps({"searches": count, "queries": sorted({query for query, _ in first})}))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
