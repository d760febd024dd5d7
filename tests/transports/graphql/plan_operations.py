"""Random valid operations over the real schema, with ids and cursors of real rows.

First a tree of merged fields is drawn; then it is written down in pieces, spread over fragments, with fields repeated, so that
the executor has to merge it again. A response key always stands for the same field and arguments, which makes every merge valid.
"""

import json
import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from app.transports.graphql.schema import core_schema

MAX_FIELDS = 45  # in one operation, before they are repeated
MAX_DEPTH = 9
ROOTS = {"user": 6, "post": 5, "node": 2, "nodes": 3, "latestPosts": 2, "feed": 2, "viewer": 2, "eventCursor": 1, "__typename": 1}


@dataclass
class Facts:
    """What the database holds: `cursors` by the list's name and its parent's id ("" for lists of the root)."""

    users: list[str]
    posts: list[str]
    usernames: list[str]
    cursors: dict[str, dict[str, list[str]]]


@dataclass
class Operation:
    """An operation and its variables."""

    text: str
    variables: dict[str, Any]


@dataclass
class Node:
    """A merged field: its response key, its name and arguments as written, and the selection below it by type condition."""

    key: str
    call: str
    selections: dict[str, dict[str, "Node"]] = field(default_factory=dict)


def operation(rng: Random, facts: Facts) -> Operation:
    """Return a random operation."""
    return Writer(rng, facts).write()


@dataclass
class Writer:
    """One operation in the making."""

    rng: Random
    facts: Facts
    declared: dict[str, str] = field(default_factory=dict)  # declarations of variables by name
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    calls: dict[str, list[str]] = field(default_factory=dict)  # arguments by field: their place decides the alias
    fields: int = 0

    def write(self) -> Operation:
        """Draw and write down."""
        query = core_schema().query_type
        assert query is not None
        roots = self.rng.choices(list(ROOTS), list(ROOTS.values()), k=self.rng.choice([1, 1, 1, 2, 3]))
        tree: dict[str, Node] = {}
        for name in roots:
            self.add(tree, query, name, 1, None)
        if self.rng.random() < 0.01:
            root = {"queryType": Node("queryType", "queryType", {"__Type": {"name": Node("name", "name")}})}
            tree["__schema"] = Node("__schema", "__schema", {"__Schema": root})
        body = self.block({"Query": tree}, "Query")
        text = "\n".join([body, *self.fragments])
        used = {
            name: one for name, one in self.declared.items() if re.search(rf"\${name}\b", text)
        }  # a field drawn twice is dropped
        declared = f"({', '.join(used.values())})" if used else ""
        return Operation(f"query Q{declared} {text}", {name: one for name, one in self.variables.items() if name in used})

    # Drawing the tree.

    def selection(self, type_: GraphQLNamedType, depth: int, parent: str | None) -> dict[str, dict[str, Node]]:
        """Return what is selected of a type; `parent` is the id of the only object there, where it is known."""
        if isinstance(type_, GraphQLInterfaceType):
            conditions = [type_, *core_schema().get_possible_types(type_)]
            chosen = [one for one in conditions if self.rng.random() < 0.7] or [type_]
            return {one.name: self.members(one, depth, parent) for one in chosen}
        return {type_.name: self.members(type_, depth, parent)}

    def members(self, type_: Any, depth: int, parent: str | None) -> dict[str, Node]:
        """Return fields of one type."""
        tree: dict[str, Node] = {}
        leaves = [name for name, one in type_.fields.items() if is_leaf_type(get_named_type(one.type))]
        others = [name for name in type_.fields if name not in leaves]
        wanted = self.rng.sample(leaves, k=min(len(leaves), self.rng.randint(0, 4)))
        if depth < MAX_DEPTH and others and self.fields < MAX_FIELDS:
            most = 2 if depth < 5 else 1
            wanted += self.rng.sample(others, k=min(len(others), self.rng.randint(1 if not wanted else 0, most)))
        if self.rng.random() < 0.2 or not wanted:
            wanted.append("__typename")
        self.rng.shuffle(wanted)
        for name in wanted:
            for _ in range(2 if self.rng.random() < 0.12 else 1):
                self.add(tree, type_, name, depth + 1, parent)
        return tree

    def add(self, tree: dict[str, Node], type_: GraphQLObjectType, name: str, depth: int, parent: str | None) -> None:
        """Add a field to the tree, unless its response key is there already."""
        self.fields += 1
        if name == "__typename":
            key = self.rng.choice(["__typename", "kind"])
            tree[key] = Node(key, name)
            return
        definition = type_.fields[name]
        arguments, below = self.arguments(name, definition, parent)
        key = self.key(name, arguments)
        if key in tree:
            return
        node = Node(key, name + arguments)
        inner = get_named_type(definition.type)
        if not is_leaf_type(inner):
            node.selections = self.selection(inner, depth, below)
        tree[key] = node

    def key(self, name: str, arguments: str) -> str:
        """Return a response key: the same one only for the same field and arguments."""
        known = self.calls.setdefault(name, [])
        if arguments not in known:
            known.append(arguments)
        place = known.index(arguments)
        return name if place == 0 and self.rng.random() < 0.8 else f"{self.rng.choice('ab')}{place}_{name}"

    # Arguments.

    def arguments(self, name: str, definition: GraphQLField, parent: str | None) -> tuple[str, str | None]:
        """Return the arguments as written, and the id of the one object that the field gives, where it is known."""
        if not definition.args:
            return "", None
        if name == "user":
            return self.user_arguments()
        if "id" in definition.args:
            ids = self.facts.posts if name == "post" else self.facts.posts + self.facts.users
            id_ = self.id(ids)
            return self.written({"id": self.value("ID!", id_)}), id_
        if "ids" in definition.args:
            return self.written({"ids": self.ids()}), None
        if "after" in definition.args:
            return self.written(self.page(name, parent)), None
        return self.written({"first": self.value("Int", self.size(), 3)} if self.rng.random() < 0.8 else {}), None

    def user_arguments(self) -> tuple[str, str | None]:
        """Return the arguments of user: by id, by name, by both or by nothing."""
        id_ = self.id(self.facts.users)
        name = self.rng.choice([*self.facts.usernames, "nobody_at_all", "Not A Name"])
        form = self.rng.choices(["id", "name", "both", "none"], [12, 4, 1, 1])[0]
        written = {}
        if form in {"id", "both"}:
            written["id"] = self.value("ID", id_)
        if form in {"name", "both"}:
            written["username"] = self.value("String", self.rng.choice([name, name.upper()]))
        return self.written(written), id_ if form == "id" else None

    def id(self, ids: list[str]) -> str:
        """Return an id: mostly a real one, also a missing one or none at all."""
        return self.rng.choice(ids) if self.rng.random() < 0.93 else self.rng.choice(["9223372036854775807", "1", "x", "", "007"])

    def ids(self) -> str:
        """Return a list of ids of mixed types, some of them missing or repeated."""
        ids = [self.id(self.facts.posts + self.facts.users) for _ in range(self.rng.randint(0, 6))]
        ids += ids[: self.rng.choice([0, 0, 2])]
        if self.rng.random() < 0.4:
            return self.value("[ID!]!", ids)
        return f"[{', '.join(self.value('ID!', id_) for id_ in ids)}]"

    def size(self) -> int | None:
        """Return the size of a page, at times one that is refused."""
        return self.rng.choice([0, 1, 1, 2, 2, 3, 4, 5]) if self.rng.random() < 0.97 else self.rng.choice([-1, 101, None])

    def page(self, name: str, parent: str | None) -> dict[str, str]:
        """Return the arguments of a connection."""
        written = {self.rng.choice(["first", "first", "last"]): self.value("Int", self.size(), 2)}
        if self.rng.random() < 0.02:
            written = {"first": self.value("Int", 2), "last": self.value("Int", 1)}
        known = self.facts.cursors.get(name, {})
        place = self.rng.choice(["after", "before"])
        mine = known.get(parent or "", [])
        if mine and self.rng.random() < 0.5:
            written[place] = self.value("Cursor", self.rng.choice(mine))
        elif known and self.rng.random() < 0.05:
            written[place] = self.value("Cursor", self.rng.choice([*self.rng.choice(list(known.values())), "nonsense"]))
        elif self.rng.random() < 0.05:
            written[place] = self.value("Cursor", None)
        return written

    def written(self, arguments: dict[str, str]) -> str:
        """Return arguments as they stand behind a field's name."""
        return f"({', '.join(f'{name}: {value}' for name, value in arguments.items())})" if arguments else ""

    def value(self, type_: str, value: Any, default: Any = None) -> str:
        """Return a value as it is written: in place, or as a variable that is given, left to its default, or null."""
        if self.rng.random() < 0.6 or (not type_.endswith("!") and self.rng.random() < 0.1):
            return json.dumps(value)
        same = [name for name, text in self.declared.items() if text == f"${name}: {type_}" and self.variables.get(name) == value]
        if same and self.rng.random() < 0.5:
            return f"${self.rng.choice(same)}"
        name = f"v{len(self.declared)}"
        form = self.rng.choices(["given", "default", "absent"], [8, 3, 0 if type_.endswith("!") else 1])[0]
        self.declared[name] = f"${name}: {type_}"
        if form == "given":
            self.variables[name] = value
        elif form == "default":
            stands = value if value is not None or type_.endswith("!") else default
            self.declared[name] += f" = {json.dumps(stands)}"
        return f"${name}"

    def flag(self) -> str:
        """Return @skip or @include, now and then."""
        if self.rng.random() > 0.1:
            return ""
        name, wanted = self.rng.choice(["skip", "include"]), self.rng.random() < 0.5
        if self.rng.random() < 0.3:
            return f" @{name}(if: {json.dumps(wanted)})"
        variable = f"flag{self.rng.randint(0, 2)}"
        if variable not in self.declared:
            self.declared[variable] = f"${variable}: Boolean!"
            self.variables[variable] = wanted
        return f" @{name}(if: ${variable})"

    # Writing the tree down in pieces.

    def block(self, selections: dict[str, dict[str, Node]], type_name: str) -> str:
        """Return a selection set: fields in place or in fragments, some of them twice."""
        pieces = []
        for condition, tree in selections.items():
            nodes = list(tree.values())
            repeated = [node for node in nodes if self.rng.random() < 0.15]
            for group in self.groups(nodes) + ([repeated] if repeated else []):
                text = "\n".join(self.field_text(node) for node in group)
                pieces.append(self.wrapped(text, condition, must=condition != type_name))
        self.rng.shuffle(pieces)
        return "{\n" + "\n".join(pieces) + "\n}"

    def groups(self, nodes: list[Node]) -> list[list[Node]]:
        """Return the fields in one or two groups."""
        cut = self.rng.randint(1, len(nodes)) if self.rng.random() < 0.4 else len(nodes)
        return [group for group in (nodes[:cut], nodes[cut:]) if group]

    def wrapped(self, text: str, condition: str, *, must: bool) -> str:
        """Return fields as they are, or within a fragment."""
        form = self.rng.choices(["plain", "inline", "bare", "named"], [0 if must else 8, 1, 0 if must else 1, 1])[0]
        if form == "plain":
            return text
        if form == "named":
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {condition} {{\n{text}\n}}")
            return f"...{name}{self.flag()}" + (f"\n...{name}" if self.rng.random() < 0.2 else "")
        return f"... {f'on {condition}' if form == 'inline' else ''}{self.flag()} {{\n{text}\n}}"

    def field_text(self, node: Node) -> str:
        """Return one field with a part of what is selected below it, or all."""
        name = node.call.partition("(")[0]
        alias = "" if node.key == name else f"{node.key}: "
        text = f"{alias}{node.call}{self.flag()}"
        if not node.selections:
            return text
        type_name = "Node" if node.call.startswith(("node(", "nodes(")) else next(iter(node.selections))
        return f"{text} {self.block(node.selections, type_name)}"
