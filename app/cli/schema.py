"""`feedgraph schema`: writes schema.graphql, or checks that it is current."""

from pathlib import Path
from typing import Annotated

import typer

from app.domain.errors import ConfigurationError
from app.transports.graphql.schema import as_text

FILE = Path(__file__).parents[2] / "schema.graphql"


def schema(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if the file is not current.")] = False,
) -> None:
    """Write the GraphQL schema to schema.graphql."""
    if not check:
        FILE.write_text(as_text(), encoding="utf-8")
    elif not FILE.is_file() or FILE.read_text(encoding="utf-8") != as_text():
        raise ConfigurationError("schema.graphql is not what the code says: run `feedgraph schema` and commit the result.")
