"""PynamoDB, another mapper of items than AWS's own, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue
thing."""

import datetime
import os

from pynamodb.attributes import (
    BinaryAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DeleteError, DoesNotExist, PutError, TransactWriteError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

import checks
from checks import same

HOST = os.environ["AWS_ENDPOINT_URL"]
NOON = datetime.datetime(2026, 6, 1, 12, 0, 0, 250000, tzinfo=datetime.timezone.utc)


class ByRank(GlobalSecondaryIndex):
    class Meta:
        index_name = "by-rank"
        projection = IncludeProjection(["title"])

    site = UnicodeAttribute(hash_key=True)
    rank = NumberAttribute(range_key=True)


class ByDate(LocalSecondaryIndex):
    class Meta:
        index_name = "by-date"
        projection = AllProjection()

    site = UnicodeAttribute(hash_key=True)
    seen = UTCDateTimeAttribute(range_key=True)


class Link(MapAttribute):
    to = UnicodeAttribute()
    weight = NumberAttribute(default=1)


class Page(Model):
    class Meta:
        table_name = "mapped-pages"
        host = HOST
        region = "us-east-1"
        billing_mode = "PAY_PER_REQUEST"

    site = UnicodeAttribute(hash_key=True)
    path = UnicodeAttribute(range_key=True)
    rank = NumberAttribute(null=True)
    title = UnicodeAttribute(null=True)
    seen = UTCDateTimeAttribute(default=NOON)
    words = UnicodeSetAttribute(null=True)
    sizes = NumberSetAttribute(null=True)
    raw = BinaryAttribute(null=True, legacy_encoding=False)
    links = ListAttribute(of=Link, default=list)
    gone = TTLAttribute(null=True)
    version = VersionAttribute()
    by_rank = ByRank()
    by_date = ByDate()


def refused(what, kind, code, does):
    try:
        does()
    except kind as error:
        same(f"{what}: {code}", error.cause_response_code if code else None, code)
    else:
        same(f"{what}: {code}", "no error", code)


def by_models():
    same("no table yet", Page.exists(), False)
    Page.create_table(wait=True)
    same("a table", Page.exists(), True)
    page = Page("a.example", "/", rank=3, title="Home", words={"a", "b"}, sizes={1, 2.5}, raw=b"\x00\xff")
    page.links = [Link(to="/x"), Link(to="/y", weight=7)]
    page.gone = datetime.timedelta(days=1)
    page.save()
    read = Page.get("a.example", "/", consistent_read=True)
    same("what was written", (read.title, read.words, read.sizes, read.raw), ("Home", {"a", "b"}, {1, 2.5}, b"\x00\xff"))
    same("what is nested", [(link.to, link.weight) for link in read.links], [("/x", 1), ("/y", 7)])
    same("a time", read.seen, NOON)
    same("its version", read.version, 1)
    read.update([Page.rank.add(4), Page.title.set("New"), Page.words.delete({"a"}), Page.links[0].weight.set(9), Page.raw.remove()])
    same("a change of many kinds", (read.rank, read.title, read.words, read.links[0].weight, read.raw), (7, "New", {"b"}, 9, None))
    page.title = "from before"
    refused("an older version", PutError, "ConditionalCheckFailedException", page.save)
    refused("a condition", DeleteError, "ConditionalCheckFailedException", lambda: read.delete(Page.rank > 100))
    with Page.batch_write() as batch:
        for n in range(60):
            batch.save(Page("b.example", f"/{n:02}", rank=n, title=f"t{n}", seen=NOON + datetime.timedelta(hours=n)))
    same("a batch", Page.count("b.example"), 60)
    keys = [("b.example", f"/{n:02}") for n in range(60)]
    same("read in a batch", len(list(Page.batch_get(keys))), 60)
    found = Page.query("b.example", Page.path.startswith("/1"), Page.rank > 14, limit=3)
    same("a query with a filter", [p.rank for p in found], [15, 16, 17])
    turned = Page.query("b.example", scan_index_forward=False, page_size=7, limit=20)
    same("page by page, backwards", [p.rank for p in turned], list(range(59, 39, -1)))
    by_rank = list(Page.by_rank.query("b.example", Page.rank.between(5, 7)))
    same("by the global index", [(p.rank, p.title, p.words) for p in by_rank], [(n, f"t{n}", None) for n in (5, 6, 7)])
    late = Page.by_date.query("b.example", Page.seen >= NOON + datetime.timedelta(hours=58))
    same("by the local index", [p.path for p in late], ["/58", "/59"])
    parts = [list(Page.scan(segment=n, total_segments=4)) for n in range(4)]
    same("a scan in parts", sum(map(len, parts)), 61)
    same("a scan with a filter", len(list(Page.scan(Page.title.contains("5") & Page.rank.exists()))), 15)
    refused("what is not there", DoesNotExist, None, lambda: Page.get("a.example", "/none"))


def by_transactions():
    connection = Connection(region="us-east-1", host=HOST)
    with TransactWrite(connection=connection, client_request_token="one") as write:
        write.save(Page("t.example", "/1", rank=1))
        write.update(Page.get("b.example", "/00"), [Page.rank.set(1000)])
        write.condition_check(Page, "a.example", "/", condition=Page.rank == 7)
    with TransactGet(connection=connection) as get:
        first, second = get.get(Page, "t.example", "/1"), get.get(Page, "b.example", "/00")
    same("a transaction", (first.get().rank, second.get().rank), (1, 1000))
    try:
        with TransactWrite(connection=connection) as write:
            write.save(Page("t.example", "/2", rank=2))
            write.delete(Page.get("t.example", "/1"), condition=Page.rank == 99)
        reasons = "no error"
    except TransactWriteError as error:
        reasons = [reason and reason.code for reason in error.cancellation_reasons]
    # It sends what it deletes before what it puts.
    same("why one was cancelled", reasons, ["ConditionalCheckFailed", None])
    same("nothing of it was done", Page.count("t.example"), 1)
    Page.delete_table()
    refused("a table that is gone", PutError, "ResourceNotFoundException", lambda: Page("x", "y").save())


by_models()
by_transactions()
print(f"PynamoDB: {checks.checked} things hold")
