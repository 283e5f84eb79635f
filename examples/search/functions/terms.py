"""Words and ranking: what indexing and searching must agree on."""

import math
import re

# Okapi BM25's usual parameters: how soon repetition stops to count, how much length matters.
K1 = 1.2
B = 0.75

STOP = frozenset("a an and are as at be by for from has if in is it its of on or that the this to was with".split())
WORD = re.compile(r"[a-z0-9_]+")


def terms(text):
    """The terms of a text, in order: words in small letters, without those that every text has."""
    return [word for word in WORD.findall(text.lower()) if word not in STOP and len(word) < 64]


def weight(frequency, length, average, documents, containing):
    """What one term adds to the score of one document."""
    rarity = math.log(1 + (documents - containing + 0.5) / (containing + 0.5))
    return rarity * frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * length / average))
