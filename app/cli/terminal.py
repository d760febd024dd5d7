"""What commands share of the terminal: words, bars and tables for the person there, and how to leave."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Result = TypeVar("Result")
Tell: TypeAlias = Callable[[str, int, int], None]

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(sentence: str) -> None:
    """Tell the person at the terminal what happens."""
    console.print(sentence, markup=False)


def output(file_width: int) -> Console:
    """Return standard output, `file_width` characters wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else file_width)


def leave(_signal: int, _frame: object) -> None:
    """Answer SIGTERM: end as if asked for, and so stop whatever the open contexts hold."""
    sys.exit(143)


def behind_a_bar(work: Callable[[Tell], Coroutine[Any, Any, Result]]) -> Result:
    """Return what the work gives, which tells a progress bar what it does, how much of it is done, and of how much."""
    columns = TextColumn("{task.description:>24}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        bar = display.add_task("", total=None)
        return asyncio.run(work(lambda what, done, total: display.update(bar, description=what, completed=done, total=total)))
