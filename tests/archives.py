"""Archives as Mastodon exports them, and such as nobody should accept."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
HOST = "https://social.example/users/ada"
START = datetime(2019, 6, 1, tzinfo=UTC)


def note(number: int, content: str = "", **changes: Any) -> dict[str, Any]:
    """Return a public post as an entry of the outbox; changes go into the note."""
    id_ = f"{HOST}/statuses/{number}"
    published = (START + timedelta(hours=number)).isoformat().replace("+00:00", "Z")
    own = {
        "id": id_,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": published,
        "attributedTo": HOST,
        "to": [PUBLIC],
        "cc": [f"{HOST}/followers"],
        "sensitive": False,
        "content": content or f'<p>Post number {number}, with a <a href="https://example.org/{number}">link</a>.</p>',
        "attachment": [],
        "tag": [],
    }
    return {
        "id": f"{id_}/activity",
        "type": "Create",
        "actor": HOST,
        "published": published,
        "to": [PUBLIC],
        "object": own | changes,
    }


def written(entries: Iterable[Any], total: int) -> Iterator[bytes]:
    """Give the outbox.json of these entries."""
    head = json.dumps({"@context": "https://www.w3.org/ns/activitystreams", "id": "outbox.json", "type": "OrderedCollection"})
    yield f'{head[:-1]}, "totalItems": {total}, "orderedItems": ['.encode()
    for number, entry in enumerate(entries):
        yield (b"," if number else b"") + json.dumps(entry).encode()
    yield b"]}"


def outbox(*entries: Any) -> bytes:
    """Return the outbox.json of these entries."""
    return b"".join(written(entries, len(entries)))


def tar_gz(**files: bytes) -> bytes:
    """Return a .tar.gz; a name's underscore stands for its last dot."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(".".join(name.rsplit("_", 1)))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    """Return a .zip; a name's underscore stands for its last dot."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(".".join(name.rsplit("_", 1)), content)
    return target.getvalue()


def write_large(target: IO[bytes], posts: int) -> None:
    """Write a .tar.gz with so many posts, one in ten of them a reply to the one before."""
    content = b"".join(
        written(
            (note(n, inReplyTo=f"{HOST}/statuses/{n - 1}" if n % 10 == 9 else None) for n in range(posts)),
            posts,
        )
    )
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        for name, body in (("actor.json", b"{}"), ("outbox.json", content)):
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
