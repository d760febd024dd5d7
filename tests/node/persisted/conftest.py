"""The packages of this folder: skipped where they are missing, but not where CI=true promises that they are there."""

from pathlib import Path

import pytest

from tests.needed import missing

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_with_persisting_clients(node: str) -> str:
    """The Node.js to run scripts with, where their packages are installed."""
    if not (HERE / "node_modules" / "@apollo").is_dir():
        missing("The packages of tests/node/persisted are missing: run `make test`, or `npm ci` in that folder.")
    return node
