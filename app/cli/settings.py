"""`feedgraph settings`: what is in force."""

import os

from pydantic import SecretStr
from rich import box
from rich.console import Console
from rich.table import Table

from app.settings import Settings, variable_of


def settings() -> None:
    """Print every setting with its value in force; secrets are hidden."""
    effective = Settings.load()
    table = Table("variable", "value", "", "meaning", box=box.SIMPLE)
    for name, field in Settings.model_fields.items():
        variable, value = variable_of(name), getattr(effective, name)
        changed = "" if value == field.default else "set here" if variable in os.environ else "set in .env"
        table.add_row(variable, shown(value), changed, field.description)
    Console().print(table)


def shown(value: object) -> str:
    """Return a value as a person reads it; a secret shows only that it is there."""
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
