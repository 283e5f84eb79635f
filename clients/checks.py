"""What holds, and what does not, for the clients in Python. The first untrue thing ends the program."""

import sys

checked = 0


def same(what, found, wanted):
    global checked
    if found != wanted:
        print(f"UNTRUE: {what}\n  wanted: {wanted!r}\n  is:     {found!r}")
        sys.exit(1)
    checked += 1
    print(f"  holds: {what}", flush=True)
