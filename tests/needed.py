"""What some tests need and a desk may lack: a browser, Node.js, a checkout of git, the embedded servers."""

import os
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Skip on a desk, and say why; fail where CI=true promises that everything is installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
