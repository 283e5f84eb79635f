"""boto3 as a program meets it, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue thing."""

import contextlib
import datetime
import gzip
import io
import json
import os
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, WaiterError

import checks
from checks import same

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ONCE = Config(retries={"total_max_attempts": 1})


def client(name, keys=None, **settings):
    """A client; `keys` are what STS and IAM answer with."""
    keys = keys or {"AccessKeyId": "test", "SecretAccessKey": "test"}
    config = ONCE.merge(Config(**settings)) if settings else ONCE
    return boto3.client(
        name,
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=config,
    )


s3, sqs, sns, dynamodb, iam, sts, functions, stacks, logs, kms, kinesis, events = map(
    client,
    ["s3", "sqs", "sns", "dynamodb", "iam", "sts", "lambda", "cloudformation", "logs", "kms", "kinesis", "events"],
)
control = client("s3control")


@contextlib.contextmanager
def refused(what, code, status, text=""):
    """What is done inside is refused with this code and HTTP status, in a message that has this text."""
    try:
        yield
    except ClientError as error:
        answer = error.response
        found = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
        same(f"{what}: {code}", found, (code, status))
        if text not in answer["Error"].get("Message", ""):
            same(f"{what}: the message", answer["Error"].get("Message"), text)
    else:
        same(f"{what}: {code}", "no error", code)


def find_local_names():
    """Names under `localhost` lead to this machine (RFC 6761), which not every system's resolver knows. SDKs put the
    account, or an access point, before the name of the endpoint."""
    resolve = socket.getaddrinfo

    def found(host, *rest, **more):
        local = isinstance(host, str) and host.endswith(".localhost")
        return resolve("127.0.0.1" if local else host, *rest, **more)

    socket.getaddrinfo = found


def fetch(request):
    """The status and the body of a request without a client."""
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def eventually(what, look, wanted):
    """What takes its time, as on AWS: ten seconds at most."""
    end = time.monotonic() + 10
    found = look()
    while found != wanted and time.monotonic() < end:
        time.sleep(0.2)
        found = look()
    same(what, found, wanted)


def buckets():
    s3.create_bucket(Bucket="boto-bucket")
    s3.get_waiter("bucket_exists").wait(Bucket="boto-bucket")
    for n in range(25):
        s3.put_object(Bucket="boto-bucket", Key=f"n/{n:02}", Body=b"%d" % n)
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="boto-bucket", PaginationConfig={"PageSize": 10}))
    same("list_objects_v2 pages", [len(p["Contents"]) for p in pages], [10, 10, 5])
    keys = [o["Key"] for p in pages for o in p["Contents"]]
    same("list_objects_v2 has each key once, in order", keys, [f"n/{n:02}" for n in range(25)])
    pages = s3.get_paginator("list_objects").paginate(Bucket="boto-bucket", Prefix="n/1", PaginationConfig={"PageSize": 3})
    same("list_objects pages", [len(p["Contents"]) for p in pages], [3, 3, 3, 1])
    body = os.urandom(9_000_000)
    s3.upload_fileobj(io.BytesIO(body), "boto-bucket", "large", ExtraArgs={"Metadata": {"colour": "blue"}})
    back = io.BytesIO()
    s3.download_fileobj("boto-bucket", "large", back)
    same("9 MB by upload_fileobj and download_fileobj", back.getvalue() == body, True)
    head = s3.head_object(Bucket="boto-bucket", Key="large")
    same("their metadata", (head["Metadata"], head["ContentLength"]), ({"colour": "blue"}, 9_000_000))
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        put = s3.put_object(Bucket="boto-bucket", Key="summed", Body=b"summed", ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket="boto-bucket", Key="summed", ChecksumMode="ENABLED")
        member = f"Checksum{algorithm}"
        same(f"a body with {algorithm}", (got["Body"].read(), got[member]), (b"summed", put[member]))
    with refused("a wrong checksum", "BadDigest", 400):
        s3.put_object(Bucket="boto-bucket", Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    with refused("what was refused is not there", "NoSuchKey", 404, "The specified key does not exist."):
        s3.get_object(Bucket="boto-bucket", Key="bad")
    with refused("a condition that fails", "PreconditionFailed", 412):
        s3.put_object(Bucket="boto-bucket", Key="large", Body=b"x", IfNoneMatch="*")
    with refused("a range outside of the object", "InvalidRange", 416):
        s3.get_object(Bucket="boto-bucket", Key="n/07", Range="bytes=5-9")
    with refused("a bucket that somebody else has", "BucketAlreadyExists", 409):
        client("s3", {"AccessKeyId": "111122223333", "SecretAccessKey": "x"}).create_bucket(Bucket="boto-bucket")
    with refused("a bucket name that is none", "InvalidBucketName", 400):
        s3.create_bucket(Bucket="Upper")
    with refused("a bucket that is not empty", "BucketNotEmpty", 409):
        s3.delete_bucket(Bucket="boto-bucket")
    with refused("an operation that is not built", "NotImplemented", 501):
        s3.get_object_torrent(Bucket="boto-bucket", Key="n/07")
    signed_urls()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="boto-bucket"):
        found = s3.delete_objects(Bucket="boto-bucket", Delete={"Objects": [{"Key": o["Key"]} for o in page["Contents"]]})
        same("delete_objects names what it deleted", len(found["Deleted"]), len(page["Contents"]))
    s3.delete_bucket(Bucket="boto-bucket")
    s3.get_waiter("bucket_not_exists").wait(Bucket="boto-bucket")
    with refused("the bucket is gone", "NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="boto-bucket")


def former_names():
    s3.create_bucket(Bucket="boto-former")
    rule = {"ID": "old", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 7}}
    s3.put_bucket_lifecycle(Bucket="boto-former", LifecycleConfiguration={"Rules": [rule]})
    same("a lifecycle by its former name", s3.get_bucket_lifecycle(Bucket="boto-former")["Rules"][0]["Expiration"], {"Days": 7})
    topic = sns.create_topic(Name="boto-former")["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}))
    told = {"TopicConfiguration": {"Id": "t", "Events": ["s3:ObjectCreated:*"], "Topic": topic}}
    s3.put_bucket_notification(Bucket="boto-former", NotificationConfiguration=told)
    found = s3.get_bucket_notification(Bucket="boto-former")["TopicConfiguration"]
    same("notifications by their former name", (found["Id"], found["Topic"]), ("t", topic))
    sns.delete_topic(TopicArn=topic)
    s3.delete_bucket(Bucket="boto-former")


def measures():
    watch, now = client("cloudwatch"), datetime.datetime.now(datetime.timezone.utc)
    # Large enough to be sent packed.
    data = [{"MetricName": "Sales", "Dimensions": [{"Name": "Till", "Value": f"number {n}"}], "Value": n, "Unit": "Count"}
            for n in range(300)]
    watch.put_metric_data(Namespace="Boto/Shop", MetricData=data)
    found = watch.get_metric_statistics(
        Namespace="Boto/Shop", MetricName="Sales", Dimensions=data[7]["Dimensions"], Period=60, Statistics=["Sum", "Maximum"],
        StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=5))["Datapoints"]
    same("a metric that was put", [(p["Sum"], p["Maximum"], p["Unit"]) for p in found], [(7.0, 7.0, "Count")])
    pages = watch.get_paginator("list_metrics").paginate(Namespace="Boto/Shop")
    same("list_metrics", sum(len(p["Metrics"]) for p in pages), 300)
    query = {"Id": "all", "MetricStat": {"Period": 60, "Stat": "p99", "Metric": {
        "Namespace": "Boto/Shop", "MetricName": "Sales", "Dimensions": data[9]["Dimensions"]}}}
    found = watch.get_metric_data(MetricDataQueries=[query], StartTime=now - datetime.timedelta(minutes=5),
                                  EndTime=now + datetime.timedelta(minutes=5))["MetricDataResults"][0]
    same("get_metric_data", (found["Values"], found["StatusCode"]), ([9.0], "Complete"))
    with refused("a namespace of AWS", "InvalidParameterValue", 400):
        watch.put_metric_data(Namespace="AWS/S3", MetricData=data[:1])
    math = {"Id": "twice", "Expression": "all * 2", "Label": "most: ${MAX}"}
    found = watch.get_metric_data(MetricDataQueries=[math, query | {"ReturnData": False}], StartTime=now - datetime.timedelta(minutes=5),
                                  EndTime=now + datetime.timedelta(minutes=5))["MetricDataResults"]
    same("metric math", [(r["Id"], r["Label"], r["Values"]) for r in found], [("twice", "most: 18", [18.0])])
    alarms(watch)


def alarms(watch):
    common = {"Namespace": "Boto/Shop", "MetricName": "Sales", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
              "Threshold": 1.5, "ComparisonOperator": "GreaterThanThreshold"}
    watch.put_metric_alarm(AlarmName="boto-alarm", Tags=[{"Key": "team", "Value": "boto"}], **common)
    watch.get_waiter("alarm_exists").wait(AlarmNames=["boto-alarm"])
    watch.put_composite_alarm(AlarmName="boto-over", AlarmRule="ALARM(boto-alarm)")
    watch.set_alarm_state(AlarmName="boto-alarm", StateValue="ALARM", StateReason="a test")
    found = watch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"], AlarmNamePrefix="boto-")
    same("alarms", [(a["AlarmName"], a["StateValue"]) for a in found["MetricAlarms"] + found["CompositeAlarms"]],
         [("boto-alarm", "ALARM"), ("boto-over", "ALARM")])
    arn = found["MetricAlarms"][0]["AlarmArn"]
    same("tags of an alarm", watch.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "team", "Value": "boto"}])
    same("history", {i["HistoryItemType"] for i in watch.describe_alarm_history(AlarmName="boto-alarm")["AlarmHistoryItems"]},
         {"ConfigurationUpdate", "StateUpdate"})
    with refused("an alarm that is not there", "ResourceNotFound", 404):
        watch.set_alarm_state(AlarmName="boto-gone", StateValue="OK", StateReason="a test")
    with refused("an alarm without a threshold", "ValidationError", 400):
        watch.put_metric_alarm(AlarmName="boto-wrong", **{k: v for k, v in common.items() if k != "Threshold"})
    watch.delete_alarms(AlarmNames=["boto-over"])
    watch.delete_alarms(AlarmNames=["boto-alarm"])
    watch.put_dashboard(DashboardName="boto", DashboardBody='{"widgets": []}')
    same("a dashboard", json.loads(watch.get_dashboard(DashboardName="boto")["DashboardBody"]), {"widgets": []})
    watch.delete_dashboards(DashboardNames=["boto"])
    with refused("a dashboard that is gone", "ResourceNotFound", 404):
        watch.get_dashboard(DashboardName="boto")


def scaling():
    scale, name = client("application-autoscaling"), "boto-scaled"
    dynamodb.create_table(
        TableName=name, KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    place = {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{name}", "ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
    scale.register_scalable_target(MinCapacity=1, MaxCapacity=9, **place)
    made = scale.put_scaling_policy(
        PolicyName="seventy", PolicyType="TargetTrackingScaling", **place,
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}})
    same("alarms of a policy", len(made["Alarms"]), 4)
    scale.register_scalable_target(MinCapacity=7, **place)
    same("capacity within its limits", dynamodb.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"], 7)
    told = scale.describe_scaling_activities(ServiceNamespace="dynamodb", ResourceId=f"table/{name}")["ScalingActivities"]
    same("activities", [(a["Cause"], a["StatusCode"]) for a in told], [("minimum capacity was set to 7", "Successful")])
    scale.deregister_scalable_target(**place)
    with refused("a target that is gone", "ObjectNotFoundException", 400):
        scale.deregister_scalable_target(**place)
    dynamodb.delete_table(TableName=name)


def signed_urls():
    """Keys that are issued here are verified, in headers and in URLs, by both of S3's signatures."""
    keys = user("boto-signer", {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::boto-bucket/n/*"})
    for version in ["s3v4", "s3"]:
        signer = client("s3", keys, signature_version=version)
        get = signer.generate_presigned_url("get_object", {"Bucket": "boto-bucket", "Key": "n/07"}, ExpiresIn=60)
        same(f"{version}: a presigned GET", fetch(get), (200, "7"))
        other = fetch(get.replace("n/07", "n/08"))
        same(f"{version}: for another key", (other[0], "<Code>SignatureDoesNotMatch</Code>" in other[1]), (403, True))
        put = signer.generate_presigned_url("put_object", {"Bucket": "boto-bucket", "Key": f"n/{version}"})
        same(f"{version}: a presigned PUT", fetch(urllib.request.Request(put, data=b"put", method="PUT",
             headers={"content-type": ""}))[0], 200)
        same(f"{version}: what it put", s3.get_object(Bucket="boto-bucket", Key=f"n/{version}")["Body"].read(), b"put")
        said_in_urls(version, signer)
        denied = fetch(signer.generate_presigned_url("get_object", {"Bucket": "boto-bucket", "Key": "large"}))
        same(f"{version}: what the user may not", (denied[0], "<Code>AccessDenied</Code>" in denied[1]), (403, True))
        short = signer.generate_presigned_url("get_object", {"Bucket": "boto-bucket", "Key": "n/07"}, ExpiresIn=1)
        time.sleep(2.5)
        late = fetch(short)
        same(f"{version}: expired", (late[0], "<Message>Request has expired</Message>" in late[1]), (403, True))
    with refused("a wrong secret", "SignatureDoesNotMatch", 403):
        client("s3", {**keys, "SecretAccessKey": "wrong"}).get_object(Bucket="boto-bucket", Key="n/07")
    form = client("s3", keys, signature_version="s3v4").generate_presigned_post("boto-bucket", "n/posted")
    same("a browser's form", posted(form)[0], 204)
    same("what it uploads", s3.get_object(Bucket="boto-bucket", Key="n/posted")["Body"].read(), b"posted")
    del form["fields"]["policy"]
    status, text = posted(form)
    same("a form without its policy", (status, "<Code>" in text), (403, True))
    iam.delete_access_key(UserName="boto-signer", AccessKeyId=keys["AccessKeyId"])
    with refused("keys that are no more", "InvalidAccessKeyId", 403):
        client("s3", keys).get_object(Bucket="boto-bucket", Key="n/07")


def said_in_urls(version, signer):
    """Version 2 puts what is said of an object into the URL; version 4 has it sent as headers, and signs which."""
    key = {"Bucket": "boto-bucket", "Key": f"n/said-{version}"}
    put = signer.generate_presigned_url(
        "put_object", {**key, "Metadata": {"colour": "dark red"}, "StorageClass": "STANDARD_IA"}, ExpiresIn=60)
    said = {"x-amz-meta-colour": "dark red", "x-amz-storage-class": "STANDARD_IA"}
    same(f"{version}: what is said is in the URL", "x-amz-meta-colour=" in put, version == "s3")

    def sent(headers):
        return fetch(urllib.request.Request(put, data=b"said", method="PUT", headers={"content-type": "", **headers}))

    if version == "s3v4":
        short = sent({"x-amz-meta-colour": "dark red"})
        same("s3v4: a header that was signed and is not sent", (short[0], "SignatureDoesNotMatch" in short[1]), (403, True))
        more = sent({**said, "x-amz-acl": "public-read"})
        same("s3v4: a header that was not signed", (more[0], "<HeadersNotSigned>x-amz-acl<" in more[1]), (403, True))
    same(f"{version}: a PUT with what is said", sent(said if version == "s3v4" else {})[0], 200)
    head = s3.head_object(**key)
    same(f"{version}: it is the object's", (head["Metadata"], head["StorageClass"]), ({"colour": "dark red"}, "STANDARD_IA"))


def selects():
    """select_object_content, whose answer is a stream of events."""
    s3.create_bucket(Bucket="boto-select")
    people = "".join(f"{n},name {n},{'even' if n % 2 == 0 else 'odd'}\n" for n in range(20_000))
    table = ("id,name,Kind\n" + people).encode()
    s3.put_object(Bucket="boto-select", Key="people.csv", Body=table)
    s3.put_object(Bucket="boto-select", Key="people.csv.gz", Body=gzip.compress(table))
    log = {"Records": [{"eventName": "Put", "bytes": 1}, {"eventName": "Get"}, {"eventName": "Put", "bytes": 2.5}]}
    s3.put_object(Bucket="boto-select", Key="log.json", Body=json.dumps(log).encode())

    def ask(key, expression, given, wanted, **more):
        answer = s3.select_object_content(Bucket="boto-select", Key=key, ExpressionType="SQL", Expression=expression,
                                          InputSerialization=given, OutputSerialization=wanted, **more)
        events = list(answer["Payload"])
        rows = b"".join(e["Records"]["Payload"] for e in events if "Records" in e).decode()
        return rows, [next(iter(e)) for e in events], next((e["Stats"]["Details"] for e in events if "Stats" in e), None)

    named = {"CSV": {"FileHeaderInfo": "Use"}}
    rows, kinds, stats = ask("people.csv", "SELECT s.id, s.\"Kind\" FROM S3Object s WHERE s.id > 19996", named, {"CSV": {}})
    same("records of a CSV file", rows, "19997,odd\n19998,even\n19999,odd\n")
    same("the last two events", kinds[-2:], ["Stats", "End"])
    same("how much was read", stats, {"BytesScanned": len(table), "BytesProcessed": len(table), "BytesReturned": 31})
    rows, kinds, _ = ask("people.csv", "SELECT * FROM S3Object", named, {"JSON": {}}, RequestProgress={"Enabled": True})
    same("all of them, as JSON", [json.loads(line)["id"] for line in rows.splitlines()], [str(n) for n in range(20_000)])
    same("events of 128 KB, and progress", kinds.count("Records") > 5 and "Progress" in kinds, True)
    rows, _, stats = ask("people.csv.gz", "SELECT COUNT(*), AVG(CAST(s.id AS INT)) FROM S3Object s",
                         {**named, "CompressionType": "GZIP"}, {"CSV": {"QuoteFields": "ALWAYS"}})
    same("an average over a compressed file", (rows, stats["BytesProcessed"]), ('"20000","9999.5"\n', len(table)))
    size, found = len(table), ""
    for start in range(0, size, 100_001):
        rows, _, _ = ask("people.csv", "SELECT s.id FROM S3Object s", named, {"CSV": {}},
                         ScanRange={"Start": start, "End": start + 100_000})
        found += rows
    same("scan ranges side by side have each record once", found, "".join(f"{n}\n" for n in range(20_000)))
    rows, _, _ = ask("log.json", "SELECT r.bytes FROM S3Object[*].Records[*] r WHERE r.eventName = 'Put'",
                     {"JSON": {"Type": "DOCUMENT"}}, {"JSON": {"RecordDelimiter": ";"}})
    same("records inside of a document", rows, '{"bytes":1};{"bytes":2.5};')
    s3.put_object(Bucket="boto-select", Key="windows.txt", Body=b"# no record\r\na b\tc\r\n'd\r\ne'\tf\r\n")
    rows, _, _ = ask("windows.txt", "SELECT _2, _1 FROM S3Object",
                     {"CSV": {"RecordDelimiter": "\r\n", "FieldDelimiter": "\t", "QuoteCharacter": "'",
                              "QuoteEscapeCharacter": "\\", "AllowQuotedRecordDelimiter": True}},
                     {"CSV": {"RecordDelimiter": "\r\n", "FieldDelimiter": " "}})
    same("delimiters that are blanks", rows, 'c "a b"\r\nf "d\r\ne"\r\n')
    with refused("a column that is not there", "MissingHeaders", 400, "Some headers in the query are missing"):
        ask("people.csv", "SELECT s.age FROM S3Object s", named, {"CSV": {}})
    try:
        ask("people.csv", "SELECT CAST(s.id AS INT) / (CAST(s.id AS INT) - 15000) FROM S3Object s", named, {"CSV": {}})
        same("an error in the middle", "no error", "ExternalEvalException")
    except EventStreamError as error:
        same("an error in the middle", error.response["Error"]["Code"], "ExternalEvalException")
    for key in ["people.csv", "people.csv.gz", "log.json", "windows.txt"]:
        s3.delete_object(Bucket="boto-select", Key=key)
    s3.delete_bucket(Bucket="boto-select")


def posted(form):
    """The answer to a presigned POST, as a page sends it."""
    parts = {**form["fields"], "file": "posted"}
    body = "".join(f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in parts.items())
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    return fetch(urllib.request.Request(form["url"], (body + "--edge--\r\n").encode(), headers))


def user(name, *statements):
    """Keys of a new user who may do this."""
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy(*statements))
    return iam.create_access_key(UserName=name)["AccessKey"]


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


ME = "000000000000"


def account_settings():
    with refused("an account without settings", "NoSuchPublicAccessBlockConfiguration", 404):
        control.get_public_access_block(AccountId=ME)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    control.put_public_access_block(AccountId=ME, PublicAccessBlockConfiguration=block)
    found = control.get_public_access_block(AccountId=ME)["PublicAccessBlockConfiguration"]
    same("an account's Block Public Access", found, block)
    with refused("that of another account", "AccessDenied", 403):
        control.get_public_access_block(AccountId="111122223333")
    control.delete_public_access_block(AccountId=ME)


def access_points():
    account_settings()
    s3.create_bucket(Bucket="boto-points")
    s3.put_object(Bucket="boto-points", Key="k", Body=b"through")
    made = control.create_access_point(AccountId=ME, Name="boto-point", Bucket="boto-points",
                                       Tags=[{"Key": "colour", "Value": "blue"}])
    arn, alias = made["AccessPointArn"], made["Alias"]
    same("an access point's ARN", arn, f"arn:aws:s3:us-east-1:{ME}:accesspoint/boto-point")
    for name in [arn, alias]:
        same(f"an object by {name[:12]}…", s3.get_object(Bucket=name, Key="k")["Body"].read(), b"through")
    same("an alias is said to be one", s3.head_bucket(Bucket=alias)["AccessPointAlias"], True)
    body = os.urandom(9_000_000)
    s3.upload_fileobj(io.BytesIO(body), arn, "large")
    back = io.BytesIO()
    s3.download_fileobj("boto-points", "large", back)
    same("9 MB by upload_fileobj through it", back.getvalue() == body, True)
    s3.copy_object(Bucket=arn, Key="copy", CopySource={"Bucket": arn, "Key": "k"})
    keys = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=arn) for o in p["Contents"]]
    same("a list of what is behind it, and a copy", keys, ["copy", "k", "large"])
    url = s3.generate_presigned_url("get_object", {"Bucket": arn, "Key": "k"})
    same("a presigned GET through it", fetch(url), (200, "through"))
    listed = control.list_access_points(AccountId=ME, Bucket="boto-points")["AccessPointList"]
    same("list_access_points", [point["Alias"] for point in listed], [alias])
    tags = control.list_tags_for_resource(AccountId=ME, ResourceArn=arn)["Tags"]
    same("its tags", tags, [{"Key": "colour", "Value": "blue"}])
    visitor = client("s3", user("boto-through", {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/object/*"}))
    with refused("the bucket has not left it to access points", "AccessDenied", 403):
        visitor.get_object(Bucket=arn, Key="k")
    delegated = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": "arn:aws:s3:::boto-points/*",
                 "Condition": {"StringEquals": {"s3:DataAccessPointAccount": ME}}}
    s3.put_bucket_policy(Bucket="boto-points", Policy=policy(delegated))
    same("now it has", visitor.get_object(Bucket=arn, Key="k")["Body"].read(), b"through")
    with refused("the bucket itself is still shut", "AccessDenied", 403):
        visitor.get_object(Bucket="boto-points", Key="k")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{arn}/object/*"}
    control.put_access_point_policy(AccountId=ME, Name="boto-point", Policy=policy(denial))
    with refused("its policy denies", "AccessDenied", 403):
        visitor.get_object(Bucket=arn, Key="k")
    control.delete_access_point_policy(AccountId=ME, Name="boto-point")
    with refused("no policy any more", "NoSuchAccessPointPolicy", 404):
        control.get_access_point_policy(AccountId=ME, Name="boto-point")
    with refused("what access points do not do", "MethodNotAllowed", 405):
        s3.put_bucket_versioning(Bucket=alias, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_objects(Bucket=arn, Delete={"Objects": [{"Key": key} for key in keys]})
    with refused("a bucket with access points", "BucketHasAccessPointsAttached", 400):
        s3.delete_bucket(Bucket="boto-points")
    control.delete_access_point(AccountId=ME, Name="boto-point")
    with refused("the access point is gone", "NoSuchAccessPoint", 404):
        s3.get_object(Bucket=arn, Key="k")
    s3.delete_bucket(Bucket="boto-points")
    with refused("an operation of S3 Control that is not built", "NotImplemented", 501):
        control.list_storage_lens_configurations(AccountId=ME)


BATCH = """
import urllib.parse
def handler(event, context):
    def done(task):
        key = urllib.parse.unquote_plus(task["s3Key"])
        code = "PermanentFailure" if key == "bad" else "Succeeded"
        said = key + " of " + task["s3BucketArn"].rsplit(":", 1)[1]
        return {"taskId": task["taskId"], "resultCode": code, "resultString": said}
    return {"invocationSchemaVersion": "1.0", "treatMissingKeysAs": "PermanentFailure",
            "invocationId": event["invocationId"], "results": [done(task) for task in event["tasks"]]}
"""


def batch_job():
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"Service": ["batchoperations.s3.amazonaws.com", "lambda.amazonaws.com"]}}
    role = iam.create_role(RoleName="boto-batch", AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["s3:*", "lambda:InvokeFunction"], "Resource": "*"}
    iam.put_role_policy(RoleName="boto-batch", PolicyName="own", PolicyDocument=policy(may))
    function = functions.create_function(FunctionName="boto-batch", Runtime=os.environ["PYTHON_RUNTIME"], Role=role,
                                         Handler="app.handler", Code={"ZipFile": package(BATCH)}, Timeout=20)
    functions.get_waiter("function_active_v2").wait(FunctionName="boto-batch")
    s3.create_bucket(Bucket="boto-batch")
    listed = s3.put_object(Bucket="boto-batch", Key="list.csv", Body=b"boto-batch,a%20b\nboto-batch,bad\nboto-batch,c\n")
    manifest = {"Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
                "Location": {"ObjectArn": "arn:aws:s3:::boto-batch/list.csv", "ETag": listed["ETag"]}}
    report = {"Bucket": "arn:aws:s3:::boto-batch", "Prefix": "reports", "Format": "Report_CSV_20180820", "Enabled": True,
              "ReportScope": "AllTasks"}
    arguments = dict(AccountId=ME, ConfirmationRequired=True, Priority=10, RoleArn=role, Manifest=manifest, Report=report,
                     ClientRequestToken="boto", Operation={"LambdaInvoke": {"FunctionArn": function["FunctionArn"]}})
    job = control.create_job(**arguments)["JobId"]
    same("the same request again is the same job", control.create_job(**arguments)["JobId"], job)

    def status():
        return control.describe_job(AccountId=ME, JobId=job)["Job"]["Status"]

    eventually("a job waits for its confirmation", status, "Suspended")
    control.update_job_status(AccountId=ME, JobId=job, RequestedJobStatus="Ready")
    eventually("and runs to its end", status, "Complete")
    summary = control.describe_job(AccountId=ME, JobId=job)["Job"]["ProgressSummary"]
    same("what became of its tasks", (summary["TotalNumberOfTasks"], summary["NumberOfTasksSucceeded"],
                                      summary["NumberOfTasksFailed"]), (3, 2, 1))
    told = json.load(s3.get_object(Bucket="boto-batch", Key=f"reports/job-{job}/manifest.json")["Body"])
    lines = [s3.get_object(Bucket="boto-batch", Key=r["Key"])["Body"].read().decode() for r in told["Results"]]
    same("the report", "".join(lines).splitlines(), [
        "boto-batch,a%20b,,succeeded,200,,a b of boto-batch", "boto-batch,c,,succeeded,200,,c of boto-batch",
        "boto-batch,bad,,failed,200,PermanentFailure,bad of boto-batch"])
    with refused("a job that is over cannot be cancelled", "JobStatusException", 400):
        control.update_job_status(AccountId=ME, JobId=job, RequestedJobStatus="Cancelled")
    with refused("a job that there is not", "NotFoundException", 404):
        control.describe_job(AccountId=ME, JobId="no-such-job")


def queues():
    url = sqs.create_queue(QueueName="boto-queue", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    sent = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": str(n), "MessageBody": f"body {n}",
             "MessageAttributes": {"n": {"DataType": "Number", "StringValue": str(n)},
                                   "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}}
            for n in range(5)
        ],
    )
    same("send_message_batch", sorted(s["Id"] for s in sent["Successful"]), list("01234"))
    got = {}
    for _ in range(10):
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
                                           VisibilityTimeout=30).get("Messages", []):
            got[message["Body"]] = message
    same("each is received", sorted(got), [f"body {n}" for n in range(5)])
    same("with its attributes", got["body 3"]["MessageAttributes"], {
        "n": {"DataType": "Number", "StringValue": "3"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}})
    handle = got["body 3"]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"]
    same("it comes again when its visibility ends",
         [(m["Body"], m["Attributes"]["ApproximateReceiveCount"]) for m in again], [("body 3", "2")])
    deleted = sqs.delete_message_batch(
        QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got.values())])
    same("delete_message_batch", len(deleted["Successful"]), 5)
    for n in range(3):
        sqs.create_queue(QueueName=f"boto-page-{n}")
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="boto-page-", PaginationConfig={"PageSize": 2})
    same("list_queues pages", [len(p["QueueUrls"]) for p in pages], [2, 1])
    bad_queues(url)


def bad_queues(url):
    with refused("an unknown queue", "AWS.SimpleQueueService.NonExistentQueue", 400):
        sqs.get_queue_url(QueueName="boto-no-queue")
    try:
        sqs.get_queue_url(QueueName="boto-no-queue")
    except sqs.exceptions.QueueDoesNotExist:
        same("it is the exception QueueDoesNotExist", True, True)
    with refused("a name that is none", "InvalidParameterValue", 400):
        sqs.create_queue(QueueName="no spaces")
    with refused("a queue with other attributes", "QueueAlreadyExists", 400):
        sqs.create_queue(QueueName="boto-queue", Attributes={"VisibilityTimeout": "2"})
    with refused("an attribute that standard queues do not have", "InvalidAttributeName", 400, "Unknown Attribute FifoQueue."):
        sqs.create_queue(QueueName="boto-other", Attributes={"FifoQueue": "false"})
    with refused("a handle that is none", "ReceiptHandleIsInvalid", 400):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="x")
    with refused("an empty batch", "AWS.SimpleQueueService.EmptyBatchRequest", 400):
        sqs.send_message_batch(QueueUrl=url, Entries=[])


def topics():
    queue = sqs.create_queue(QueueName="boto-inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="boto-topic")["TopicArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(allow)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn,
                  Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["wanted"]})})
    for kind in ["other", "wanted"]:
        sns.publish(TopicArn=topic, Message=f"a {kind} one",
                    MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}})
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    same("a filter lets through what it names, raw", [m["Body"] for m in got.get("Messages", [])], ["a wanted one"])
    subscriptions = [s["Endpoint"] for p in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
                     for s in p["Subscriptions"]]
    same("list_subscriptions_by_topic", subscriptions, [arn])
    with refused("an unknown topic", "NotFound", 404):
        sns.publish(TopicArn=topic + "-no", Message="x")
    with refused("an empty message", "InvalidParameter", 400):
        sns.publish(TopicArn=topic, Message="")
    sns.publish(PhoneNumber="+14155552671", Message="to a telephone")
    with urllib.request.urlopen(f"{ENDPOINT}/_undercast/inbox?kind=sms") as answer:
        same("a text message is in the inbox", [m["text"] for m in json.load(answer)["letters"]], ["to a telephone"])
    ordered_topics()


def buses():
    bus = events.create_event_bus(Name="boto-bus")["EventBusArn"]
    queue = sqs.create_queue(QueueName="boto-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name="boto-rule", EventBusName="boto-bus", EventPattern=json.dumps(
        {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}))["RuleArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(allow)})
    transformer = {"InputPathsMap": {"total": "$.detail.total"}, "InputTemplate": '"<total> were spent"'}
    put = events.put_targets(Rule="boto-rule", EventBusName="boto-bus",
                             Targets=[{"Id": "q", "Arn": arn, "InputTransformer": transformer}])
    same("put_targets", put["FailedEntryCount"], 0)
    events.create_archive(ArchiveName="boto-archive", EventSourceArn=bus)
    entries = [{"Source": "shop", "DetailType": "sold", "Detail": json.dumps({"total": total}), "EventBusName": "boto-bus"}
               for total in [5, 50]]
    put = events.put_events(Entries=[*entries, {"Source": "shop", "DetailType": "sold", "Detail": "no JSON"}])
    same("put_events", (put["FailedEntryCount"], put["Entries"][2]["ErrorCode"]), (1, "MalformedDetail"))
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)
    same("a rule lets through what it names, transformed", [m["Body"] for m in got.get("Messages", [])], ['"50 were spent"'])
    same("an archive keeps all", events.describe_archive(ArchiveName="boto-archive")["EventCount"], 2)
    pattern = {"EventPattern": json.dumps({"source": [{"prefix": "sh"}]}), "Event": json.dumps(
        {"id": "1", "account": "1", "source": "shop", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
         "resources": [], "detail-type": "sold"})}
    same("test_event_pattern", events.test_event_pattern(**pattern)["Result"], True)
    with refused("a bus that has rules", "ValidationException", 400):
        events.delete_event_bus(Name="boto-bus")
    with refused("a pattern that is none", "InvalidEventPatternException", 400):
        events.put_rule(Name="boto-other", EventPattern='{"source": "shop"}')
    with refused("a rule that is not there", "ResourceNotFoundException", 400):
        events.describe_rule(Name="boto-other")
    login = {"BasicAuthParameters": {"Username": "u", "Password": "p"}}
    connection = events.create_connection(Name="boto-line", AuthorizationType="BASIC", AuthParameters=login)["ConnectionArn"]
    made = events.create_api_destination(Name="boto-there", ConnectionArn=connection, HttpMethod="POST",
                                         InvocationEndpoint="https://example.com/in")
    same("create_api_destination", made["ApiDestinationState"], "ACTIVE")
    events.delete_api_destination(Name="boto-there")
    events.delete_connection(Name="boto-line")
    events.delete_archive(ArchiveName="boto-archive")
    events.remove_targets(Rule="boto-rule", EventBusName="boto-bus", Ids=["q"])
    events.delete_rule(Name="boto-rule", EventBusName="boto-bus")
    events.delete_event_bus(Name="boto-bus")
    sqs.delete_queue(QueueUrl=queue)


def ordered_topics():
    topic = sns.create_topic(Name="boto.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    queue = sqs.create_queue(QueueName="boto.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(allow)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    entries = [{"Id": str(n), "Message": f"m{n}", "MessageGroupId": "g"} for n in range(5)]
    sent = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]
    numbers = [s["SequenceNumber"] for s in sent]
    same("sequence numbers grow", numbers, sorted(numbers))
    again = sns.publish(TopicArn=topic, Message="m0", MessageGroupId="g")
    same("what was published is not published again", again["MessageId"], sent[0]["MessageId"])
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    same("a FIFO queue has them in their order", [m["Body"] for m in got], [f"m{n}" for n in range(5)])
    with refused("an empty batch", "EmptyBatchRequest", 400):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[])
    with refused("a message without a group", "InvalidParameter", 400,
                 "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"):
        sns.publish(TopicArn=topic, Message="x")


def tables():
    dynamodb.create_table(
        TableName="boto-table", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}])
    dynamodb.get_waiter("table_exists").wait(TableName="boto-table", WaiterConfig={"Delay": 1})
    table = boto3.resource("dynamodb", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="test",
                           aws_secret_access_key="test").Table("boto-table")
    with table.batch_writer() as batch:
        for n in range(60):
            batch.put_item(Item={"pk": "a", "n": n, "binary": bytes([n]), "set": {"x", str(n)}, "null": None})
    pages = list(dynamodb.get_paginator("query").paginate(
        TableName="boto-table", KeyConditionExpression="pk = :a", ExpressionAttributeValues={":a": {"S": "a"}},
        PaginationConfig={"PageSize": 25}))
    same("query pages", [p["Count"] for p in pages], [25, 25, 10])
    same("in the order of numbers", [int(i["n"]["N"]) for p in pages for i in p["Items"]], list(range(60)))
    pages = dynamodb.get_paginator("scan").paginate(TableName="boto-table", PaginationConfig={"PageSize": 50})
    same("scan pages", sum(p["Count"] for p in pages), 60)
    item = table.get_item(Key={"pk": "a", "n": 7})["Item"]
    same("an item with binary, set and null", (item["binary"].value, item["set"], item["null"]), (b"\x07", {"x", "7"}, None))
    found = table.query(KeyConditionExpression=Key("pk").eq("a") & Key("n").between(10, 12))["Items"]
    same("a resource's condition", [int(i["n"]) for i in found], [10, 11, 12])
    update = table.update_item(Key={"pk": "a", "n": 7}, UpdateExpression="ADD hits :one", ReturnValues="UPDATED_NEW",
                               ExpressionAttributeValues={":one": 1})
    same("update_item", update["Attributes"], {"hits": 1})
    bad_tables()
    dynamodb.delete_table(TableName="boto-table")
    dynamodb.get_waiter("table_not_exists").wait(TableName="boto-table", WaiterConfig={"Delay": 1})
    with refused("the table is gone", "ResourceNotFoundException", 400):
        dynamodb.describe_table(TableName="boto-table")


def copies_of_tables():
    """A table with a key of KMS goes to S3, and comes back as another."""
    key = kms.create_key()["KeyMetadata"]["Arn"]
    schema = dict(BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                  KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                  SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    made = dynamodb.create_table(TableName="boto-source", **schema)["TableDescription"]
    same("what it is encrypted with", made["SSEDescription"], {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key})
    dynamodb.update_continuous_backups(
        TableName="boto-source", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    resource = boto3.resource("dynamodb", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="test",
                              aws_secret_access_key="test")
    with resource.Table("boto-source").batch_writer() as batch:
        for n in range(60):
            batch.put_item(Item={"pk": f"k{n}", "n": n, "binary": bytes([n]), "set": {1, n}, "list": [None, {"a": True}]})
    s3.create_bucket(Bucket="boto-exports")
    quick = {"Delay": 1, "MaxAttempts": 20}

    def read(table):
        return sorted(resource.Table(table).scan()["Items"], key=lambda item: item["n"])

    for form in ["DYNAMODB_JSON", "ION"]:
        arn = dynamodb.export_table_to_point_in_time(
            TableArn=made["TableArn"], S3Bucket="boto-exports", S3Prefix=form, ExportFormat=form)["ExportDescription"]["ExportArn"]
        dynamodb.get_waiter("export_completed").wait(ExportArn=arn, WaiterConfig=quick)
        told = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
        same(f"items of an export as {form}", told["ItemCount"], 60)
        target = f"boto-{form.lower().replace('_', '-')}"
        data = told["ExportManifest"].replace("manifest-summary.json", "data/")
        arn = dynamodb.import_table(
            S3BucketSource={"S3Bucket": "boto-exports", "S3KeyPrefix": data}, InputFormat=form, InputCompressionType="GZIP",
            TableCreationParameters={"TableName": target, **schema})["ImportTableDescription"]["ImportArn"]
        dynamodb.get_waiter("import_completed").wait(ImportArn=arn, WaiterConfig=quick)
        same("items of the import", dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]["ImportedItemCount"], 60)
        same("the copy has what the table has", read(target), read("boto-source"))
    with refused("an export of what is not there", "TableNotFoundException", 400):
        dynamodb.export_table_to_point_in_time(TableArn=made["TableArn"] + "-none", S3Bucket="boto-exports")
    arn = dynamodb.export_table_to_point_in_time(
        TableArn=made["TableArn"], S3Bucket="boto-no-bucket")["ExportDescription"]["ExportArn"]
    eventually("an export to no bucket fails",
               lambda: dynamodb.describe_export(ExportArn=arn)["ExportDescription"].get("FailureCode"), "S3NoSuchBucket")


def spread_tables():
    """A table in two regions, and one whose every region has the latest."""
    def there(region):
        return boto3.client("dynamodb", endpoint_url=ENDPOINT, region_name=region, config=ONCE,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def settled(table):
        shown = dynamodb.describe_table(TableName=table)["Table"]
        all_replicas = {replica["ReplicaStatus"] for replica in shown.get("Replicas", [])}
        witnesses = {witness["WitnessStatus"] for witness in shown.get("GlobalTableWitnesses", [])}
        return {shown["TableStatus"]} | all_replicas | witnesses

    schema = dict(BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                  KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}])
    west, ohio = there("us-west-2"), there("us-east-2")
    key = {"pk": {"S": "a"}}
    for table in ["boto-global", "boto-strong"]:
        dynamodb.create_table(TableName=table, **schema)
    dynamodb.update_table(TableName="boto-global", ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    dynamodb.update_table(TableName="boto-strong", ReplicaUpdates=[{"Create": {"RegionName": "us-east-2"}}],
                          GlobalTableWitnessUpdates=[{"Create": {"RegionName": "us-west-2"}}],
                          MultiRegionConsistency="STRONG")
    for table in ["boto-global", "boto-strong"]:
        eventually(f"{table} is there", lambda table=table: settled(table), {"ACTIVE"})
    dynamodb.put_item(TableName="boto-global", Item=key | {"n": {"N": "1"}})
    eventually("the other region has it", lambda: west.get_item(TableName="boto-global", Key=key).get("Item", {}).get("n"),
               {"N": "1"})
    west.put_item(TableName="boto-global", Item=key | {"n": {"N": "2"}})
    eventually("and tells what it has", lambda: dynamodb.get_item(TableName="boto-global", Key=key)["Item"]["n"], {"N": "2"})
    for n in range(20):
        dynamodb.put_item(TableName="boto-strong", Item=key | {"n": {"N": str(n)}})
        found = ohio.get_item(TableName="boto-strong", Key=key, ConsistentRead=True)["Item"]["n"]
        if found != {"N": str(n)}:
            same("the latest in every region", found, {"N": str(n)})
    same("the latest in every region", found, {"N": "19"})
    with refused("a transaction on it", "ValidationException", 400, "STRONG"):
        ohio.transact_write_items(TransactItems=[{"Delete": {"TableName": "boto-strong", "Key": key}}])
    with refused("the source of a replica", "ValidationException", 400, "acted as a source region"):
        dynamodb.delete_table(TableName="boto-global")
    dynamodb.update_table(TableName="boto-strong", ReplicaUpdates=[{"Delete": {"RegionName": "us-east-2"}}],
                          GlobalTableWitnessUpdates=[{"Delete": {"RegionName": "us-west-2"}}])
    dynamodb.update_table(TableName="boto-global", ReplicaUpdates=[{"Delete": {"RegionName": "us-west-2"}}])
    for table, region in [("boto-global", west), ("boto-strong", ohio)]:
        region.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
        eventually(f"{table} is a table again", lambda table=table: settled(table), {"ACTIVE"})
        dynamodb.delete_table(TableName=table)


def bad_tables():
    unchecked = client("dynamodb", parameter_validation=False)
    key = {"pk": {"S": "a"}, "n": {"N": "1"}}
    with refused("an unknown table", "ResourceNotFoundException", 400, "Requested resource not found"):
        dynamodb.get_item(TableName="boto-no-table", Key=key)
    with refused("a missing member", "ValidationException", 400):
        unchecked.get_item(TableName="boto-table")
    with refused("a member of the wrong type", "SerializationException", 400):
        unchecked.get_item(TableName="boto-table", Key=key, ConsistentRead="yes")
    with refused("a key of the wrong type", "ValidationException", 400, "The provided key element does not match the schema"):
        dynamodb.get_item(TableName="boto-table", Key={"pk": {"S": "a"}, "n": {"S": "1"}})
    with refused("an expression that is none", "ValidationException", 400, "Invalid UpdateExpression: Syntax error; "):
        dynamodb.update_item(TableName="boto-table", Key=key, UpdateExpression="SET SET")
    with refused("a number that is none", "ValidationException", 400):
        dynamodb.put_item(TableName="boto-table", Item={"pk": {"S": "a"}, "n": {"N": "one"}})
    with refused("a condition that fails", "ConditionalCheckFailedException", 400, "The conditional request failed"):
        dynamodb.delete_item(TableName="boto-table", Key=key, ConditionExpression="attribute_exists(nothing)")
    with refused("a table that exists", "ResourceInUseException", 400):
        dynamodb.create_table(
            TableName="boto-table", BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}])
    with refused("a transaction of which one fails", "TransactionCanceledException", 400, "[None, ConditionalCheckFailed]"):
        dynamodb.transact_write_items(TransactItems=[
            {"Put": {"TableName": "boto-table", "Item": {"pk": {"S": "t"}, "n": {"N": "1"}}}},
            {"ConditionCheck": {"TableName": "boto-table", "Key": key, "ConditionExpression": "attribute_not_exists(pk)"}}])
    same("and nothing of it is done", "Item" in dynamodb.get_item(
        TableName="boto-table", Key={"pk": {"S": "t"}, "n": {"N": "1"}}), False)
    scaled = dynamodb.describe_table_replica_auto_scaling(TableName="boto-table")["TableAutoScalingDescription"]
    same("how replicas are scaled", [r["RegionName"] for r in scaled["Replicas"]], ["us-east-1"])
    with refused("a service that is not built", "NotImplemented", 501):
        client("snowball").list_jobs()


def roles():
    same("get_caller_identity", sts.get_caller_identity()["Arn"], "arn:aws:iam::000000000000:root")
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="boto-role", AssumeRolePolicyDocument=policy(trust))["Role"]
    iam.get_waiter("role_exists").wait(RoleName="boto-role")
    same("the role's trust comes back as it was", role["AssumeRolePolicyDocument"], json.loads(policy(trust)))
    only = {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:boto-mine-*"}
    iam.put_role_policy(RoleName="boto-role", PolicyName="mine", PolicyDocument=policy(only))
    with refused("the root user may not assume a role", "AccessDenied", 403, "Roles may not be assumed by root accounts."):
        sts.assume_role(RoleArn=role["Arn"], RoleSessionName="visit")
    visitor = user("boto-visitor", {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
    session = client("sts", visitor).assume_role(RoleArn=role["Arn"], RoleSessionName="visit", DurationSeconds=900)["Credentials"]
    left = session["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    same("the session ends in 900 s", 890 < left.total_seconds() <= 900, True)
    mine = client("sqs", session)
    mine.send_message(QueueUrl=mine.create_queue(QueueName="boto-mine-1")["QueueUrl"], MessageBody="x")
    with refused("what the policy does not allow", "AccessDenied", 403,
                 "assumed-role/boto-role/visit is not authorized to perform: sqs:createqueue on resource: "):
        mine.create_queue(QueueName="boto-theirs")
    with refused("a session token that is none", "InvalidClientTokenId", 403):
        client("sts", {**session, "SessionToken": "x"}).get_caller_identity()
    with refused("a wrong secret", "SignatureDoesNotMatch", 403):
        client("sts", {**session, "SecretAccessKey": "x"}).get_caller_identity()
    iam.update_assume_role_policy(RoleName="boto-role", PolicyDocument=policy(
        {**trust, "Principal": {"Service": "lambda.amazonaws.com"}}))
    with refused("a role that trusts somebody else", "AccessDenied", 403,
                 "user/boto-visitor is not authorized to perform: sts:AssumeRole on resource: " + role["Arn"]):
        client("sts", visitor).assume_role(RoleArn=role["Arn"], RoleSessionName="visit")
    with refused("a role that exists", "EntityAlreadyExists", 409):
        iam.create_role(RoleName="boto-role", AssumeRolePolicyDocument=policy(trust))
    with refused("a policy that is none", "MalformedPolicyDocument", 400):
        iam.put_role_policy(RoleName="boto-role", PolicyName="bad", PolicyDocument="{}")
    with refused("a role that still has a policy", "DeleteConflict", 409):
        iam.delete_role(RoleName="boto-role")
    iam.delete_role_policy(RoleName="boto-role", PolicyName="mine")
    iam.delete_role(RoleName="boto-role")
    with refused("the role is gone", "NoSuchEntity", 404):
        iam.get_role(RoleName="boto-role")
    for n in range(5):
        iam.create_user(UserName=f"boto-user-{n}", Path="/boto/")
    pages = iam.get_paginator("list_users").paginate(PathPrefix="/boto/", PaginationConfig={"PageSize": 2})
    same("list_users pages", [len(p["Users"]) for p in pages], [2, 2, 1])


def people():
    """Groups and all that users have, through the clients' own readers, paginators and waiters."""
    keys = user("boto-member", {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"})
    iam.create_group(GroupName="boto-group", Path="/boto/")
    may = {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:boto-group-*"}
    iam.put_group_policy(GroupName="boto-group", PolicyName="own", PolicyDocument=policy(may))
    member = client("sqs", keys)
    with refused("whoever is in no group", "AccessDenied", 403):
        member.create_queue(QueueName="boto-group-1")
    iam.add_user_to_group(GroupName="boto-group", UserName="boto-member")
    member.create_queue(QueueName="boto-group-1")
    same("who is in it", [u["UserName"] for u in iam.get_group(GroupName="boto-group")["Users"]], ["boto-member"])
    same("the policy as it was", iam.get_group_policy(GroupName="boto-group", PolicyName="own")["PolicyDocument"], json.loads(policy(may)))
    used = iam.get_access_key_last_used(AccessKeyId=keys["AccessKeyId"])
    same("when its key was used", (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"], used["AccessKeyLastUsed"]["Region"]),
         ("boto-member", "sqs", "us-east-1"))
    with refused("a group with somebody in it", "DeleteConflict", 409, "must remove users from group first"):
        iam.delete_group(GroupName="boto-group")
    iam.update_account_password_policy(MinimumPasswordLength=10, RequireNumbers=True, AllowUsersToChangePassword=True, PasswordReusePrevention=1)
    with refused("too short a password", "PasswordPolicyViolation", 400, "minimum length of 10"):
        iam.create_login_profile(UserName="boto-member", Password="short-1")
    iam.create_login_profile(UserName="boto-member", Password="first-password-1")
    iam.get_waiter("user_exists").wait(UserName="boto-member")
    own = client("iam", keys)
    own.change_password(OldPassword="first-password-1", NewPassword="second-password-2")
    with refused("the same password again", "PasswordPolicyViolation", 400):
        own.change_password(OldPassword="second-password-2", NewPassword="second-password-2")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="boto-box", AssumeRolePolicyDocument=policy(trust))
    iam.create_instance_profile(InstanceProfileName="boto-box", Tags=[{"Key": "k", "Value": "v"}])
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="boto-box")
    iam.add_role_to_instance_profile(InstanceProfileName="boto-box", RoleName="boto-box")
    with refused("a second role", "LimitExceeded", 409, "InstanceSessionsPerInstanceProfile: 1"):
        iam.add_role_to_instance_profile(InstanceProfileName="boto-box", RoleName="boto-box")
    linked = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    with refused("a service's own role", "UnmodifiableEntity", 400, "is only modifiable by AWS"):
        iam.delete_role(RoleName=linked["RoleName"])
    task = iam.delete_service_linked_role(RoleName=linked["RoleName"])["DeletionTaskId"]
    same("it is deleted", iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"], "SUCCEEDED")
    provider = iam.create_open_id_connect_provider(
        Url="https://id.example.com/boto", ClientIDList=["app"], ThumbprintList=["a" * 40])["OpenIDConnectProviderArn"]
    same("a provider", iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["ClientIDList"], ["app"])
    pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["User", "Group", "Role"], PaginationConfig={"PageSize": 3})
    details = [page for page in pages]
    found = [u["GroupList"] for page in details for u in page["UserDetailList"] if u["UserName"] == "boto-member"]
    same("a user's details", (found, len(details) > 1), ([["boto-group"]], True))
    summary = iam.get_account_summary()["SummaryMap"]
    same("the account's summary", (summary["InstanceProfiles"], summary["GroupsQuota"]), (1, 300))
    same("a credential report", iam.generate_credential_report()["State"], "COMPLETE")
    lines = iam.get_credential_report()["Content"].decode().splitlines()
    line = next(line.split(",") for line in lines if line.startswith("boto-member,"))
    same("and what it says", (lines[0].count(","), line[3], line[8], line[12]), (21, "true", "true", "iam"))
    iam.update_user(UserName="boto-member", NewUserName="boto-renamed")
    same("who it is now", client("sts", keys).get_caller_identity()["Arn"], "arn:aws:iam::000000000000:user/boto-renamed")
    member.create_queue(QueueName="boto-group-2")
    iam.delete_account_password_policy()


def package(source):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", source)
    return file.getvalue()


CODE = """
import boto3
def handler(event, context):
    print("called with", event)
    if "raise" in event:
        raise ValueError(event["raise"])
    return {"arn": boto3.client("sts").get_caller_identity()["Arn"].rsplit("/", 1)[0]}
"""


def functions_run():
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="boto-function", AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    writes = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    iam.put_role_policy(RoleName="boto-function", PolicyName="logs", PolicyDocument=policy(writes))
    create = dict(FunctionName="boto-function", Runtime=os.environ["PYTHON_RUNTIME"], Role=role, Handler="app.handler",
                  Code={"ZipFile": package(CODE)}, Timeout=20, MemorySize=512)
    functions.create_function(**create)
    functions.get_waiter("function_active_v2").wait(FunctionName="boto-function")
    answer = functions.invoke(FunctionName="boto-function", Payload=b"{}", LogType="Tail")
    same("a function is its role", json.load(answer["Payload"]), {"arn": "arn:aws:sts::000000000000:assumed-role/boto-function"})
    answer = functions.invoke(FunctionName="boto-function", Payload=b'{"raise": "on purpose"}')
    told = json.load(answer["Payload"])
    same("what it raises", (answer["FunctionError"], told["errorType"], told["errorMessage"]),
         ("Unhandled", "ValueError", "on purpose"))
    same("an event", functions.invoke(FunctionName="boto-function", InvocationType="Event", Payload=b"{}")["StatusCode"], 202)

    def printed():
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/lambda/boto-function", filterPattern='"called with"')
        return sum(len(p["events"]) for p in pages)

    eventually("filter_log_events has what it printed", printed, 3)
    with refused("a function that exists", "ResourceConflictException", 409, "Function already exist: boto-function"):
        functions.create_function(**create)
    with refused("an unknown function", "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:"):
        functions.invoke(FunctionName="boto-no-function")
    with refused("a payload that is no JSON", "InvalidRequestContentException", 400):
        functions.invoke(FunctionName="boto-function", Payload=b"{")
    with refused("an operation that is not built", "NotImplemented", 501):
        functions.get_function_recursion_config(FunctionName="boto-function")
    functions.delete_function(FunctionName="boto-function")
    with refused("the function is gone", "ResourceNotFoundException", 404):
        functions.get_function(FunctionName="boto-function")


def keys():
    made = kms.create_key(Description="boto", Tags=[{"TagKey": "team", "TagValue": "boto"}])["KeyMetadata"]
    kms.create_alias(AliasName="alias/boto", TargetKeyId=made["KeyId"])
    context = {"app": "boto"}
    sealed = kms.encrypt(KeyId="alias/boto", Plaintext=b"hello", EncryptionContext=context)
    same("the key is told by its ARN", sealed["KeyId"], made["Arn"])
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    same("what was encrypted is decrypted", opened["Plaintext"], b"hello")
    with refused("another encryption context", "InvalidCiphertextException", 400):
        kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"app": "other"})
    data = kms.generate_data_key(KeyId=made["KeyId"], KeySpec="AES_256")
    same("a data key", (len(data["Plaintext"]), kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"]),
         (32, data["Plaintext"]))
    aliases = [a["AliasName"] for p in kms.get_paginator("list_aliases").paginate(KeyId=made["KeyId"]) for a in p["Aliases"]]
    same("list_aliases", aliases, ["alias/boto"])
    signer = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signed = kms.sign(KeyId=signer, Message=b"hello", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    verified = kms.verify(KeyId=signer, Message=b"hello", Signature=signed, SigningAlgorithm="ECDSA_SHA_256")
    same("a signature is good", verified["SignatureValid"], True)
    with refused("of another message it is not", "KMSInvalidSignatureException", 400):
        kms.verify(KeyId=signer, Message=b"hullo", Signature=signed, SigningAlgorithm="ECDSA_SHA_256")
    guest = user("boto-guest", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    with refused("a user without permission", "AccessDeniedException", 400, "no identity-based policy allows the kms:Encrypt"):
        client("kms", guest).encrypt(KeyId=made["KeyId"], Plaintext=b"x")
    grantee = iam.get_user(UserName="boto-guest")["User"]["Arn"]
    grant = kms.create_grant(KeyId=made["KeyId"], GranteePrincipal=grantee, Operations=["Encrypt"])
    same("a grant allows", client("kms", guest).encrypt(KeyId=made["KeyId"], Plaintext=b"x")["KeyId"], made["Arn"])
    kms.revoke_grant(KeyId=made["KeyId"], GrantId=grant["GrantId"])
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    with refused("a key that goes", "KMSInvalidStateException", 400, "is pending deletion."):
        kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")
    try:
        kms.describe_key(KeyId="alias/boto-none")
    except kms.exceptions.NotFoundException:
        same("it is the exception NotFoundException", True, True)


def read_all(shard, **start):
    """The records of a shard, from its beginning or from elsewhere to where it has come to or ends."""
    where = start or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName="boto-stream", ShardId=shard, **where)["ShardIterator"]
    found = []
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=50)
        found += answer["Records"]
        if not answer["Records"] and not answer["MillisBehindLatest"]:
            break
        iterator = answer.get("NextShardIterator")
    return found


def streams():
    kinesis.create_stream(StreamName="boto-stream", ShardCount=2, Tags={"of": "boto"})
    quick = {"Delay": 1, "MaxAttempts": 20}
    kinesis.get_waiter("stream_exists").wait(StreamName="boto-stream", WaiterConfig=quick)
    arn = kinesis.describe_stream_summary(StreamName="boto-stream")["StreamDescriptionSummary"]["StreamARN"]
    entries = [{"PartitionKey": f"key-{n % 7}", "Data": f"{n}".encode()} for n in range(100)]
    answer = kinesis.put_records(StreamARN=arn, Records=entries)
    same("put_records takes all", (answer["FailedRecordCount"], len(answer["Records"])), (0, 100))
    shards = [s["ShardId"] for p in kinesis.get_paginator("list_shards").paginate(StreamName="boto-stream") for s in p["Shards"]]
    records = {shard: read_all(shard) for shard in shards}
    same("all records are read", sorted(int(r["Data"]) for rs in records.values() for r in rs), list(range(100)))
    for shard, found in records.items():
        numbers = [int(r["SequenceNumber"]) for r in found]
        same(f"sequence numbers rise in {shard}", numbers, sorted(numbers))
    first = records[shards[0]][0]
    same("a record's moment is of now", abs(first["ApproximateArrivalTimestamp"].timestamp() - time.time()) < 60, True)
    same("from a record on", len(read_all(shards[0], ShardIteratorType="AFTER_SEQUENCE_NUMBER",
         StartingSequenceNumber=first["SequenceNumber"])), len(records[shards[0]]) - 1)
    with refused("a stream that nobody has", "ResourceNotFoundException", 400, "Stream nobody under account"):
        kinesis.put_record(StreamName="nobody", PartitionKey="k", Data=b"")
    with refused("an iterator that is none", "InvalidArgumentException", 400, "Invalid ShardIterator."):
        kinesis.get_records(ShardIterator="nonsense")
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="boto")["Consumer"]["ConsumerARN"]
    eventually("a consumer is made", lambda: kinesis.describe_stream_consumer(ConsumerARN=made)
               ["ConsumerDescription"]["ConsumerStatus"], "ACTIVE")
    pushed = kinesis.subscribe_to_shard(ConsumerARN=made, ShardId=shards[0], StartingPosition={"Type": "TRIM_HORIZON"})
    for event in pushed["EventStream"]:
        if event["SubscribeToShardEvent"]["Records"]:
            same("records are pushed", [r["Data"] for r in event["SubscribeToShardEvent"]["Records"]],
                 [r["Data"] for r in records[shards[0]]])
            break
    pushed["EventStream"].close()
    kinesis.update_shard_count(StreamName="boto-stream", TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    kinesis.get_waiter("stream_exists").wait(StreamName="boto-stream", WaiterConfig=quick)
    eventually("a stream is scaled", lambda: kinesis.describe_stream_summary(StreamName="boto-stream")
               ["StreamDescriptionSummary"]["OpenShardCount"], 3)
    with refused("consumers are in the way", "ResourceInUseException", 400):
        kinesis.delete_stream(StreamName="boto-stream")
    kinesis.delete_stream(StreamName="boto-stream", EnforceConsumerDeletion=True)
    kinesis.get_waiter("stream_not_exists").wait(StreamName="boto-stream", WaiterConfig=quick)


def bucket_of_a_stack():
    """What a template says of a bucket is what S3 says of it, and saying it again is no change."""
    rule = {"Id": "old", "Status": "Enabled", "Prefix": "old/", "ExpirationInDays": 400,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    properties = {
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": [rule]},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [
            {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
        "WebsiteConfiguration": {"IndexDocument": "index.html"},
    }
    template = {"Resources": {"Kept": {"Type": "AWS::S3::Bucket", "Properties": properties}},
                "Outputs": {"Name": {"Value": {"Ref": "Kept"}}, "Site": {"Value": {"Fn::GetAtt": ["Kept", "WebsiteURL"]}}}}
    arguments = dict(StackName="boto-kept", TemplateBody=json.dumps(template))
    quick = {"Delay": 1, "MaxAttempts": 30}
    stacks.create_stack(**arguments)
    stacks.get_waiter("stack_create_complete").wait(StackName="boto-kept", WaiterConfig=quick)
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks.describe_stacks(StackName="boto-kept")["Stacks"][0]["Outputs"]}
    name = outputs["Name"]
    same("a stack's bucket keeps versions", s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
    found = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    same("its lifecycle", (found["Expiration"], found["NoncurrentVersionExpiration"], found["Filter"]),
         ({"Days": 400}, {"NoncurrentDays": 30}, {"Prefix": "old/"}))
    found = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    same("its encryption", (found["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], found["BucketKeyEnabled"]),
         ("aws:kms", True))
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    same("what is put is encrypted by it", s3.head_object(Bucket=name, Key="k")["ServerSideEncryption"], "aws:kms")
    same("its website, which nobody may read, is there", fetch(outputs["Site"])[0], 403)
    with refused("the same template again", "ValidationError", 400, "No updates are to be performed."):
        stacks.update_stack(**arguments)
    stacks.create_change_set(**arguments, ChangeSetName="again")
    eventually("a change set of it has nothing to do",
               lambda: stacks.describe_change_set(StackName="boto-kept", ChangeSetName="again")["Status"], "FAILED")
    for version in s3.list_object_versions(Bucket=name)["Versions"]:
        s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    stacks.delete_stack(StackName="boto-kept")
    stacks.get_waiter("stack_delete_complete").wait(StackName="boto-kept", WaiterConfig=quick)
    with refused("a bucket whose stack is gone", "404", 404):
        s3.head_bucket(Bucket=name)


def stacks_stand():
    template = {
        "Parameters": {"Seconds": {"Type": "Number"}},
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {
                "VisibilityTimeout": {"Ref": "Seconds"},
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}}},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
    arguments = dict(StackName="boto-stack", TemplateBody=json.dumps(template))
    stacks.create_stack(**arguments, Parameters=[{"ParameterKey": "Seconds", "ParameterValue": "33"}])
    quick = {"Delay": 1, "MaxAttempts": 30}
    stacks.get_waiter("stack_create_complete").wait(StackName="boto-stack", WaiterConfig=quick)
    outputs = stacks.describe_stacks(StackName="boto-stack")["Stacks"][0]["Outputs"]
    url = outputs[0]["OutputValue"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    same("a stack's queue has its parameter", attributes["VisibilityTimeout"], "33")
    same("and its dead letters", json.loads(attributes["RedrivePolicy"])["maxReceiveCount"], 3)
    events = [e["ResourceStatus"] for p in stacks.get_paginator("describe_stack_events").paginate(StackName="boto-stack")
              for e in p["StackEvents"]]
    same("its events, newest first", (events[0], events[-1]), ("CREATE_COMPLETE", "CREATE_IN_PROGRESS"))
    with refused("a stack that exists", "AlreadyExistsException", 400):
        stacks.create_stack(**arguments, Parameters=[{"ParameterKey": "Seconds", "ParameterValue": "33"}])
    with refused("an update of nothing", "ValidationError", 400, "No updates are to be performed."):
        stacks.update_stack(StackName="boto-stack", UsePreviousTemplate=True,
                            Parameters=[{"ParameterKey": "Seconds", "UsePreviousValue": True}])
    with refused("a parameter without a value", "ValidationError", 400, "Parameters: [Seconds] must have values"):
        stacks.create_stack(StackName="boto-stack-2", TemplateBody=json.dumps(template))
    template["Resources"] = {"Bad": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 99999}}}
    template["Outputs"], template["Parameters"] = {}, {}
    stacks.create_stack(StackName="boto-bad", TemplateBody=json.dumps(template.copy() | {"Parameters": {}}))
    try:
        stacks.get_waiter("stack_create_complete").wait(StackName="boto-bad", WaiterConfig=quick)
        same("a stack with a bad queue", "CREATE_COMPLETE", "ROLLBACK_COMPLETE")
    except WaiterError as error:
        eventually("a stack with a bad queue is rolled back",
                   lambda: stacks.describe_stacks(StackName="boto-bad")["Stacks"][0]["StackStatus"], "ROLLBACK_COMPLETE")
    stacks.delete_stack(StackName="boto-stack")
    stacks.get_waiter("stack_delete_complete").wait(StackName="boto-stack", WaiterConfig=quick)
    with refused("its queue is gone", "AWS.SimpleQueueService.NonExistentQueue", 400):
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])



def passed_on(name, service, *actions):
    """A role that a service may assume, with these rights."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="rights",
                        PolicyDocument=policy({"Effect": "Allow", "Action": list(actions), "Resource": "*"}))
    return role


def schedules():
    """EventBridge Scheduler: a queue is told when it is time."""
    scheduler = client("scheduler")
    role = passed_on("boto-scheduler", "scheduler.amazonaws.com", "sqs:SendMessage")
    url = sqs.create_queue(QueueName="boto-scheduled")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ME}:boto-scheduled"
    group = scheduler.create_schedule_group(Name="boto-group", Tags=[{"Key": "of", "Value": "boto"}])["ScheduleGroupArn"]
    same("tags of a group", scheduler.list_tags_for_resource(ResourceArn=group)["Tags"], [{"Key": "of", "Value": "boto"}])
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    off = {"Mode": "OFF"}
    made = scheduler.create_schedule(
        Name="once", GroupName="boto-group", ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow=off,
        ActionAfterCompletion="DELETE", Target={"Arn": queue, "RoleArn": role, "Input": "once at <aws.scheduler.scheduled-time>"})
    same("a schedule's ARN", made["ScheduleArn"], f"arn:aws:scheduler:us-east-1:{ME}:schedule/boto-group/once")
    sdk = {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": role,
           "Input": json.dumps({"QueueUrl": url, "MessageBody": "at once"})}
    scheduler.create_schedule(Name="rate", GroupName="boto-group", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=off, Target=sdk)
    told = []

    def come():
        told.extend(m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []))
        return sorted(told)

    eventually("both have come", come, ["at once", f"once at {due:%Y-%m-%dT%H:%M:%SZ}"])
    names = [s["Name"] for p in scheduler.get_paginator("list_schedules").paginate(GroupName="boto-group") for s in p["Schedules"]]
    same("what is done is deleted", names, ["rate"])
    found = scheduler.get_schedule(Name="rate", GroupName="boto-group")
    same("its start", found["CreationDate"] <= datetime.datetime.now(datetime.timezone.utc), True)
    same("its defaults", (found["State"], found["ScheduleExpressionTimezone"], found["Target"]["RetryPolicy"]["MaximumRetryAttempts"]),
         ("ENABLED", "UTC", 185))
    target = {"Arn": queue, "RoleArn": role}
    with refused("an expression that is none", "ValidationException", 400, "Invalid Schedule Expression rate(10 seconds)."):
        scheduler.create_schedule(Name="bad", ScheduleExpression="rate(10 seconds)", FlexibleTimeWindow=off, Target=target)
    with refused("a schedule that nobody has", "ResourceNotFoundException", 404, "Schedule nobody does not exist."):
        scheduler.get_schedule(Name="nobody")
    scheduler.delete_schedule_group(Name="boto-group")

    def groups():
        return [g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]]

    eventually("the group is gone", groups, ["default"])


def pipes_run():
    """EventBridge Pipes: from a queue to another, by a template."""
    pipes = client("pipes")
    role = passed_on("boto-pipe", "pipes.amazonaws.com", "sqs:*")
    urls = [sqs.create_queue(QueueName=f"boto-pipe-{name}")["QueueUrl"] for name in ["from", "to"]]
    queues = [f"arn:aws:sqs:us-east-1:{ME}:boto-pipe-{name}" for name in ["from", "to"]]
    wanted = {"FilterCriteria": {"Filters": [{"Pattern": json.dumps({"body": {"n": [{"numeric": [">", 1]}]}})}]}}
    made = pipes.create_pipe(Name="boto-pipe", RoleArn=role, Source=queues[0], Target=queues[1], SourceParameters=wanted,
                             TargetParameters={"InputTemplate": '{"twice": "<$.body.n><$.body.n>"}'}, Tags={"of": "boto"})
    same("it is on its way", (made["DesiredState"], made["CurrentState"]), ("RUNNING", "CREATING"))

    def state():
        return pipes.describe_pipe(Name="boto-pipe")["CurrentState"]

    eventually("a pipe runs", state, "RUNNING")
    for n in range(3):
        sqs.send_message(QueueUrl=urls[0], MessageBody=json.dumps({"n": n}))
    told = sqs.receive_message(QueueUrl=urls[1], WaitTimeSeconds=10).get("Messages", [])
    same("what the filter wants has come", [json.loads(m["Body"]) for m in told], [{"twice": "22"}])
    same("it has tags", pipes.list_tags_for_resource(resourceArn=made["Arn"])["tags"], {"of": "boto"})
    pipes.stop_pipe(Name="boto-pipe")
    eventually("it stops", state, "STOPPED")
    found = [p["Name"] for page in pipes.get_paginator("list_pipes").paginate(CurrentState="STOPPED") for p in page["Pipes"]]
    same("pipes that stand", found, ["boto-pipe"])
    with refused("a pipe that is there", "ConflictException", 409, "Pipe boto-pipe already exists."):
        pipes.create_pipe(Name="boto-pipe", RoleArn=role, Source=queues[0], Target=queues[1])
    with refused("a source that is not built", "NotImplemented", 501):
        pipes.create_pipe(Name="other", RoleArn=role, Source="arn:aws:mq:us-east-1:000000000000:broker:b", Target=queues[1])
    pipes.delete_pipe(Name="boto-pipe")
    eventually("it is gone", lambda: [p["Name"] for p in pipes.list_pipes()["Pipes"]], [])


def registry():
    """EventBridge's schema registry: what events look like, written, discovered on a bus, and as code."""
    schemas = client("schemas")
    text = {"type": "string"}
    document = {"openapi": "3.0.0", "info": {"title": "Order", "version": "1.0.0"}, "paths": {}, "components": {"schemas": {
        "Order": {"type": "object", "required": ["id"], "properties": {"id": text, "lines": {"type": "array", "items": text}}}}}}
    made = schemas.create_registry(RegistryName="boto", Description="of boto", Tags={"of": "boto"})
    arn = f"arn:aws:schemas:us-east-1:{ME}:registry/boto"
    same("a registry", (made["RegistryArn"], made["Tags"]), (arn, {"of": "boto"}))
    named = {"RegistryName": "boto", "SchemaName": "shop@Order"}
    schemas.create_schema(**named, Type="OpenApi3", Content=json.dumps(document))
    document["components"]["schemas"]["Order"]["properties"]["paid"] = {"type": "boolean"}
    same("a second version", schemas.update_schema(**named, Content=json.dumps(document))["SchemaVersion"], "2")
    same("the same again", schemas.update_schema(**named, Content=json.dumps(document))["SchemaVersion"], "2")
    found = schemas.describe_schema(**named)
    same("the newest", (found["SchemaVersion"], json.loads(found["Content"])), ("2", document))
    pages = schemas.get_paginator("list_schema_versions").paginate(**named, PaginationConfig={"PageSize": 1})
    same("versions, page by page", [v["SchemaVersion"] for page in pages for v in page["SchemaVersions"]], ["2", "1"])
    hits = schemas.search_schemas(RegistryName="boto", Keywords="paid")["Schemas"]
    same("a search", [(h["SchemaName"], [v["SchemaVersion"] for v in h["SchemaVersions"]]) for h in hits], [("shop@Order", ["2"])])
    with refused("what somebody wrote is not exported", "ForbiddenException", 403, "You cannot export non discovered"):
        schemas.export_schema(**named, Type="JSONSchemaDraft4")
    with refused("a registry that is there", "ConflictException", 409, "Registry with name boto already exists."):
        schemas.create_registry(RegistryName="boto")
    with refused("a schema that nobody has", "NotFoundException", 404, "Schema with name nobody does not exist."):
        schemas.describe_schema(RegistryName="boto", SchemaName="nobody")
    with refused("a document of another kind", "BadRequestException", 400):
        schemas.create_schema(RegistryName="boto", SchemaName="bad", Type="OpenApi3", Content="{}")
    binding = {**named, "Language": "Python36"}
    same("code is made", schemas.put_code_binding(**binding)["Status"], "CREATE_IN_PROGRESS")
    schemas.get_waiter("code_binding_exists").wait(**binding, WaiterConfig={"Delay": 1})
    with tempfile.TemporaryDirectory() as folder:
        source = schemas.get_code_binding_source(**binding)["Body"].read()
        zipfile.ZipFile(io.BytesIO(source)).extractall(folder)
        sys.path.insert(0, folder)
        from schema.shop.order import Marshaller, Order
        event = {"id": "1", "lines": ["a"], "paid": True}
        order = Marshaller.unmarshall(event, Order)
        same("code reads and writes", (order.paid, Marshaller.marshall(order)), (True, event))
        sys.path.remove(folder)
    allowed = policy({"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "schemas:DescribeSchema",
                      "Resource": [arn, f"arn:aws:schemas:us-east-1:{ME}:schema/boto*"]})
    other = client("schemas", {"AccessKeyId": "222222222222", "SecretAccessKey": "test"})
    theirs = {"RegistryName": arn, "SchemaName": "shop@Order"}
    with refused("another account", "AccessDeniedException", 403):
        other.describe_schema(**theirs)
    revision = schemas.put_resource_policy(RegistryName="boto", Policy=allowed)["RevisionId"]
    same("with a policy it may", other.describe_schema(**theirs)["SchemaVersion"], "2")
    with refused("a policy of another revision", "PreconditionFailedException", 412):
        schemas.put_resource_policy(RegistryName="boto", Policy=allowed, RevisionId="other")
    same("its revision", schemas.get_resource_policy(RegistryName="boto")["RevisionId"], revision)
    bus = events.create_event_bus(Name="boto-schemas")["EventBusArn"]
    discoverer = schemas.create_discoverer(SourceArn=bus)
    same("a discoverer", (discoverer["DiscovererId"], discoverer["State"]), ("events-event-bus-boto-schemas", "STARTED"))
    events.put_events(Entries=[{"EventBusName": "boto-schemas", "Source": "boto", "DetailType": "thing done",
                                "Detail": json.dumps({"at": "2026-01-01T00:00:00Z", "by": {"name": "n"}})}])

    def discovered():
        return [s["SchemaName"] for s in schemas.list_schemas(RegistryName="discovered-schemas", SchemaNamePrefix="boto@")["Schemas"]]

    eventually("an event is discovered", discovered, ["boto@ThingDone"])
    exported = schemas.export_schema(RegistryName="discovered-schemas", SchemaName="boto@ThingDone", Type="JSONSchemaDraft4")
    same("and exported", json.loads(exported["Content"])["definitions"]["ThingDone"]["properties"],
         {"at": {"format": "date-time", "type": "string"}, "by": {"$ref": "#/definitions/By"}})
    schemas.delete_discoverer(DiscovererId=discoverer["DiscovererId"])
    events.delete_event_bus(Name="boto-schemas")
    schemas.delete_schema(**named)
    schemas.delete_registry(RegistryName="boto")


def secrets_kept():
    """Secrets Manager: versions with labels, replicas, batches, passwords."""
    secrets = client("secretsmanager")
    arn = secrets.create_secret(Name="boto/secret", SecretString="one", Tags=[{"Key": "of", "Value": "boto"}])["ARN"]
    first = secrets.get_secret_value(SecretId="boto/secret")
    same("a secret's value", (first["ARN"], first["SecretString"], first["VersionStages"]), (arn, "one", ["AWSCURRENT"]))
    second = secrets.put_secret_value(SecretId=arn, SecretBinary=b"\x00\x01")["VersionId"]
    same("bytes", secrets.get_secret_value(SecretId=arn[:-7])["SecretBinary"], b"\x00\x01")
    same("the one before", secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")["SecretString"], "one")
    with refused("a label that is elsewhere", "InvalidParameterException", 400, "currently attached to version " + second):
        secrets.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=first["VersionId"])
    secrets.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=first["VersionId"], RemoveFromVersionId=second)
    stages = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
    same("labels", stages, {first["VersionId"]: ["AWSCURRENT"], second: ["AWSPREVIOUS"]})
    secrets.replicate_secret_to_regions(SecretId=arn, AddReplicaRegions=[{"Region": "eu-west-1"}])
    eventually("a replica is there", lambda: secrets.describe_secret(SecretId=arn)["ReplicationStatus"][0]["Status"], "InSync")
    found = [s["Name"] for p in secrets.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-value", "Values": ["boto"]}]) for s in p["SecretList"]]
    same("secrets by their tags", found, ["boto/secret"])
    batch = secrets.batch_get_secret_value(SecretIdList=["boto/secret", "boto/none"])
    same("a batch", ([v["SecretString"] for v in batch["SecretValues"]], [e["ErrorCode"] for e in batch["Errors"]]), (["one"], ["ResourceNotFoundException"]))
    same("a password", len(secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True)["RandomPassword"]), 20)
    with refused("a secret with replicas", "InvalidParameterException", 400, "still has replica regions [eu-west-1]"):
        secrets.delete_secret(SecretId=arn)
    secrets.remove_regions_from_replication(SecretId=arn, RemoveReplicaRegions=["eu-west-1"])
    gone = secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    same("its day", (gone["DeletionDate"] - datetime.datetime.now(datetime.timezone.utc)).days, 6)
    with refused("what waits for its day", "InvalidRequestException", 400, "marked for deletion"):
        secrets.get_secret_value(SecretId=arn)
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    with refused("what is gone", "ResourceNotFoundException", 400, "Secrets Manager can't find the specified secret."):
        secrets.describe_secret(SecretId=arn)


def parameters_kept():
    """Parameter Store: versions, hierarchies, secure strings, policies."""
    ssm = client("ssm")
    made = ssm.put_parameter(Name="/boto/db/host", Value="a", Type="String", Tags=[{"Key": "of", "Value": "boto"}])
    same("the first version", (made["Version"], made["Tier"]), (1, "Standard"))
    ssm.put_parameter(Name="/boto/db/host", Value="b", Overwrite=True)
    ssm.put_parameter(Name="/boto/db/password", Value="hush", Type="SecureString")
    ssm.label_parameter_version(Name="/boto/db/host", ParameterVersion=1, Labels=["old"])
    same("by label", ssm.get_parameter(Name="/boto/db/host:old")["Parameter"]["Value"], "a")
    same("closed", ssm.get_parameter(Name="/boto/db/password")["Parameter"]["Value"] == "hush", False)
    same("open", ssm.get_parameter(Name="/boto/db/password", WithDecryption=True)["Parameter"]["Value"], "hush")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/boto", Recursive=True, PaginationConfig={"PageSize": 1})
    same("below a path", [p["Name"] for page in pages for p in page["Parameters"]], ["/boto/db/host", "/boto/db/password"])
    history = ssm.get_parameter_history(Name="/boto/db/host")["Parameters"]
    same("its history", [(h["Version"], h["Value"], h["Labels"]) for h in history], [(1, "a", ["old"]), (2, "b", [])])
    policies = json.dumps([{"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "20", "Unit": "Days"}}])
    ssm.put_parameter(Name="/boto/policies", Value="v", Type="String", Tier="Intelligent-Tiering", Policies=policies)
    found = ssm.describe_parameters(ParameterFilters=[{"Key": "Tier", "Values": ["Advanced"]}])["Parameters"]
    same("policies", [(p["Name"], p["Policies"][0]["PolicyStatus"]) for p in found], [("/boto/policies", "Pending")])
    with refused("what is there", "ParameterAlreadyExists", 400, "The parameter already exists."):
        ssm.put_parameter(Name="/boto/policies", Value="v", Type="String")
    with refused("a version that is not", "ParameterVersionNotFound", 400, "could not find version 9"):
        ssm.get_parameter(Name="/boto/db/host:9")
    with refused("AWS's parameters", "NotImplemented", 501):
        ssm.get_parameter(Name="/aws/service/global-infrastructure/version")
    gone = ssm.delete_parameters(Names=["/boto/db/host", "/boto/db/password", "/boto/policies", "/boto/none"])
    same("what was deleted", (len(gone["DeletedParameters"]), gone["InvalidParameters"]), (3, ["/boto/none"]))


def certificates():
    """ACM: certificates that are issued, exported, renewed, revoked, searched for."""
    acm = client("acm")
    asked = acm.request_certificate(
        DomainName="boto.com", SubjectAlternativeNames=["*.boto.com"], ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1",
        Options={"Export": "ENABLED"}, Tags=[{"Key": "of", "Value": "boto"}], IdempotencyToken="boto",
    )
    arn = asked["CertificateArn"]
    same("the same request", acm.request_certificate(
        DomainName="boto.com", SubjectAlternativeNames=["*.boto.com"], ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1",
        Options={"Export": "ENABLED"}, IdempotencyToken="boto",
    )["CertificateArn"], arn)
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    eventually("it is issued", lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"], "ISSUED")
    shown = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    same("how long it lasts", (shown["NotAfter"] - shown["NotBefore"]).days, 197)
    same("its record", shown["DomainValidationOptions"][0]["ResourceRecord"]["Type"], "CNAME")
    same("by its algorithm", [c["DomainName"] for p in acm.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["EC_prime256v1"]})
                              for c in p["CertificateSummaryList"]], ["boto.com"])
    exported = acm.export_certificate(CertificateArn=arn, Passphrase=b"secret")
    same("its key", exported["PrivateKey"].startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----"), True)
    acm.renew_certificate(CertificateArn=arn)
    eventually("it is renewed", lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Serial"] != shown["Serial"], True)
    acm.revoke_certificate(CertificateArn=arn, RevocationReason="SUPERSEDED")
    same("it is revoked", acm.describe_certificate(CertificateArn=arn)["Certificate"]["RevocationReason"], "SUPERSEDED")
    waiting = acm.request_certificate(DomainName="letters.boto.com", ValidationMethod="EMAIL")["CertificateArn"]
    with refused("what waits", "RequestInProgressException", 400):
        acm.get_certificate(CertificateArn=waiting)
    for gone in [arn, waiting]:
        acm.delete_certificate(CertificateArn=gone)
    with refused("what is gone", "ResourceNotFoundException", 400, "Could not find certificate"):
        acm.describe_certificate(CertificateArn=arn)


find_local_names()
for part in [
    buckets, former_names, measures, scaling, access_points, batch_job, selects, queues, topics, buses, tables,
    copies_of_tables, spread_tables, roles, people, functions_run, keys, streams, stacks_stand,
    bucket_of_a_stack, schedules, pipes_run, registry, secrets_kept, parameters_kept,
    certificates,
]:
    # All parts, or those that are named.
    if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
        part()
print(f"boto3: {checks.checked} things hold")
