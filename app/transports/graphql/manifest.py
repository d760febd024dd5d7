"""The manifest of trusted documents: a JSON object from ids to the documents' exact text.

An id is `sha256:` and the text's hash in lower-case hexadecimal digits, or one of the owner's own: `x-…:…`, or without any colon.
"""

import re
from hashlib import sha256
from pathlib import Path

import orjson

from app.domain.errors import ConfigurationError
from app.transports.graphql.documents import Document, Documents, Refusal

OWN_ID = re.compile(r"x-[^:]*:.+|[^:]+", re.DOTALL)
LONGEST_ID = 256  # characters


def id_of(text: str) -> str:
    """Return the standard id of a text."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def as_json(texts: dict[str, str]) -> bytes:
    """Return the manifest of these texts by id: the same bytes for the same texts."""
    return orjson.dumps(texts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def trusted_documents(documents: Documents, path: Path | None) -> dict[str, Document]:
    """Return the manifest's documents by their ids and by their standard ids; none where there is no manifest.

    Raises:
        ConfigurationError: it cannot be read, or holds what is no valid document of this schema.
    """
    trusted = {}
    for id_, text in (texts_in(path) if path else {}).items():
        document = documents.get(text)
        if isinstance(document, Refusal):
            raise broken(path, f"the document {id_[:80]!r} cannot be executed: {document.errors[0].message[:300]}")
        trusted[id_] = trusted[id_of(text)] = document
    return trusted


def texts_in(path: Path) -> dict[str, str]:
    """Return the manifest's texts by id.

    Raises:
        ConfigurationError: the file is missing or is no manifest.
    """
    try:
        texts = orjson.loads(path.read_bytes())
    except OSError as error:
        raise broken(path, f"it cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise broken(path, f"it is not JSON in UTF-8 ({error}).") from error
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise broken(path, "it must be a JSON object from ids to documents.")
    for id_, text in texts.items():
        if id_ != id_of(text):
            check_own_id(path, id_)
    return texts


def check_own_id(path: Path, id_: str) -> None:
    """Refuse an id that is not the standard one of its text, and that its owner may not choose either.

    Raises:
        ConfigurationError: it is refused.
    """
    if id_.startswith("sha256:"):
        raise broken(path, f"the text under {id_[:80]!r} has another hash: run `feedgraph persist` again.")
    if len(id_) > LONGEST_ID or not OWN_ID.fullmatch(id_):
        raise broken(
            path, f"{id_[:80]!r} is no id: use sha256:<hash>, x-<name>:<id>, or 1 to {LONGEST_ID} characters without a colon."
        )


def broken(path: Path | None, problem: str) -> ConfigurationError:
    """Return the error of a manifest that cannot be used."""
    return ConfigurationError(f"FEEDGRAPH_PERSISTED_MANIFEST is {path}, and {problem}")
