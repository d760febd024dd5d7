"""Archives of strangers: what is read, what is refused, and that memory does not follow what they say of themselves."""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import ArchiveInvalid, ArchiveTooLarge
from app.infra import archives
from tests.archives import note, outbox, tar_gz, zipped

MEBIBYTE = 1024 * 1024
SMALL = outbox(note(1), note(2))


def read(archive, *, most=64 * MEBIBYTE, most_an_item=MEBIBYTE):
    """Return the entries of an archive."""
    return list(archives.items(io.BytesIO(archive), "outbox.json", "orderedItems", most=most, most_an_item=most_an_item))


def raw_tar(*members):
    """Return a .tar.gz of headers and contents as they are given: (name, type, size that the header tells, content)."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as packed:
        for name, type_, size, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = type_, size
            packed.write(info.tobuf(tarfile.GNU_FORMAT))
            packed.write(content + bytes(-len(content) % 512))
        packed.write(bytes(1024))
    return target.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        tar_gz(actor_json=b"{}", outbox_json=SMALL),
        zipped(actor_json=b"{}", outbox_json=SMALL),
        zipped(zipfile.ZIP_STORED, outbox_json=SMALL),
        tar_gz(**{"../../etc/outbox_json": SMALL}),  # a name is no path
        raw_tar(("x", b"x", 30, b"30 path=some/other/outbox.json\n"), ("outbox.json", b"0", len(SMALL), SMALL)),
        raw_tar(("././@LongLink", b"L", 5_000, b"n" * 5_000), ("outbox.json", b"0", len(SMALL), SMALL)),
        raw_tar(("media", b"5", 0, b""), ("link", b"2", 0, b""), ("outbox.json", b"0", len(SMALL), SMALL)),
        gzip.compress(b"") * 3 + raw_tar(("outbox.json", b"0", len(SMALL), SMALL)),  # RFC 1952, 2.2: members follow each other
    ],
)
def test_the_outbox_is_found_and_its_entries_are_given(archive):
    assert [item["object"]["id"][-1] for item in read(archive)] == ["1", "2"]
    assert b'"totalItems": 2' in archives.beginning(io.BytesIO(archive), "outbox.json", size=4096, most=MEBIBYTE)


REFUSED = {
    "nothing": b"",
    "text": b"{}",
    "a zip of nothing": b"PK\x03\x04",
    "a gzip of nothing": b"\x1f\x8b",
    "a gzip of text": gzip.compress(b"hello" * 1000),
    "half a gzip": tar_gz(outbox_json=SMALL)[:200],
    "half a zip": zipped(outbox_json=SMALL)[:-40],
    "no outbox": tar_gz(actor_json=b"{}"),
    "no outbox in a zip": zipped(actor_json=b"{}"),
    "bzip2": zipped(zipfile.ZIP_BZIP2, outbox_json=SMALL),
    "lzma": zipped(zipfile.ZIP_LZMA, outbox_json=SMALL),
    "no JSON": tar_gz(outbox_json=b'{"orderedItems": [{"a": '),
    "no UTF-8": tar_gz(outbox_json=b'{"orderedItems": ["\xff\xfe"]}'),
    "a number of many digits": tar_gz(outbox_json=b'{"orderedItems": [' + b"9" * 5000 + b"]}"),
    "deep nesting": tar_gz(outbox_json=b'{"orderedItems": [' + b"[" * MEBIBYTE),
    "deep nesting elsewhere": tar_gz(outbox_json=b'{"a":' * MEBIBYTE),
    "sparse": raw_tar(("outbox.json", b"S", len(SMALL), SMALL)),
    "a file that is longer than the archive": raw_tar(("big", b"0", 2**33, b"")),
    "a directory named so": raw_tar(("outbox.json", b"5", 0, b"")),
    "a link named so": raw_tar(("outbox.json", b"2", 0, b"")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_archive_of_posts_is_refused_with_a_sentence(name):
    with pytest.raises(ArchiveInvalid) as refused:
        read(REFUSED[name])
    assert refused.value.code == "ARCHIVE_INVALID"
    assert 10 < len(refused.value.message) < 200


def bomb(head, tail=b""):
    """Return a .tar.gz that is small, and not when it is unpacked."""
    return tar_gz(outbox_json=head + b" " * (40 * MEBIBYTE) + tail)


def zip_of_many_files(number):
    """Return a .zip whose list of files is long."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("outbox.json", SMALL)
    end = target.getvalue()
    at = end.rindex(b"PK\x01\x02")
    tail = end.rindex(b"PK\x05\x06")
    entry = end[at:tail]
    listing = entry * number
    return end[:at] + listing + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number % 65536, number % 65536, len(listing), at, 0)


TOO_LARGE = {
    "a bomb of spaces": bomb(b'{"orderedItems": ['),
    "a bomb of spaces in a zip": zipped(outbox_json=b'{"orderedItems": [' + b" " * (40 * MEBIBYTE)),
    "one text without end": bomb(b'{"orderedItems": ["', b'"]}'),
    "a bomb before the outbox": tar_gz(media_png=bytes(40 * MEBIBYTE), outbox_json=SMALL),
    "a long name": raw_tar(("././@LongLink", b"L", 40 * MEBIBYTE, bytes(40 * MEBIBYTE)), ("outbox.json", b"0", 2, b"{}")),
    "an extended header": raw_tar(("x", b"x", 40 * MEBIBYTE, bytes(40 * MEBIBYTE)), ("outbox.json", b"0", 2, b"{}")),
    "a list of 200,000 files": zip_of_many_files(200_000),
}


MANY = {
    "files": raw_tar(*[("a", b"0", 0, b"")] * 30, ("outbox.json", b"0", len(SMALL), SMALL)),
    "members": gzip.compress(b"") * 30 + tar_gz(outbox_json=SMALL),
}


@pytest.mark.parametrize("what", MANY)
def test_what_costs_time_without_giving_anything_is_counted(what, monkeypatch):
    limit = f"MAX_{what.upper()}"
    monkeypatch.setattr(archives, limit, 31)
    assert len(read(MANY[what])) == 2
    monkeypatch.setattr(archives, limit, 30)
    with pytest.raises(ArchiveTooLarge):
        read(MANY[what])


READING = """
import sys
from app.domain.errors import InvalidInput
from app.infra import archives

def highest():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

before = highest()
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        try:
            print(sum(1 for _ in archives.items(file, "outbox.json", "orderedItems", most=2**30, most_an_item=2**20)))
        except InvalidInput as error:
            print(error.code)
        try:
            for _, content in archives.files(file, lambda name: True, most=2**30, most_a_file=2**20):
                assert not isinstance(content, bytes) or len(content) <= 2**20
        except InvalidInput:
            pass
print((highest() - before) // 1024)
"""


def test_the_process_stays_small_whatever_an_archive_says_of_itself(tmp_path):
    large, end = b" " * (48 * MEBIBYTE), ("outbox.json", b"0", len(SMALL), SMALL)
    hostile = [
        *((raw_tar(("a", type_, len(large), large), end), "2") for type_ in (b"L", b"x")),
        (raw_tar(("a", b"S", len(large), large), end), "ARCHIVE_INVALID"),
        (zipped(zipfile.ZIP_BZIP2, outbox_json=large), "ARCHIVE_INVALID"),
        (zipped(zipfile.ZIP_LZMA, outbox_json=large), "ARCHIVE_INVALID"),
        (raw_tar(("outbox.json", b"0", len(large), b'{"orderedItems": ["' + large[19:])), "ARCHIVE_TOO_LARGE"),
        (zip_of_many_files(200_000), "ARCHIVE_TOO_LARGE"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + large + b"\0" + tar_gz(outbox_json=SMALL)[10:], "2"),  # the head has a name
    ]
    paths = [tmp_path / str(number) for number in range(len(hostile))]
    for path, (archive, _) in zip(paths, hostile, strict=True):
        path.write_bytes(archive)

    run = subprocess.run(
        [sys.executable, "-c", READING, *map(str, paths)], capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )

    *told, mebibytes = run.stdout.decode().split()
    assert told == [outcome for _, outcome in hostile]
    assert int(mebibytes) < 24


WHOLE = [tar_gz(actor_json=b"{}", outbox_json=SMALL), zipped(actor_json=b"{}", outbox_json=SMALL), zipped(0, outbox_json=SMALL)]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=4)), min_size=1, max_size=4))
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(whole, damages):
    damaged = bytearray(whole)
    for place, bytes_ in damages:
        at = place % (len(damaged) or 1)
        damaged[at : at + len(bytes_) or at + 7] = bytes_

    with suppress(ArchiveInvalid, ArchiveTooLarge):
        assert len(read(bytes(damaged))) <= 2


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_unpacks_to_too_much_is_refused_before_it_is_in_memory(name):
    archive = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveTooLarge):
            read(archive, most=32 * MEBIBYTE)
        assert tracemalloc.get_traced_memory()[1] < 24 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_entries_within_the_limits_are_given_whatever_they_nest():
    deep = json.loads("[" * 90 + "]" * 90)
    assert read(tar_gz(outbox_json=json.dumps({"orderedItems": [deep, 1, None, "x", {"a": {}}]}).encode())) == [
        deep,
        1,
        None,
        "x",
        {"a": {}},
    ]
    assert read(tar_gz(outbox_json=b'{"orderedItems": {"item": 1}}')) == []
    assert len(read(tar_gz(outbox_json=b'{"orderedItems": ["\\ud83d", 1e300, -0.0]}'))) == 3
