"""What processes have used of the CPU, as Linux tells it."""

import os
from pathlib import Path

from app.bench.wire import CannotMeasure

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, of one process.

    Raises:
        CannotMeasure: it is not there, or this is no Linux.
    """
    return sum(times_of(pid)[:2]) / TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and all its descendants, the ended ones that were waited for included.

    Raises:
        CannotMeasure: the process is not there, or this is no Linux.
    """
    return (sum(times_of(pid)) + sum(sum(times_of(child, missing_ok=True)) for child in descendants(pid))) / TICKS_PER_S


def descendants(pid: int) -> list[int]:
    """Return the living children of a process, their children and so on."""
    parents: dict[int, list[int]] = {}
    for entry in PROC.glob("[0-9]*"):
        if fields := stat_of(int(entry.name)):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found


def times_of(pid: int, *, missing_ok: bool = False) -> list[int]:
    """Return utime, stime, cutime and cstime in ticks; see proc(5)."""
    fields = stat_of(pid)
    if not fields and not missing_ok:
        raise CannotMeasure(f"The CPU time of process {pid} cannot be read: the engine's benchmark needs Linux's /proc.")
    return [int(field) for field in fields[11:15]]


def stat_of(pid: int) -> list[str]:
    """Return the fields of a process behind its name, which may itself hold spaces and parentheses; none where it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
