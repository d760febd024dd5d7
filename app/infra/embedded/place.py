"""Where the data of a home live: in the home, or beside it where the servers' account cannot enter the home."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.infra.embedded.account import SHARED, Account, can_reach, unprivileged
from app.infra.embedded.lock import address_of

DATA = ("postgres", "valkey")
LINK = "servers"  # in the home: leads to the directory outside
ORIGIN = "home"  # in the directory outside: the home it belongs to


@dataclass(frozen=True, slots=True)
class Place:
    """The home as the user knows it, the directory that really holds data, logs and locks, and who runs the servers."""

    home: Path
    directory: Path
    account: Account | None
    is_new_outside: bool  # the directory is not in the home and was made just now


def prepared(home: Path, say: Callable[[str], None]) -> Place:
    """Return the place of `home`, made when missing.

    Raises:
        ConfigurationError: the home cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        home = home.resolve()
        tempfile.TemporaryFile(dir=home).close()
        directory = directory_of(home)
        account = unprivileged(owner_of(directory / "postgres"))
        must_leave = directory == home and not can_reach(account, home) and not is_in_use(home)
        if must_leave:
            directory = made_outside(home)
            say(f"Keeping the data in {directory}, because {home} is closed to the account {account.name if account else ''}.")
        if directory != home:
            (directory / ORIGIN).write_text(str(home))
    except OSError as refused:
        raise unwritable(home, refused) from None
    return Place(home, directory, account, must_leave)


def directory_of(home: Path) -> Path:
    """Return the directory that holds the data of an existing home: itself, or the one outside that its link names."""
    link = home / LINK
    if not link.is_symlink():
        return home
    directory = link.readlink()
    origin = directory / ORIGIN
    if directory.parent != SHARED / "homes" or not origin.is_file():
        return home
    # After a move the old home is gone and the data come along; a copy of a home must not share the original's data.
    owner = Path(origin.read_text())
    return home if owner != home and (owner / LINK).is_symlink() else directory


def made_outside(home: Path) -> Path:
    """Make a directory that unprivileged accounts can enter and link the home to it; the first of two processes wins."""
    homes = SHARED / "homes"
    homes.mkdir(parents=True, exist_ok=True)
    link = home / LINK
    if link.is_symlink():
        link.unlink()
    directory = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=homes))
    directory.chmod(0o711)
    (directory / ORIGIN).write_text(str(home))
    try:
        link.symlink_to(directory)
    except FileExistsError:
        (directory / ORIGIN).unlink()
        directory.rmdir()
        return link.readlink()
    for name in DATA:  # of a time when the home was open, or copied to here
        if (home / name).is_dir():
            shutil.move(home / name, directory / name)
    return directory


def is_in_use(home: Path) -> bool:
    """Return whether servers run on data in the home itself, which then must stay where they are."""
    return any(address_of(home / f"{name}.lock") for name in DATA)


def owner_of(path: Path) -> int:
    """Return the user id that owns `path`, 0 where it does not exist."""
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return 0


def unwritable(home: Path, refused: OSError) -> ConfigurationError:
    """Return the error for a home in which nothing can be written."""
    return ConfigurationError(
        f"The data directory {home} cannot be used by {os.environ.get('USER') or f'user {os.geteuid()}'} ({refused.strerror}): "
        "set FEEDGRAPH_DATA_DIR to a directory that you may write."
    )
