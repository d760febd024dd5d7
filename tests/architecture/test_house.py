"""The house rules: floors, sizes, where SQL may stand, and that errors, settings and documents agree."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain import errors
from app.settings import Settings, variable_of
from app.transports.errors import ROWS
from tests.conftest import TABLES
from tests.needed import missing

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"

HAS_GIT = bool(shutil.which("git")) and (ROOT / ".git").exists()
MODULE_LINES = 400
FUNCTION_LINES = 60

# Statements begin like this; prose in docstrings is left out by looking at other strings only.
SQL = re.compile(
    r"^\s*(select\b.+\bfrom\b|insert\s+into\b|update\s+\w+.*\bset\b|delete\s+from\b|with\s+\w+\s+as\s*\(|truncate\b|lock\s+table\b"
    r"|create\s+(table|index|function)\b|select\s+(exists\b|pg_\w+\())",
    re.IGNORECASE | re.DOTALL,
)
DRIVERS = {"asyncpg", "redis"}
FLOORS_WITH_SQL = ("stores", "infra")
FLOOR_OF_THE_BENCHMARK = APP / "bench" / "floor.py"  # the page by hand, which the engine is compared with

# Put together from halves, so that this file does not name what it looks for.
FOREIGN_NAMES = tuple(
    "".join(halves)
    for halves in (
        ("/work", "/main"),
        ("/work", "/shared"),
        ("/bri", "efs/"),
        ("/far", "m/"),
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("registry", ".npmjs"),
        ("registry", ".yarnpkg"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ('"reso', 'lved"'),
    )
)


def modules():
    """Return the project's own modules."""
    built = {"node_modules", "stubs"}
    return sorted(path for path in APP.rglob("*.py") if built.isdisjoint(path.parts))


def tree_of(path):
    """Return a module's syntax tree."""
    return ast.parse(path.read_text())


def functions(tree):
    """Return the functions of a tree."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def texts(tree):
    """Return the string constants of a tree that are not docstrings; of an f-string, its fixed parts put together."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            found.append(node.value)
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values))
    return found


def tracked_files():
    """Return what is under version control or would be; where there is no git, every file but the usual leavings."""
    if HAS_GIT:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    leavings = {".venv", "node_modules", "dist", ".git"}
    return [path for path in ROOT.rglob("*") if path.is_file() and leavings.isdisjoint(path.parts)]


@pytest.fixture(scope="module")
def contracts():
    """What import-linter says."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_import_contracts_hold(contracts):
    assert contracts.returncode == 0, contracts.stdout + contracts.stderr
    kept = re.search(r"Contracts: (\d+) kept, 0 broken", contracts.stdout)
    assert kept
    assert int(kept[1]) >= 7


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(APP)))
def test_a_module_and_its_functions_are_small_and_say_what_they_are(path):
    text, tree = path.read_text(), tree_of(path)
    assert len(text.splitlines()) <= MODULE_LINES
    long = {node.name: lines for node in functions(tree) if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES}
    assert long == {}
    assert ast.get_docstring(tree) or not text


def test_most_functions_are_short():
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for path in modules() for node in functions(tree_of(path)))
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 30


def test_sql_stands_only_in_stores_and_infra():
    with_sql = {
        path for path in modules() if path != FLOOR_OF_THE_BENCHMARK and any(SQL.match(text) for text in texts(tree_of(path)))
    }
    strays = [str(path.relative_to(ROOT)) for path in with_sql if path.relative_to(APP).parts[0] not in FLOORS_WITH_SQL]
    assert strays == []
    assert APP / "stores" / "posts.py" in with_sql


def test_drivers_are_imported_only_in_stores_and_infra():
    strays = []
    for path in modules():
        imports = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
        foreign = {name.split(".")[0] for name in names} & DRIVERS and path != FLOOR_OF_THE_BENCHMARK
        if foreign and path.relative_to(APP).parts[0] not in FLOORS_WITH_SQL:
            strays.append(str(path.relative_to(ROOT)))
    assert strays == []


def test_every_function_of_a_store_says_what_it_costs():
    silent = []
    for path in sorted((APP / "stores").glob("*.py")):
        for node in tree_of(path).body:
            if not isinstance(node, ast.AsyncFunctionDef) or node.name.startswith("_") or node.args.args[0].arg != "db":
                continue
            if not re.search(r"\b(one|two) statements?\b", ast.get_docstring(node) or "", re.IGNORECASE):
                silent.append(f"{path.name}: {node.name}")
    assert silent == ["demo.py: copy"]  # COPY: as many as there are pieces, which its callers say


def deliberate_errors():
    """Return every error class of the domain."""
    found = [errors.FeedgraphError]
    for class_ in found:
        found += class_.__subclasses__()
    return set(found)


def test_every_error_that_can_reach_a_wire_has_a_row():
    on_a_wire = deliberate_errors() - {errors.ConfigurationError}
    assert {class_.code for class_ in on_a_wire} <= set(ROWS)
    assert errors.ConfigurationError.code not in ROWS


def test_every_error_has_a_code_of_its_own_and_a_sentence_for_the_caller():
    classes = deliberate_errors()
    assert len({class_.code for class_ in classes}) == len(classes)
    assert all((class_.__doc__ or "").strip().endswith(".") for class_ in classes)
    assert len(classes) > 10


def test_every_row_of_the_error_table_is_used_and_has_a_status_of_an_error():
    used = {text for path in modules() if path != APP / "transports/errors.py" for text in texts(tree_of(path))}
    assert set(ROWS) <= used
    by_protocol = {"PERSISTED_QUERY_NOT_FOUND", "PERSISTED_QUERY_NOT_SUPPORTED"}  # 200: their clients look no further else
    assert all(400 <= row.status < 600 for code, row in ROWS.items() if code not in by_protocol)
    assert {row.status for row in ROWS.values() if row.is_logged} <= {500, 503, 504}


def test_the_drawing_of_the_errors_is_the_tree_that_exists():
    drawn = dict(re.findall(r"[├└]─ (\w+) +([A-Z_]+)", errors.__doc__ or ""))
    assert drawn == {class_.__name__: class_.code for class_ in deliberate_errors() - {errors.FeedgraphError}}


def test_every_setting_stands_in_its_document_with_its_meaning():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert rows == {variable_of(name): field.description for name, field in Settings.model_fields.items()}


def test_the_example_of_an_environment_names_only_settings():
    named = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(named) <= {variable_of(name) for name in Settings.model_fields}
    assert len(named) == len(set(named)) > 5


def test_no_file_names_the_place_where_it_was_written_or_the_host_of_a_registry():
    strays = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        strays += [f"{path.relative_to(ROOT)}: {name}" for name in FOREIGN_NAMES if name in text]
    assert strays == []


def test_nothing_is_under_version_control_that_git_is_told_to_ignore():
    if not HAS_GIT:
        missing("Needs git and a checkout of it: an unpacked archive cannot tell what is under version control.")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


def test_migrations_are_numbered_without_a_hole_and_begin_by_saying_why():
    paths = sorted((ROOT / "migrations").glob("*.sql"))
    assert [path.name[:5] for path in paths] == [f"{number:04d}_" for number in range(1, len(paths) + 1)]
    assert all(path.read_text().startswith("-- ") for path in paths)


def test_every_table_is_emptied_before_each_test_or_holds_nothing_of_a_test():
    text = "".join(path.read_text() for path in (ROOT / "migrations").glob("*.sql"))
    made = set(re.findall(r"^create table (\w+)", text, re.MULTILINE))
    kept = {"event_log_head", "event_log_pieces", "event_log_rest"}  # set back, where pieces lie, a part of event_log
    kept |= {"pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"}  # the queue's own books
    assert set(TABLES.split(", ")) == made - kept
