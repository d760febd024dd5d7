"""Archives that strangers made, read as streams: .tar.gz and .zip, and the items of one JSON file in them.

Nothing is ever unpacked to disk, and no name in an archive is a path for us: only the files are read whose names are wanted.
Memory stays flat whatever the archive says of itself: each read is bounded, and so is all that comes out of it.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

import ijson

from app.domain.errors import ArchiveInvalid, ArchiveTooLarge, InvalidInput

BLOCK = tarfile.BLOCKSIZE
CHUNK_BYTES = 64 * 1024
MAX_DEPTH = 100  # of lists and objects in each other
STARTS, ENDS = {"start_map", "start_array"}, {"end_map", "end_array"}
MAX_ZIP_READ_BYTES = 4 * 1024 * 1024  # the list of files at a zip's end is read at once: tens of thousands of names
MAX_FILES = 100_000  # in a tar; each costs some 30 us to pass, and only a byte or two packed
MAX_MEMBERS = 10_000  # of a gzip, which may be made of any number of small ones
GZIP = zlib.MAX_WBITS + 16  # zlib's way to say that the head and the checksum are gzip's
HEADS_ONLY: Final = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.SOLARIS_XHDTYPE,
}
BROKEN = (
    ijson.JSONError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    UnicodeDecodeError,
    RuntimeError,  # an encrypted file, or (a kind of it) a method of compression that is not known
    OSError,
    ValueError,
    OverflowError,
)


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


Content = bytes | ArchiveInvalid | ArchiveTooLarge  # of one file, or why it is not to be had


class Room:
    """How much may still come out of an archive: of all of it, and of one item."""

    def __init__(self, most: int, most_an_item: int | None = None) -> None:
        self._left = most
        self._most_an_item = most if most_an_item is None else most_an_item
        self._of_item = 0

    def take(self, size: int) -> None:
        """Count so many bytes.

        Raises:
            ArchiveTooLarge: more came than is allowed.
        """
        self._left -= size
        self._of_item += size
        if self._left < 0 or self._of_item > self._most_an_item:
            raise ArchiveTooLarge

    def next_item(self) -> None:
        """Begin to count for another item."""
        self._of_item = 0


class Bounded:
    """What comes out of an archive, no more than there is room for."""

    def __init__(self, source: Readable, room: Room) -> None:
        self._source = source
        self.room = room

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes; without a size, a chunk.

        Raises:
            ArchiveTooLarge: more came than is allowed.
        """
        chunk = self._source.read(min(size, CHUNK_BYTES) if size >= 0 else CHUNK_BYTES)
        self.room.take(len(chunk))
        return chunk

    def skip(self, size: int) -> None:
        """Read so many bytes and forget them.

        Raises:
            ArchiveTooLarge, ArchiveInvalid: more came than is allowed; the archive ends before.
        """
        while size > 0:
            self.room.next_item()
            chunk = self.read(size)
            if not chunk:
                raise ArchiveInvalid("The archive ends in the middle of a file.")
            size -= len(chunk)

    def exactly(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        found = b""
        while len(found) < size and (chunk := self.read(size - len(found))):
            found += chunk
        return found


class Window:
    """The next so many bytes of a stream, as a file."""

    def __init__(self, source: Bounded, size: int) -> None:
        self._source = source
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes."""
        chunk = self._source.read(min(self.left, size) if size >= 0 else min(self.left, CHUNK_BYTES))
        self.left -= len(chunk)
        return chunk


class InZip:
    """A file in a zip, which is opened when it is read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: Room) -> None:
        self._archive, self._info, self._room = archive, info, room
        self._opened: tuple[IO[bytes], Bounded] | None = None

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes.

        Raises:
            ArchiveInvalid: it is packed in a way that is not accepted (two of them unpack at once whatever there is).
        """
        if self._opened is None:
            if self._info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise ArchiveInvalid("A file is compressed in a way that is not accepted: use the usual one, deflate.")
            file = self._archive.open(self._info)
            self._opened = file, Bounded(file, self._room)
        return self._opened[1].read(size)

    def close(self) -> None:
        """Be read no more."""
        if self._opened:
            self._opened[0].close()


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, to be read before the next one is asked for."""

    name: str
    file: Readable


class Gunzipped:
    """What a gzip unpacks to, at most as much at once as is asked for.

    Not by `gzip`, which reads a head's file name a byte at a time, however long it is, and as many members as there are.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = b""
        self._unpacking = zlib.decompressobj(GZIP)
        self._members = 1

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end.

        Raises:
            ArchiveInvalid, ArchiveTooLarge: the archive breaks off; it has too many members.
            zlib.error: it is broken.
        """
        found = b""
        while size and not found:
            self._packed = self._packed or self._file.read(CHUNK_BYTES)
            if not self._packed:
                if self._unpacking.eof:
                    break
                raise ArchiveInvalid("The archive breaks off.")
            if self._unpacking.eof:
                self._next_member()
            found = self._unpacking.decompress(self._packed, size)  # a size of 0 would be none
            self._packed = self._unpacking.unconsumed_tail or self._unpacking.unused_data
        return found

    def _next_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise ArchiveTooLarge("The archive has more parts than is allowed.")
        self._unpacking = zlib.decompressobj(GZIP)


class SmallReads:
    """A zip's file for `zipfile`, which reads as much at once as the archive tells it to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, lambda: True

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes.

        Raises:
            ArchiveTooLarge: it is a large part of an archive.
        """
        found = self._file.read(MAX_ZIP_READ_BYTES + 1 if size < 0 else min(size, MAX_ZIP_READ_BYTES + 1))
        if len(found) > MAX_ZIP_READ_BYTES:
            raise ArchiveTooLarge("The archive lists more files than is allowed.")
        return found


def items(file: IO[bytes], name: str, key: str, *, most: int, most_an_item: int) -> Iterator[Any]:
    """Give the items of the list that a JSON file with this name has under a key, one after the other.

    Args:
        file: the archive, which can seek.
        name: the file's last name; the first one of that name is read.
        key: the name that the list has in the file's object.
        most: bytes that may come out of the archive in all.
        most_an_item: bytes between one item and the next.

    Raises:
        ArchiveInvalid: it is no archive, is broken, or has no such file.
        ArchiveTooLarge: a limit is exceeded.
    """
    room = Room(most, most_an_item)
    with understood(), closing(members(file, room)) as found:
        stream = named(found, name)
        room.next_item()
        for item in listed(ijson.basic_parse(stream, use_float=True, buf_size=CHUNK_BYTES), key):
            room.next_item()
            yield item


def files(file: IO[bytes], is_wanted: Callable[[str], bool], *, most: int, most_a_file: int) -> Iterator[tuple[str, Content]]:
    """Give the files whose whole names are wanted, as they come: the name, and the bytes or why these are not to be had.

    Args:
        file: the archive, which can seek.
        is_wanted: says so of a name, as it stands in the archive.
        most: bytes that may come out of the archive in all.
        most_a_file: bytes of one file.

    Raises:
        ArchiveInvalid, ArchiveTooLarge: the archive itself cannot be read, or there is too much in it.
    """
    with understood(), closing(members(file, Room(most))) as found:
        for member in found:
            if is_wanted(member.name):
                yield member.name, content(member.file, most_a_file)


def content(file: Readable, most: int) -> Content:
    """Return what is in a file, or why that is not to be had; if it is the archive's fault, whoever reads on meets it again."""
    found = bytearray()
    try:
        with understood():
            while chunk := file.read(CHUNK_BYTES):
                found += chunk
                if len(found) > most:
                    return ArchiveTooLarge("A file is larger than allowed.")
    except (ArchiveInvalid, ArchiveTooLarge) as error:
        return error
    return bytes(found)


def named(found: Iterator[Member], name: str) -> Readable:
    """Return the first file with this last name.

    Raises:
        ArchiveInvalid: there is none.
    """
    for member in found:
        if member.name.rpartition("/")[2] == name:
            return member.file
    raise ArchiveInvalid(f"There is no {name} in the archive.")


@contextmanager
def understood() -> Iterator[None]:
    """Say of a stranger's archive what is wrong with it, in our words.

    Raises:
        ArchiveInvalid: something is.
    """
    try:
        yield
    except InvalidInput:
        raise
    except BROKEN as error:
        reason = str(error).partition("\n")[0].strip(" .")[:100]  # what follows sends a part of the archive back
        raise ArchiveInvalid(f"The archive cannot be read: {reason or type(error).__name__}.") from error


def listed(events: Iterator[tuple[str, Any]], key: str) -> Iterator[Any]:
    """Give the items of the list under a key, from a parser's events. (ijson's own way keeps a path for each level: quadratic.)

    Raises:
        ArchiveInvalid: something is nested too deeply.
    """
    depth, last_key, is_inside, builder = 0, None, False, ijson.ObjectBuilder()
    for event, value in events:
        is_start = event in STARTS
        depth -= event in ENDS
        if depth == 1:
            is_inside = event == "start_array" and last_key == key
            last_key = value if event == "map_key" else None
        elif is_inside:
            builder.event(event, value)
            if depth == 2 and not is_start:
                yield builder.value
                builder = ijson.ObjectBuilder()
        depth += is_start
        if depth > MAX_DEPTH:
            raise ArchiveInvalid(f"The archive nests more than {MAX_DEPTH} levels.")


def beginning(file: IO[bytes], name: str, *, size: int, most: int) -> bytes:
    """Return the first so many bytes of the file with this name.

    Raises:
        ArchiveInvalid, ArchiveTooLarge: as for `items`.
    """
    with understood(), closing(members(file, Room(most))) as found:
        return named(found, name).read(size)


def members(file: IO[bytes], room: Room) -> Generator[Member]:
    """Give the files of an archive from its beginning, in its own order.

    Raises:
        ArchiveInvalid, ArchiveTooLarge: it is no archive, or broken; there is too much in it. Libraries raise more: `understood`.
    """
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        yield from in_tar(Bounded(Gunzipped(file), room))
    elif head == b"PK\x03\x04":
        with zipfile.ZipFile(SmallReads(file)) as archive:
            for info in archive.infolist():
                with closing(InZip(archive, info, room)) as packed:
                    yield Member(info.filename, packed)
    else:
        raise ArchiveInvalid


def in_tar(stream: Bounded) -> Iterator[Member]:
    """Give the files of a tar.

    Not by `tarfile` itself, which reads long names, extended headers and maps of sparse files at once, however large they are.
    The files that we want have short names and need none of them.

    Raises:
        ArchiveInvalid, ArchiveTooLarge: a header is broken; there are too many files.
    """
    passed = 0
    while len(block := stream.exactly(BLOCK)) == BLOCK and block.strip(b"\0"):
        stream.room.next_item()
        passed += 1
        if passed > MAX_FILES:
            raise ArchiveTooLarge("The archive lists more files than is allowed.")
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")  # it checks the sum
        if info.size < 0 or info.type == tarfile.GNUTYPE_SPARSE:
            raise ArchiveInvalid("The archive holds a file of a kind that is not accepted.")
        if info.isreg() or info.type in HEADS_ONLY:
            window = Window(stream, info.size)
            if info.isreg():
                yield Member(info.name, window)
            stream.skip(window.left + -info.size % BLOCK)
