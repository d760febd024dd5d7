"""What a person can do with the server: one function for each thing, its only meaning, whatever face asks for it."""

from app.services import budgets, demo, follows, likes, persisted, posts, sessions, streams, updates, users

__all__ = ["budgets", "demo", "follows", "likes", "persisted", "posts", "sessions", "streams", "updates", "users"]
