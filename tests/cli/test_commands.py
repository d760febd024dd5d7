"""Commands are listed without being imported: the list says of each what the command says of itself."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app import cli
from app.cli import bench, deferred

# What only a server needs, and takes longest to import.
HEAVY = ("strawberry", "graphql", "asyncpg", "redis", "pgqueuer", "PIL", "grpc", "app.services", "app.transports")


@pytest.mark.parametrize("group", [cli, bench], ids=lambda group: group.__name__)
def test_the_list_says_of_each_command_what_it_says_of_itself(group):
    for name, line in group.COMMANDS.items():
        own = deferred.loaded(f"{group.__name__}.{name.replace('-', '_')}")
        assert own.help.partition("\n\n")[0].replace("\n", " ") == line
    listed = CliRunner().invoke(group.app, ["--help"]).output
    assert re.findall(r"^│ ([a-z][a-z-]*) ", listed, re.MULTILINE) == list(group.COMMANDS)


def test_a_command_and_a_command_of_a_group_tell_their_own_options():
    assert "--processes" in CliRunner().invoke(cli.app, ["serve", "--help"]).output
    assert "--round-trip-ms" in CliRunner().invoke(cli.app, ["bench", "fetches", "--help"]).output
    assert "retry" in CliRunner().invoke(cli.app, ["jobs"]).output  # a group alone tells what is in it
    assert "Did you mean 'serve'?" in CliRunner().invoke(cli.app, ["serv"]).output


def test_only_the_program_itself_installs_completion():
    groups = [[], *([name] for name in cli.COMMANDS if hasattr(deferred.loaded(f"app.cli.{name}"), "commands"))]
    telling = [words for words in groups if "--install-completion" in CliRunner().invoke(cli.app, [*words, "--help"]).output]
    assert len(groups) == 5
    assert telling == [[]]


@pytest.mark.parametrize("words", [["--help"], ["bench", "--help"], ["settings", "--markdown"], ["tail", "--help"]])
def test_what_needs_no_server_imports_none(words):
    program = f"import sys\ntry:\n    from app.cli import app; app({words!r})\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout
    assert not set(HEAVY) & set(ran.stderr.split())
