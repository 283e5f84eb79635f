"""Searches, and compares the answers with a direct computation; looks at versions and copies of documents.

`check.py PAGE-URL DOCUMENTS-FOLDER DOCUMENTS-BUCKET COPIES-BUCKET QUERY...`
"""

import collections
import json
import os
import sys
import time
import urllib.parse
import urllib.request

import boto3

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "functions"))
from terms import terms, weight


def document(folder, file):
    with open(os.path.join(folder, file), encoding="utf-8") as handle:
        return json.load(handle)


def direct(folder):
    """The index of the documents in a folder, made here."""
    lengths, frequencies = {}, {}
    for file in os.listdir(folder):
        found = document(folder, file)
        words = terms(found["name"] + " " + found["text"])
        lengths[found["name"]] = len(words)
        for term, count in collections.Counter(words).items():
            frequencies.setdefault(term, {})[found["name"]] = count
    return lengths, frequencies


def rank(query, lengths, frequencies):
    average = sum(lengths.values()) / len(lengths)
    scores = collections.defaultdict(float)
    for term in dict.fromkeys(terms(query)):
        found = frequencies.get(term, {})
        for name, count in found.items():
            scores[name] += weight(count, lengths[name], average, len(lengths), len(found))
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:10]


def ask(page, query):
    # The name of a function URL resolves to this machine wherever `*.localhost` does; where it does not, the Host header says it.
    url = urllib.parse.urlsplit(page)
    target = f"http://127.0.0.1:{url.port}/search?" + urllib.parse.urlencode({"q": query})
    request = urllib.request.Request(target, headers={"Host": url.netloc})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def current(s3, bucket):
    """The documents of a bucket as they are now: their versions by key."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    versions = [v for page in pages for v in page.get("Versions", [])]
    return {v["Key"]: (v["VersionId"], v["ETag"]) for v in versions if v["IsLatest"]}


def copied(s3, documents, copies):
    """Waits until each document, in its newest version, has reached the other bucket. How many there are."""
    end = time.monotonic() + 60
    while (there := current(s3, copies)) != (here := current(s3, documents)):
        if time.monotonic() > end:
            missing = sorted(key for key in here if there.get(key) != here[key])
            sys.exit(f"{len(missing)} of {len(here)} documents have no copy, {missing[:3]} among them")
        time.sleep(0.2)
    return len(here)


def overwrite(s3, folder, name, documents, copies):
    """Writes a document once more, in other words for the same thing; the first words stay, in both buckets."""
    key = next(f for f in sorted(os.listdir(folder)) if document(folder, f)["name"] == name)
    with open(os.path.join(folder, key), "rb") as handle:
        first = handle.read()
    again = json.dumps(document(folder, key), indent=1).encode()
    s3.put_object(Bucket=documents, Key=key, Body=again)
    copied(s3, documents, copies)
    for bucket in documents, copies:
        versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        versions = [v["VersionId"] for v in versions if v["Key"] == key]
        oldest = s3.get_object(Bucket=bucket, Key=key, VersionId=versions[-1])["Body"].read()
        newest = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if len(versions) < 2 or (oldest, newest) != (first, again):
            sys.exit(f"`{key}` of {bucket} has {len(versions)} versions, and not the words that it was given")


def main(page, folder, documents, copies, queries):
    lengths, frequencies = direct(folder)
    answer = None
    for query in queries:
        wanted = rank(query, lengths, frequencies)
        answer = ask(page, query)
        found = [(r["name"], r["score"]) for r in answer["results"]]
        same = [n for n, _ in found] == [n for n, _ in wanted] and all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(found, wanted))
        if not same or not found:
            sys.exit(f"`{query}`: found {found[:3]}, computed directly {wanted[:3]}")
    if (nothing := ask(page, "qqxzzy"))["found"]:
        sys.exit(f"a word that nobody writes is found: {nothing}")
    s3 = boto3.client("s3")
    copies_made = copied(s3, documents, copies)
    if copies_made != len(lengths):
        sys.exit(f"{copies_made} documents are in the bucket, and {len(lengths)} were put there")
    overwrite(s3, folder, answer["results"][0]["name"], documents, copies)
    print(json.dumps({"documents": len(lengths), "copies": copies_made, "queries": len(queries), "last": answer}))


if __name__ == "__main__":
    main(*sys.argv[1:5], sys.argv[5:])
