"""Which account runs the embedded servers, what it can reach, and the programs where it can read them."""

import os
import platform
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from app.domain.errors import ConfigurationError

# Root's own corner for what an unprivileged account must reach: copies of programs, and data of homes it cannot enter.
SHARED = Path("/var/lib/feedgraph")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that root drops to; `group` is its primary group."""

    name: str
    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Wheel:
    """Where a server's program lies in its wheel: `folders` is what must be copied for it to run elsewhere."""

    package: str  # import name
    distribution: str
    server: str  # for sentences
    variable: str  # the setting that replaces the embedded server
    program: str  # relative to site-packages
    folders: tuple[str, ...]  # relative to site-packages


def unprivileged(owner: int) -> Account | None:
    """Return the account for the servers, or None where we are not root and run them ourselves.

    Args:
        owner: user id that owns data of an earlier run, 0 where there are none. PostgreSQL insists on its owner, and an
            ordinary user who was root for once shall find the data usable again.
    """
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        entry = pwd.getpwuid(owner)
        if owner:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL refuses to run as root and there is no account named postgres or nobody: start as another user."
    )


def can_reach(account: Account | None, path: Path) -> bool:
    """Return whether the account may pass every parent of `path` and read it; asked of the kernel, so that ACLs count."""
    if account is None:
        return True
    looked = subprocess.run(
        ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)],
        cwd="/",
        user=account.user,
        group=account.group,
        extra_groups=[],
        check=False,
    )
    return looked.returncode == 0


def own(directory: Path, account: Account | None) -> None:
    """Make `directory` private to the account, with whatever root left in it."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if account is None or directory.stat().st_uid == account.user:
        return
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.user, account.group, follow_symlinks=False)
    os.chown(directory, account.user, account.group)


def program_of(wheel: Wheel, account: Account | None, say: Callable[[str], None]) -> Path:
    """Return the wheel's server program at a place where the account can run it, copied there when it must be.

    Raises:
        ConfigurationError: the wheel has no program for this machine.
    """
    # The package is found, not imported: importing it would make directories and warn.
    spec = util.find_spec(wheel.package)
    packages = Path(spec.submodule_search_locations[0]).parent if spec and spec.submodule_search_locations else None
    if packages is None or not (packages / wheel.program).is_file():
        raise ConfigurationError(
            f"There is no embedded {wheel.server} for this machine ({platform.system()} {platform.machine()}): "
            f"set {wheel.variable} to the address of a server."
        )
    if can_reach(account, packages / wheel.program):
        return packages / wheel.program
    copies = SHARED / "programs" / f"{wheel.distribution}-{metadata.version(wheel.distribution)}"
    if not copies.is_dir():
        say(
            f"Copying {wheel.server} to {copies}, because {packages} is closed to the account {account.name if account else ''} …"
        )
        copy_programs(packages, wheel.folders, copies)
    return copies / wheel.program


def copy_programs(packages: Path, folders: tuple[str, ...], target: Path) -> None:
    """Copy the folders to `target`, readable for everybody; all or nothing, also when two processes do it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copies = Path(scratch) / "copies"
        for folder in folders:
            shutil.copytree(packages / folder, copies / folder, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        # A wheel that was installed under a strict umask is readable for its installer alone.
        for path in (copies, *copies.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            copies.rename(target)
        except OSError:
            if not target.is_dir():
                raise
