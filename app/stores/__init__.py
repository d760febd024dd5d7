"""Every SQL statement and Redis command of the product, one file a noun.

Reads are plural and keep the batch contract: the answer has the length and the order of the keys, missing is None.
"""

from app.stores import (
    accounts,
    archived_media,
    attempts,
    blobs,
    buckets,
    demo,
    exports,
    feeds,
    follows,
    idempotency,
    imports,
    jobs,
    likes,
    media,
    nodes,
    persisted,
    posts,
    rendering,
    sessions,
    users,
)

__all__ = [
    "accounts",
    "archived_media",
    "attempts",
    "blobs",
    "buckets",
    "demo",
    "exports",
    "feeds",
    "follows",
    "idempotency",
    "imports",
    "jobs",
    "likes",
    "media",
    "nodes",
    "persisted",
    "posts",
    "rendering",
    "sessions",
    "users",
]
