"""Searches, and compares the answers with a direct computation: `check.py PAGE-URL DOCUMENTS-FOLDER QUERY...`."""

import collections
import json
import os
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "functions"))
from terms import terms, weight


def direct(folder):
    """The index of the documents in a folder, made here."""
    lengths, frequencies = {}, {}
    for file in os.listdir(folder):
        with open(os.path.join(folder, file), encoding="utf-8") as handle:
            document = json.load(handle)
        words = terms(document["name"] + " " + document["text"])
        lengths[document["name"]] = len(words)
        for term, count in collections.Counter(words).items():
            frequencies.setdefault(term, {})[document["name"]] = count
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


def main(page, folder, queries):
    lengths, frequencies = direct(folder)
    answer = None
    for query in queries:
        wanted = rank(query, lengths, frequencies)
        answer = ask(page, query)
        found = [(r["name"], r["score"]) for r in answer["results"]]
        same = [n for n, _ in found] == [n for n, _ in wanted] and all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(found, wanted))
        if not same or not found:
            sys.exit(f"`{query}`: found {found[:3]}, computed directly {wanted[:3]}")
    print(json.dumps({"documents": len(lengths), "queries": len(queries), "last": answer}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
