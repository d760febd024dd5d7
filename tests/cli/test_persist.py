"""`feedgraph persist`: from .graphql files to the manifest of trusted documents."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.conftest import Ended

Command = Callable[..., Ended]

QUERY = "query User($id: ID!) {\n  user(id: $id) { username }\n}\n"
BOTH = 'query A { __typename }\r\n\r\nmutation B { likePost(id: "1") { post { id } } }'


@pytest.fixture
def persist(feedgraph: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, run in a folder."""
    monkeypatch.setenv("COLUMNS", "20")  # what it says is not broken into lines of the terminal's width

    def run(*arguments: object, cwd: Path) -> Ended:
        monkeypatch.chdir(cwd)
        return feedgraph("persist", *arguments)

    return run


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of documents that are all good."""
    folder = tmp_path / "documents"
    (folder / "deep").mkdir(parents=True)
    (folder / "user.graphql").write_bytes(QUERY.encode())
    (folder / "deep" / "both.graphql").write_bytes(BOTH.encode())
    (folder / "copy.graphql").write_bytes(QUERY.encode())
    (folder / "notes.txt").write_text("not a document")
    return folder


def test_each_file_is_a_document_under_the_hash_of_its_exact_text(persist: Command, documents: Path):
    ran = persist(documents, "--out", "manifest.json", cwd=documents.parent)
    assert ran.status == 0, ran.err
    manifest = json.loads((documents.parent / "manifest.json").read_bytes())
    assert manifest == {f"sha256:{sha256(text.encode()).hexdigest()}": text for text in (QUERY, BOTH)}


def test_the_same_documents_give_the_same_bytes_wherever_they_lie(persist: Command, documents: Path, tmp_path: Path):
    (documents / "user.graphql").rename(documents / "deep" / "renamed.graphql")
    elsewhere = persist(documents, cwd=tmp_path)
    (documents / "deep" / "both.graphql").rename(documents / "a.graphql")
    assert persist(".", cwd=documents).out == elsewhere.out
    assert elsewhere.out.endswith(b"\n}\n")


def test_what_is_wrong_is_told_by_file_and_line_and_nothing_is_written(persist: Command, documents: Path):
    (documents / "field.graphql").write_text("query X {\n  __typename\n  nonsense\n}")
    (documents / "syntax.graphql").write_text("query X {\n")
    (documents / "fragment.graphql").write_text("fragment F on User { id }")
    (documents / "deep.graphql").write_text("{ latestPosts { edges { node " + "{ inReplyTo " * 20 + "{ id }" + "}" * 20 + "} } }")
    (documents / "bytes.graphql").write_bytes(b"\xff")
    ran = persist("documents", "--out", "manifest.json", cwd=documents.parent)
    assert ran.status == 2
    told = ran.err.splitlines()
    assert told[0].startswith("documents/bytes.graphql:1:1: It cannot be read as UTF-8")
    assert told[1].startswith("documents/deep.graphql:1:1: The document nests deeper than 12 fields")
    assert told[2].startswith("documents/field.graphql:3:3: Cannot query field 'nonsense' on type 'Query'")
    assert told[3] == "documents/fragment.graphql:1:1: Fragment 'F' is never used."
    assert told[4].startswith("documents/syntax.graphql:2:1: Syntax Error")
    assert told[5:] == ["feedgraph: 5 problems in the documents of documents: no manifest was written."]
    assert not (documents.parent / "manifest.json").exists()


def test_check_says_whether_the_manifest_is_current_and_changes_nothing(persist: Command, documents: Path):
    out = documents.parent / "manifest.json"
    assert persist(documents, "--out", out, "--check", cwd=documents).status == 2
    assert persist(documents, "--out", out, cwd=documents).status == 0
    assert persist(documents, "--out", out, "--check", cwd=documents).status == 0
    before = out.read_bytes()
    (documents / "user.graphql").write_bytes(QUERY.encode() + b"\n")
    ran = persist(documents, "--out", out, "--check", cwd=documents)
    assert ran.status == 2
    assert "run `feedgraph persist`" in ran.err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "feedgraph: There is no .graphql file in nowhere."),
        (["documents", "--check"], "feedgraph: --check needs --out with the file to check."),
        (["documents", "--out", "no/such/folder"], "feedgraph: no/such/folder cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(persist: Command, documents: Path, arguments: list[str], sentence: str):
    ran = persist(*arguments, cwd=documents.parent)
    assert (ran.status, ran.err.splitlines()) == (2, [sentence])
