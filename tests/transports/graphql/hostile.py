"""Requests made to keep a server busy, each with the code of its refusal. A number makes each text a new one."""

import json
from itertools import pairwise


def bomb(levels: int, number: int = 0) -> str:
    """Return a query whose fragments spread the next one twice: 2 to the `levels` fields once expanded."""
    names = [f"f{number}_{level}" for level in range(levels + 1)]
    steps = [f"fragment {name} on User {{ ...{below} ...{below} }}" for name, below in pairwise(names)]
    return " ".join([f'{{ user(id: "1") {{ ...{names[0]} }} }}', *steps, f"fragment {names[-1]} on User {{ id }}"])


def pages(number: int = 0, *, size: int = 100) -> str:
    """Return a query of three lists inside each other."""
    page = f"first: {size}"
    return f"query P{number} {{ latestPosts({page}) {{ nodes {{ replies({page}) {{ replies({page}) {{ id }} }} }} }} }}"


def aliases(count: int, number: int = 0) -> str:
    """Return a query of one field under many names."""
    return f"query A{number} {{ {' '.join(f'a{index}: __typename' for index in range(count))} }}"


def brackets(length: int, number: int = 0) -> str:
    """Return a query of so many bytes that opens lists within lists."""
    head = f"query B{number} {{ nodes(ids: "
    return head + "[" * (length - len(head))


def body(query: str, **more: object) -> bytes:
    """Return a request's body."""
    return json.dumps({"query": query, **more}).encode()


def nested_json(length: int) -> bytes:
    """Return a body of so many bytes whose variables are lists within lists."""
    head, tail = b'{"query": "{ __typename }", "variables": {"x": ', b"}}"
    room = (length - len(head) - len(tail)) // 2
    return head + b"[" * room + b"]" * room + tail


HOSTILE = {  # by name: the body for a number, status and code
    "24 doubling levels": (lambda n: body(bomb(24, n)), 400, "MAX_RECURSIVE_SELECTIONS_EXCEEDED"),
    "150 doubling levels": (lambda n: body(bomb(150, n)), 400, "MAX_RECURSIVE_SELECTIONS_EXCEEDED"),
    "100 x 100 x 100 pages": (lambda n: body(pages(n)), 400, "NODE_LIMIT"),
    "10,000 aliases": (lambda n: body(aliases(10_000, n)), 400, "TOKEN_LIMIT"),
    "500 aliases": (lambda n: body(aliases(500, n)), 400, "ALIAS_LIMIT"),
    "1 MB of brackets": (lambda n: body(brackets(1_000_000, n)), 413, "BODY_TOO_LARGE"),
    "200 kB of brackets": (lambda n: body(brackets(200_000, n)), 400, "DEPTH_LIMIT"),
    "1 MB of brackets in variables": (lambda _: nested_json(1_000_000), 413, "BODY_TOO_LARGE"),
    "200 kB of brackets in variables": (lambda _: nested_json(200_000), 400, "BAD_REQUEST"),
}
