"""What a person can do with the server: one function for each thing, its only meaning, whatever face asks for it."""

from app.services import (
    accounts,
    blobs,
    budgets,
    demo,
    exports,
    follows,
    imports,
    jobs,
    likes,
    persisted,
    posts,
    sessions,
    streams,
    updates,
    users,
    working,
)

__all__ = [
    "accounts",
    "blobs",
    "budgets",
    "demo",
    "exports",
    "follows",
    "imports",
    "jobs",
    "likes",
    "persisted",
    "posts",
    "sessions",
    "streams",
    "updates",
    "users",
    "working",
]
