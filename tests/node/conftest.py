"""Node.js and the packages of tests/node: skipped where they are missing, but not where CI=true promises that they are there."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.needed import missing

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js to run scripts with; the environment's own first, as the set-up may have put one there."""
    search = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")])
    path = shutil.which("node", path=search)
    if path is None:
        missing("No Node.js on the PATH: install it, or run `make test`, which brings one.")
    if not (HERE / "node_modules" / "graphql-ws").is_dir():
        missing("The Node packages of the tests are not installed: run `make test`, or `npm ci` in tests/node.")
    return str(path)
