"""What a person can do with the server: one function for each thing, its only meaning, whatever face asks for it."""

from app.services import budgets, demo, follows, jobs, likes, persisted, posts, sessions, updates, users, working

__all__ = ["budgets", "demo", "follows", "jobs", "likes", "persisted", "posts", "sessions", "updates", "users", "working"]
