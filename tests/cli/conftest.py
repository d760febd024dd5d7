"""What the tests of commands stand on: the command line in this process, from its words to its exit status."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.__main__ import main


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    out: bytes
    err: str


@pytest.fixture
def feedgraph(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ended]:
    """A function that runs a command as a shell would, but for the second that a new process takes to import a server."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["feedgraph", *map(str, words)])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfdbinary.readouterr()
        status = left.value.code
        assert status is None or isinstance(status, int)
        return Ended(status or 0, out, err.decode())

    return run
