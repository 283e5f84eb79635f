"""MinIO's client and s3fs as programs meet them, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue
thing."""

import contextlib
import datetime
import hashlib
import io
import os
import sys
import tempfile
import urllib.error
import urllib.request

import minio
import s3fs
from minio import commonconfig, deleteobjects, lifecycleconfig, objectlockconfig, retention, select, sseconfig, versioningconfig
from minio.error import S3Error

import checks
from checks import same

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ADDRESS = ENDPOINT.removeprefix("http://")


@contextlib.contextmanager
def refused(what, code):
    try:
        yield
    except S3Error as error:
        same(f"{what}: {code}", error.code, code)
    else:
        same(f"{what}: {code}", "no error", code)


@contextlib.contextmanager
def fails(what, kind):
    try:
        yield
    except kind as error:
        same(f"{what}: {kind.__name__}", type(error), kind)
    else:
        same(f"{what}: {kind.__name__}", "no error", kind)


def fetch(method, url, body=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=body)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, None


def by_minio():
    """It reads and writes XML by itself, and signs its streams chunk by chunk."""
    client = minio.Minio(endpoint=ADDRESS, access_key="test", secret_key="test", secure=False, region="us-east-1")
    bucket = "minio-bucket"
    client.make_bucket(bucket_name=bucket)
    same("a bucket", (client.bucket_exists(bucket_name=bucket), client.bucket_exists(bucket_name="minio-none")), (True, False))
    same("among the buckets", bucket in [b.name for b in client.list_buckets()], True)
    body = os.urandom(5 * 1024 * 1024 + 17)
    made = client.put_object(bucket_name=bucket, object_name="parts ü+", data=io.BytesIO(body), length=-1,
                             part_size=5 * 1024 * 1024, metadata={"colour": "blue"})
    same("a stream of unknown length, in two parts", made.etag.strip('"')[-2:], "-2")
    found = client.get_object(bucket_name=bucket, object_name="parts ü+")
    same("comes back", found.read() == body, True)
    found.close()
    found = client.get_object(bucket_name=bucket, object_name="parts ü+", offset=100, length=50)
    same("so does a piece of it", found.read(), body[100:150])
    found.close()
    stat = client.stat_object(bucket_name=bucket, object_name="parts ü+")
    same("its head", (stat.size, stat.metadata["x-amz-meta-colour"]), (len(body), "blue"))
    for name in ["a/1", "a/2", "a/b/3", "c d", "é&<"]:
        client.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(name.encode()), length=len(name.encode()))
    listed = [o.object_name for o in client.list_objects(bucket_name=bucket, prefix="a/")]
    same("a folder", listed, ["a/1", "a/2", "a/b/"])
    listed = [o.object_name for o in client.list_objects(bucket_name=bucket, recursive=True)]
    same("all", listed, ["a/1", "a/2", "a/b/3", "c d", "parts ü+", "é&<"])
    listed = [o.object_name for o in client.list_objects(bucket_name=bucket, recursive=True, use_api_v1=True)]
    same("all, by the first list", listed, ["a/1", "a/2", "a/b/3", "c d", "parts ü+", "é&<"])
    sources = [commonconfig.CopySource(bucket_name=bucket, object_name="c d")]
    client.copy_object(bucket_name=bucket, object_name="copy é", source=sources[0])
    same("a copy", client.get_object(bucket_name=bucket, object_name="copy é").data, b"c d")
    pieces = [commonconfig.ComposeSource(bucket_name=bucket, object_name=name) for name in ["parts ü+", "c d"]]
    client.compose_object(bucket_name=bucket, object_name="composed", sources=pieces)
    same("one out of two", client.get_object(bucket_name=bucket, object_name="composed").data == body + b"c d", True)
    configured(client, bucket)
    selected(client, bucket)
    signed(client, bucket)
    locked(client)
    with refused("a missing key", "NoSuchKey"):
        client.get_object(bucket_name=bucket, object_name="none")
    with refused("a missing bucket", "NoSuchBucket"):
        list(client.list_objects(bucket_name="minio-none"))
    with refused("a bucket that one has", "BucketAlreadyOwnedByYou"):
        minio.Minio(endpoint=ADDRESS, access_key="test", secret_key="test", secure=False,
                    region="eu-west-1").make_bucket(bucket_name=bucket, location="eu-west-1")
    with refused("a bucket with something in it", "BucketNotEmpty"):
        client.remove_bucket(bucket_name=bucket)
    versions(client, bucket)


def configured(client, bucket):
    """What is said of a bucket comes back as it was."""
    rule = lifecycleconfig.Rule(status=commonconfig.ENABLED, rule_filter=commonconfig.Filter(prefix="old/"), rule_id="old",
                                expiration=lifecycleconfig.Expiration(days=9))
    client.set_bucket_lifecycle(bucket_name=bucket, config=lifecycleconfig.LifecycleConfig(rules=[rule]))
    found = client.get_bucket_lifecycle(bucket_name=bucket).rules[0]
    same("a lifecycle", (found.rule_id, found.expiration.days, found.rule_filter.prefix), ("old", 9, "old/"))
    client.delete_bucket_lifecycle(bucket_name=bucket)
    same("none any more", client.get_bucket_lifecycle(bucket_name=bucket), None)
    tags = commonconfig.Tags.new_bucket_tags()
    tags["team"] = "ü + co"
    client.set_bucket_tags(bucket_name=bucket, tags=tags)
    same("tags", dict(client.get_bucket_tags(bucket_name=bucket)), {"team": "ü + co"})
    client.delete_bucket_tags(bucket_name=bucket)
    same("no tags", client.get_bucket_tags(bucket_name=bucket), None)
    policy = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},'
              f'"Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}')
    client.set_bucket_policy(bucket_name=bucket, policy=policy)
    same("a policy", client.get_bucket_policy(bucket_name=bucket), policy)
    client.delete_bucket_policy(bucket_name=bucket)
    with refused("no policy", "NoSuchBucketPolicy"):
        client.get_bucket_policy(bucket_name=bucket)
    same("no events", client.get_bucket_notification(bucket_name=bucket).queue_config_list, [])
    same("no versions", client.get_bucket_versioning(bucket_name=bucket).status_string, "Off")
    client.set_bucket_encryption(bucket_name=bucket, config=sseconfig.SSEConfig(sseconfig.Rule.new_sse_kms_rule()))
    same("by KMS", client.get_bucket_encryption(bucket_name=bucket).rule.sse_algorithm, "aws:kms")
    client.delete_bucket_encryption(bucket_name=bucket)
    same("its encryption", client.get_bucket_encryption(bucket_name=bucket).rule.sse_algorithm, "AES256")


def selected(client, bucket):
    """It takes the stream of events apart by itself."""
    table = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(20_000))
    client.put_object(bucket_name=bucket, object_name="people.csv", data=io.BytesIO(table), length=len(table))
    asked = select.SelectRequest("SELECT s.name FROM S3Object s WHERE CAST(s.id AS INT) >= 5000",
                                 select.CSVInputSerialization(file_header_info=select.FILE_HEADER_INFO_USE),
                                 select.CSVOutputSerialization(), request_progress=True)
    with client.select_object_content(bucket_name=bucket, object_name="people.csv", request=asked) as answer:
        rows = b"".join(answer.stream())
        same("15,000 records", rows, b"".join(b"name %d\n" % n for n in range(5000, 20_000)))
        same("what was read for them", int(answer.stats().bytes_scanned), len(table))


def locked(client):
    bucket = "minio-locked"
    client.make_bucket(bucket_name=bucket, object_lock=True)
    client.set_object_lock_config(bucket_name=bucket,
                                  config=objectlockconfig.ObjectLockConfig(commonconfig.GOVERNANCE, 1, objectlockconfig.DAYS))
    found = client.get_object_lock_config(bucket_name=bucket)
    same("a bucket that locks", (found.mode, found.duration, found.duration_unit), ("GOVERNANCE", 1, "Days"))
    client.put_object(bucket_name=bucket, object_name="k", data=io.BytesIO(b"x"), length=1)
    kept = client.get_object_retention(bucket_name=bucket, object_name="k")
    same("what comes is kept for a day", (kept.mode, kept.retain_until_date > datetime.datetime.now(datetime.timezone.utc)),
         ("GOVERNANCE", True))
    until = datetime.datetime(2099, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    client.set_object_retention(bucket_name=bucket, object_name="k", config=retention.Retention(commonconfig.GOVERNANCE, until))
    kept = client.get_object_retention(bucket_name=bucket, object_name="k")
    same("or for long", (kept.mode, kept.retain_until_date), ("GOVERNANCE", until))
    client.enable_object_legal_hold(bucket_name=bucket, object_name="k")
    same("held", client.is_object_legal_hold_enabled(bucket_name=bucket, object_name="k"), True)
    client.disable_object_legal_hold(bucket_name=bucket, object_name="k")
    same("and let go", client.is_object_legal_hold_enabled(bucket_name=bucket, object_name="k"), False)
    version = next(iter(client.list_objects(bucket_name=bucket, include_version=True))).version_id
    with refused("what is kept is not removed", "AccessDenied"):
        client.remove_object(bucket_name=bucket, object_name="k", version_id=version)


def signed(client, bucket):
    minute = datetime.timedelta(minutes=1)
    url = client.presigned_put_object(bucket_name=bucket, object_name="signed é", expires=minute)
    same("a presigned PUT", fetch("PUT", url, b"by URL")[0], 200)
    url = client.presigned_get_object(bucket_name=bucket, object_name="signed é", expires=minute)
    same("a presigned GET", fetch("GET", url), (200, b"by URL"))
    until = datetime.datetime.now(datetime.timezone.utc) + minute
    policy = minio.datatypes.PostPolicy(bucket, until)
    policy.add_starts_with_condition("key", "form/")
    policy.add_content_length_range_condition(1, 10)
    fields = {**client.presigned_post_policy(policy=policy), "key": "form/k"}
    for text, status in [("posted", 204), ("far too much of it", 400)]:
        parts = "".join(f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in {**fields, "file": text}.items())
        request = urllib.request.Request(f"{ENDPOINT}/{bucket}", (parts + "--edge--\r\n").encode(),
                                         {"content-type": "multipart/form-data; boundary=edge"})
        try:
            found = urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            found = error.code
        same(f"a form with {text!r}", found, status)


def versions(client, bucket):
    enabled = versioningconfig.VersioningConfig(status=commonconfig.ENABLED)
    client.set_bucket_versioning(bucket_name=bucket, config=enabled)
    same("versions are kept", client.get_bucket_versioning(bucket_name=bucket).status, "Enabled")
    for text in [b"1", b"2"]:
        client.put_object(bucket_name=bucket, object_name="v", data=io.BytesIO(text), length=1)
    client.remove_object(bucket_name=bucket, object_name="v")
    listed = list(client.list_objects(bucket_name=bucket, prefix="v", include_version=True))
    same("two and a marker", sorted((o.is_delete_marker, o.is_latest == "true") for o in listed),
         [(False, False), (False, False), (True, True)])
    every = [deleteobjects.DeleteObject(name=o.object_name, version_id=o.version_id)
             for o in client.list_objects(bucket_name=bucket, recursive=True, include_version=True)]
    same("all are removed", list(client.remove_objects(bucket_name=bucket, delete_object_list=every)), [])
    client.remove_bucket(bucket_name=bucket)


def by_s3fs():
    """Files in a bucket: it looks at heads and lists, and remembers them."""
    # The region comes from the environment: what is told here it would name as the place of new buckets, as which S3 does not take
    # this one.
    fs = s3fs.S3FileSystem(key="test", secret="test", endpoint_url=ENDPOINT)
    fs.mkdir("s3fs-bucket")
    body = os.urandom(6 * 1024 * 1024)
    with fs.open("s3fs-bucket/deep/large", "wb", block_size=5 * 1024 * 1024) as file:
        file.write(body)
    same("a file that is written as an upload", (fs.size("s3fs-bucket/deep/large"), fs.info("s3fs-bucket/deep/large")["ETag"][-3:]),
         (len(body), '-1"'))
    with fs.open("s3fs-bucket/deep/large", "rb") as file:
        file.seek(5_000_000)
        same("read from the middle", file.read(1000) == body[5_000_000:5_001_000], True)
        same("to the end", hashlib.sha256(file.read()).digest(), hashlib.sha256(body[5_001_000:]).digest())
    fs.pipe({"s3fs-bucket/a": b"1", "s3fs-bucket/deep/b c+ü": b"22", "s3fs-bucket/deep/er/c": b"333"})
    same("walked", [(root, sorted(folders), sorted(files)) for root, folders, files in fs.walk("s3fs-bucket")],
         [("s3fs-bucket", ["deep"], ["a"]), ("s3fs-bucket/deep", ["er"], ["b c+ü", "large"]), ("s3fs-bucket/deep/er", [], ["c"])])
    same("found", fs.glob("s3fs-bucket/**/*c*"), ["s3fs-bucket/deep/b c+ü", "s3fs-bucket/deep/er/c"])
    same("many at once", fs.cat(["s3fs-bucket/a", "s3fs-bucket/deep/b c+ü"]), {"s3fs-bucket/a": b"1", "s3fs-bucket/deep/b c+ü": b"22"})
    same("kinds", (fs.isdir("s3fs-bucket/deep"), fs.isfile("s3fs-bucket/a"), fs.exists("s3fs-bucket/none")), (True, True, False))
    fs.copy("s3fs-bucket/deep", "s3fs-bucket/copy", recursive=True)
    fs.mv("s3fs-bucket/a", "s3fs-bucket/moved")
    same("copied and moved", (fs.cat("s3fs-bucket/copy/er/c"), fs.cat("s3fs-bucket/moved"), fs.exists("s3fs-bucket/a")),
         (b"333", b"1", False))
    fs.setxattr("s3fs-bucket/moved", colour="blue")
    same("an attribute", fs.getxattr("s3fs-bucket/moved", "colour"), "blue")
    fs.put_tags("s3fs-bucket/moved", {"x": "y"})
    same("tags", fs.get_tags("s3fs-bucket/moved"), {"x": "y"})
    with tempfile.TemporaryDirectory() as folder:
        fs.get("s3fs-bucket/deep/er", folder + "/back", recursive=True)
        with open(folder + "/back/c", "rb") as file:
            same("a folder down", file.read(), b"333")
    same("a presigned URL", fetch("GET", fs.sign("s3fs-bucket/moved", expiration=60)), (200, b"1"))
    with fails("exclusive creation of what is there", FileExistsError):
        with fs.open("s3fs-bucket/moved", "xb") as file:
            file.write(b"2")
    with fails("a file that is not there", FileNotFoundError):
        fs.cat("s3fs-bucket/none")
    with fails("a bucket that is not there", FileNotFoundError):
        fs.ls("s3fs-none")
    with fails("a bucket that one has", FileExistsError):
        fs.mkdir("s3fs-bucket")
    fs.rm("s3fs-bucket", recursive=True)
    same("nothing is left", fs.exists("s3fs-bucket"), False)


for part in [by_minio, by_s3fs]:
    # All parts, or those that are named.
    if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
        part()
print(f"MinIO's client and s3fs: {checks.checked} things hold")
