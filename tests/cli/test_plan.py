"""`feedgraph plan` tells how an operation would run, and why one is not planned or not executable."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.domain.errors import ConfigurationError

DOCUMENT = """query Page($id: ID!, $more: Boolean = false) {
  user(id: $id) { name posts(first: 2) { title author { name } replies @include(if: $more) { id } } }
}
query Types { __schema { queryType { name } } }"""


@pytest.fixture
def plan(tmp_path):
    """A function that writes a document to a file and runs the command on it; returns what it prints, or raises."""

    def run(document, *options):
        file = tmp_path / "operation.graphql"
        file.write_text(document, encoding="utf-8")
        result = CliRunner().invoke(app, ["plan", str(file), *options])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_plan_tells_its_fetches_level_by_level_with_their_sql_and_its_cost(plan):
    told = plan(DOCUMENT, "--operation", "Page").splitlines()
    assert [line for line in told if "SQL:" not in line] == [
        "user:",
        "  fetch user by key, as JSON written by the database",
        "    User (name, id)",
        "      posts: fetch user.posts for all parents at once, {'first': 2}, as JSON written by the database",
        "        Post (title, author.name)",
        "",
        "Made up: $id = '1'. Give yours with --variables.",
        "",
        "Cost: at most 5 points and 2 rows; depth 4.",
    ]
    [statement] = (line.strip() for line in told if "SQL:" in line)
    assert statement.startswith("SQL: select t.* from unnest($1::bigint[], $2::bigint[])")
    assert "to_json(r3.title)" in statement
    assert "join users r3_author on r3_author.id = r3.author_id" in statement


def test_what_is_not_written_as_json_is_told_as_rows(plan):
    told = plan('{ user(id: "1") { name viewerIsFollowing followers(first: 2, after: "x") { nodes { id } } } }').splitlines()
    assert told[1] == "  fetch user by key"
    assert "SQL: select u.name, u.id, u.id as key from users u where u.id = any($1)" in told[2]


def test_what_a_step_would_fail_with_is_told(plan):
    told = plan("query($n: Int) { viewer { posts(first: $n) { id } } }", "--variables", '{"n": 101}')
    assert "fails: A page holds from 0 to 100 rows: 101 is out of that range." in told
    assert "from posts" not in told


def test_a_caller_who_is_not_signed_in_sends_less(plan):
    document = '{ user(id: "1") { viewerIsFollowing } }'
    assert "from follows" in plan(document)
    assert "from follows" not in plan(document, "--anonymous")


def test_an_operation_that_is_too_large_is_told_with_the_code_of_its_refusal(plan):
    nested = "{ latestPosts(first: 100) { nodes { replies(first: 100) { replies(first: 100) { id } } } } }"
    assert "Refused with NODE_LIMIT." in plan(nested)


def test_what_a_mutation_sends_is_not_told(plan):
    told = plan('mutation { createPost(input: {content: "x"}) { post { author { name } } } }')
    assert "insert" not in told
    assert "select u.name, u.id as key from users" in told


def test_variables_in_flags_shape_the_plan(plan):
    assert "replies: fetch post.replies" in plan(DOCUMENT, "--operation", "Page", "--variables", '{"more": true}')


def test_the_reason_is_told_where_there_is_no_plan(plan):
    assert "Not planned: introspection." in plan(DOCUMENT, "--operation", "Types")


@pytest.mark.parametrize(
    ("document", "options", "sentence"),
    [
        ("{ usr { id } }", (), r"1:3: Cannot query field 'usr'"),
        ("{ user(", (), r"1:\d: Syntax Error"),
        (DOCUMENT, (), "has Page, Types"),
        (DOCUMENT, ("--operation", "Other"), "no operation named 'Other'"),
        (DOCUMENT, ("--operation", "Page", "--variables", "[1]"), "must be a JSON object"),
        (DOCUMENT, ("--operation", "Page", "--variables", "{"), "must be a JSON object"),
        (DOCUMENT, ("--operation", "Page", "--variables", '{"more": 1}'), r"1:\d+: Variable '\$more' has invalid value"),
        ("query($f: Boolean!) { viewer { id @skip(if: $f) } }", (), r"give them with --variables"),
    ],
)
def test_what_cannot_be_planned_is_said_with_its_place(plan, document, options, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        plan(document, *options)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    missing, binary = tmp_path / "missing.graphql", tmp_path / "binary.graphql"
    binary.write_bytes(b"\xff\xfe")
    for file, reason in ((missing, "No such file"), (binary, "not UTF-8"), (tmp_path, "Is a directory")):
        result = CliRunner().invoke(app, ["plan", str(file)])
        assert isinstance(result.exception, ConfigurationError)
        assert reason in str(result.exception)


def test_the_command_prints_its_refusal_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "app", "plan", str(tmp_path / "missing.graphql")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("feedgraph: Cannot read")
    assert "Traceback" not in done.stderr
