"""Commands whose modules are imported when one runs: help and completion need only their lines, and most need no server."""

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command


def add(app: typer.Typer, package: str, lines: dict[str, str]) -> None:
    """Add commands to a group: each name with the line that lists it.

    A command is the function of its name in the package's module of its name; a group is that module's `app`. A hyphen in a
    name is an underscore in Python.
    """

    def elsewhere() -> None:
        """Stand for the function until its module is imported."""

    for name, line in lines.items():

        class Deferred(TyperCommand):
            module = f"{package}.{name.replace('-', '_')}"

            def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
                return loaded(self.module).make_context(info_name, args, parent, **extra)

        app.command(name, help=line, cls=Deferred)(elsewhere)


def loaded(module: str) -> Any:
    """Import a module; return its command or group."""
    found = sys.modules.get(module) or imported(module)
    app = getattr(found, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command()(getattr(found, module.rpartition(".")[2]))
    return get_command(app)


def imported(module: str) -> ModuleType:
    """Import a module with no look for garbage, then or later: what modules make stays as long as the process."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()
