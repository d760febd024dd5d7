"""What a person can do with the server: one function for each thing, its only meaning, whatever face asks for it."""

from app.services import blobs, budgets, demo, exports, follows, jobs, likes, persisted, posts, sessions, updates, users, working

__all__ = [
    "blobs",
    "budgets",
    "demo",
    "exports",
    "follows",
    "jobs",
    "likes",
    "persisted",
    "posts",
    "sessions",
    "updates",
    "users",
    "working",
]
