"""`feedgraph persist`: writes the manifest of trusted documents, or checks that it is current."""

from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError

from app.cli.terminal import say
from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.transports.graphql.documents import Documents, Refusal
from app.transports.graphql.manifest import as_json, id_of
from app.transports.graphql.schema import core_schema


def persist(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of .graphql files; folders in it count too.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, standard output.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if the file of --out is not current.")] = False,
) -> None:
    """Write the manifest of the documents in DIR, each file one document with one operation or more.

    The id of a document is the hash of its file's exact text. Every document must be valid and within the limits in force.
    """
    if check and out is None:
        raise ConfigurationError("--check needs --out with the file to check.")
    texts, problems = read(folder, Documents(core_schema(), Settings.load()))
    for problem in problems:
        say(problem)
    if problems:
        raise ConfigurationError(f"{counted(len(problems), 'problem')} in the documents of {folder}: no manifest was written.")
    manifest = as_json(texts)
    if out is None:
        typer.echo(manifest, nl=False)
    elif check:
        require_current(out, manifest)
    else:
        write(out, manifest)
        say(f"Wrote {counted(len(texts), 'document')} to {out}.")


def read(folder: Path, documents: Documents) -> tuple[dict[str, str], list[str]]:
    """Return the texts by id, and what is wrong with them: `file:line:column: message`.

    Raises:
        ConfigurationError: there is nothing to read.
    """
    files = sorted(folder.rglob("*.graphql"))
    if not files:
        raise ConfigurationError(f"There is no .graphql file in {folder}.")
    texts, problems = {}, []
    for file in files:
        try:
            text = file.read_bytes().decode()  # as it is: the hash is of every byte
        except (OSError, ValueError) as error:
            problems.append(f"{file}:1:1: It cannot be read as UTF-8: {error}.")
            continue
        texts[id_of(text)] = text
        problems += problems_in(file, text, documents)
    return texts, problems


def problems_in(file: Path, text: str, documents: Documents) -> list[str]:
    """Return what is wrong with one document, by line."""
    document = documents.get(text)
    errors = document.errors if isinstance(document, Refusal) else []
    return [f"{place(file, error)}: {error.message}" for error in errors]


def place(file: Path, error: GraphQLError) -> str:
    """Return where an error is, as editors and terminals open it."""
    line, column = (error.locations[0].line, error.locations[0].column) if error.locations else (1, 1)
    return f"{file}:{line}:{column}"


def require_current(out: Path, manifest: bytes) -> None:
    """Compare a file with what it should be.

    Raises:
        ConfigurationError: it is something else.
    """
    if not out.is_file() or out.read_bytes() != manifest:
        raise ConfigurationError(f"{out} is not what its documents say: run `feedgraph persist` and commit the result.")


def write(out: Path, manifest: bytes) -> None:
    """Write the file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        out.write_bytes(manifest)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
