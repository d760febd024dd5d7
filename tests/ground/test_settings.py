"""Settings: what is refused at once, in a sentence that names the variable."""

import pytest

from app.domain.errors import ConfigurationError
from app.settings import Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Read no .env but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def refusal() -> str:
    with pytest.raises(ConfigurationError) as refused:
        Settings.load()
    return refused.value.message


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setenv("FEEDGRAPH_PORTT", "1")
    assert "FEEDGRAPH_PORTT" in refusal()
    assert "the nearest is FEEDGRAPH_PORT." in refusal()


def test_an_unknown_variable_in_the_env_file_is_refused_too(elsewhere):
    (elsewhere / ".env").write_text("FEEDGRAPH_MAX_DEPHT=3\n")
    assert "the nearest is FEEDGRAPH_MAX_DEPTH." in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEEDGRAPH_PORT", "0"),
        ("FEEDGRAPH_PORT", "65536"),
        ("FEEDGRAPH_ENV", "staging"),
        ("FEEDGRAPH_STATEMENT_TIMEOUT_S", "inf"),
        ("FEEDGRAPH_STATEMENT_TIMEOUT_S", "0.0001"),
        ("FEEDGRAPH_QUERY_TIMEOUT_S", "nan"),
        ("FEEDGRAPH_MAX_DEPTH", "-1"),
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("REDIS_URL", "http://localhost"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name} is not acceptable: ")


def test_a_secret_is_not_said(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@localhost/x")
    assert "hunter2" not in refusal()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "FEEDGRAPH_DATA_DIR", "FEEDGRAPH_PORT"])
def test_an_empty_variable_is_none(monkeypatch, name):
    monkeypatch.setenv(name, "")
    assert Settings.load() == Settings()
    assert Settings.load().home.name == "8000"


def test_a_line_of_the_env_file_that_means_nothing_is_refused_with_its_number(elsewhere):
    (elsewhere / ".env").write_text("FEEDGRAPH_PORT=8001\n= what\n")
    assert "Line 2 of .env" in refusal()


def test_an_env_file_that_is_not_text_is_refused(elsewhere):
    (elsewhere / ".env").write_bytes(b"FEEDGRAPH_HOST=\xff\n")
    assert "UTF-8" in refusal()


def test_the_environment_wins_over_the_env_file(elsewhere, monkeypatch):
    (elsewhere / ".env").write_text("FEEDGRAPH_PORT=8001\nFEEDGRAPH_HOST=::1\n")
    monkeypatch.setenv("FEEDGRAPH_PORT", "8002")
    assert (Settings.load().port, Settings.load().host) == (8002, "::1")
