"""The demo person whose sign-in everybody knows, so that examples run as they are printed; production refuses the token."""

DEMO_USER_ID = 123
DEMO_TOKEN = "demo-token-for-user-123"  # noqa: S105  # public on purpose; its session is marked is_demo
