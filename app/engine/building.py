"""Builders: one generated expression for each object, which makes its plain value of a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import get_named_type, is_list_type, is_non_null_type

from app.engine.bindings import Attribute, Derived
from app.engine.steps import Uncovered

RAW_SCALARS = {"String", "Int", "Boolean", "Float"}  # their values are stored as they travel


class Columns:
    """The columns that rows of one place must hold, in the order in which they were first wanted."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def index(self, name: str) -> int:
        """Return the place of a column, adding it where it is new."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


@dataclass(slots=True)
class Builder:
    """Collects the expression that makes a plain object of a row, and the names that the expression uses."""

    columns: Columns | None  # None: rows are things with attributes
    prefix: str = ""  # of columns, within a joined object
    names: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Return the expression of a row's value."""
        if self.columns is None:
            return f"r.{name}"
        return f"r[{self.columns.index(self.prefix + name)}]"

    def getter(self, name: str) -> Callable[[Any], Any]:
        """Return a function for a row's value."""
        return compiled(f"lambda r: {self.value(name)}", {})

    def leaf(self, type_: Any, binding: Attribute | Derived) -> str:
        """Return the expression of a leaf as it travels."""
        required, named = is_non_null_type(type_), get_named_type(type_)
        if is_list_type(type_.of_type if required else type_):
            raise Uncovered("a list of leaves")
        if isinstance(binding, Derived):
            if self.columns is not None:
                raise Uncovered("a leaf that is no column")
            return self.shown(named, f"{self.name_of(binding.of)}(r)", required=required)
        value = self.value(binding.name)
        if self.columns is not None:
            if binding.is_ready or named.name in RAW_SCALARS:
                return value
            shown = f"str({value})" if named.name == "ID" else f"{self.name_of(named.serialize)}({value})"
            return shown if required else f"(None if {value} is None else {shown})"
        return self.shown(named, value, required=required)

    def shown(self, type_: Any, value: str, *, required: bool) -> str:
        """Return the expression of a leaf as it travels, of the expression of its value as things have it."""
        show = required_leaf(type_.serialize) if required else optional_leaf(type_.serialize)
        return f"{self.name_of(show)}({value})"

    def name_of(self, function: Any) -> str:
        """Return the name under which the expression calls a function."""
        name = f"f{len(self.names)}"
        self.names[name] = function
        return name


def required_leaf(serialize: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that shows a value which must be there."""

    def show(value: Any) -> Any:
        shown = None if value is None else serialize(value)
        if shown is None:
            raise TypeError("a null where there must be none")  # an anomaly like every other exception
        return shown

    return show


def optional_leaf(serialize: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that shows a value which may be missing."""
    return lambda value: None if value is None else serialize(value)


def compiled(expression: str, names: dict[str, Any]) -> Callable[[Any], Any]:
    """Return the function of an expression. It is put together from names of the schema and quoted response keys only."""
    return eval(expression, {"__builtins__": {"str": str}, **names})  # type: ignore[no-any-return]  # noqa: S307
