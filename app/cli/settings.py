"""`feedgraph settings`: what is in force."""

import os
import sys
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import typer
from pydantic import SecretStr
from rich import box
from rich.console import Console
from rich.table import Table

from app.settings import Settings, variable_of

WIDE = 200  # columns, where the output goes to a file or a pipe
HEADING = """# Settings

Read from the environment and from `.env` in the working directory; the environment wins. `feedgraph settings` prints the values
in force. A name ending in `_S` is in seconds, one in `_BYTES` in bytes. Written by `feedgraph settings --markdown`.
"""


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the defaults as docs/settings.md has them.")] = False,
) -> None:
    """Print every setting with its value in force; secrets are hidden."""
    if markdown:
        print(as_markdown(), end="")
        return
    effective = Settings.load()
    table = Table("variable", "value", "", "meaning", box=box.SIMPLE)
    for name, field in Settings.model_fields.items():
        variable, value = variable_of(name), in_force(effective, name)
        changed = "" if getattr(effective, name) == field.default else "set here" if variable in os.environ else "set in .env"
        table.add_row(variable, shown(value), changed, field.description)
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def in_force(settings: Settings, name: str) -> object:
    """Return the value that is used where a setting's absence means one."""
    derived = {
        "graphiql": settings.serves_graphiql,
        "introspection": settings.allows_introspection,
        "metrics": settings.serves_metrics,
        "log_format": settings.log_style,
        "sign_ups_per_hour": settings.sign_ups_allowed,
        "max_new_documents_per_minute": settings.new_documents_allowed,
        "data_dir": settings.home,
    }
    return derived.get(name, getattr(settings, name))


def shown(value: object) -> str:
    """Return a value as a person reads it; a secret shows only that it is there."""
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return without_password(secret) if "://" in secret else "(hidden)"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def without_password(url: str) -> str:
    """Return an address as it may be shown; what is no address is hidden whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(hidden)"
    if parts.scheme and "password" not in parts.query.lower():
        user, _, host = parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        shown_user = f"{name}:***@" if password else f"{name}@" if name else ""
        return urlunsplit(parts._replace(netloc=shown_user + host))
    return "(hidden)"


def as_markdown() -> str:
    """Return the page that documents every setting."""
    rows = [
        f"| `{variable_of(name)}` | {f'`{shown(field.default)}`' if shown(field.default) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([HEADING, "| variable | default | meaning |", "|---|---|---|", *rows, ""])
