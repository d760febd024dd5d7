"""Node.js and the packages of this folder: skipped where they are missing, but not where CI=true promises that they are there."""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_with_persisting_clients() -> str:
    """The Node.js to run scripts with; the environment's own first, as the set-up may have put one there."""
    search = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")])
    path = shutil.which("node", path=search)
    if path is None or not (HERE / "node_modules" / "@apollo").is_dir():
        sentence = "Node.js or the packages of tests/node/persisted are missing: run `make test`, or `npm ci` in that folder."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return path
