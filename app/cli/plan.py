"""`feedgraph plan`: shows how an operation would run, without running it."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from graphql import GraphQLError

from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.transports.graphql.documents import Documents, Refusal
from app.transports.graphql.explaining import explained
from app.transports.graphql.schema import core_schema
from app.wiring import recording_context


def plan(
    file: Annotated[Path, typer.Argument(help="A .graphql file.")],
    operation: Annotated[str | None, typer.Option(help="Which of the file's operations; needless where there is one.")] = None,
    variables: Annotated[str, typer.Option(help="JSON; what is missing is made up, but for @skip and @include.")] = "{}",
    anonymous: Annotated[bool, typer.Option(help="As a caller who is not signed in.")] = False,
) -> None:
    """Print how an operation would run: its steps, the SQL of each, and what it may cost. Needs no database."""
    documents = Documents(core_schema(), settings := Settings.load())
    document = documents.get(text_of(file))
    if isinstance(document, Refusal):
        raise ConfigurationError(f"{file} is not executable.\n{shown(document.errors)}")
    chosen = document.operation(operation)
    if isinstance(chosen, Refusal):
        raise ConfigurationError(f"{chosen.errors[0].message} Use --operation; {file} has {names(document.operations)}.")
    ctx, db = recording_context(settings, is_anonymous=anonymous)
    lines = asyncio.run(explained(ctx, db, chosen, json_object(variables)))
    wrong = [line for line in lines if isinstance(line, GraphQLError)]
    if wrong:
        raise ConfigurationError(f"The variables do not fit; give them with --variables.\n{shown(wrong)}")
    print("\n".join(map(str, lines)))


def text_of(file: Path) -> str:
    """Return what is in the file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"Cannot read {file}: {reason}.") from error


def json_object(text: str) -> dict[str, Any]:
    """Return the variables.

    Raises:
        ConfigurationError: the text is not a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError("--variables must be a JSON object, such as '{\"withPosts\": true}'.")
    return value


def shown(errors: Iterable[GraphQLError]) -> str:
    """Return errors in lines, each with its first place in the file."""
    places = [(error.locations[0] if error.locations else None, error.message) for error in errors]
    return "\n".join(f"{f'{place.line}:{place.column}: ' if place else ''}{message}" for place, message in places)


def names(operations: Iterable[str | None]) -> str:
    """Return the names of operations as a list for people."""
    return ", ".join(name or "one without a name" for name in operations) or "none"
