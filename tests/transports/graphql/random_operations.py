"""Random valid operations over the real schema, with every way of writing the same thing."""

from itertools import count
from random import Random
from typing import Any

LEAVES = {"User": ["id", "username", "name", "postsCount", "viewerIsFollowing"], "Post": ["id", "title", "content", "likesCount"]}
ONES = {"User": {}, "Post": {"author": "User", "inReplyTo": "Post"}}
LISTS = {"User": {"posts": "Post"}, "Post": {"replies": "Post"}}
CONNECTIONS = {
    "User": {"postsConnection": "Post", "followers": "User", "following": "User"},
    "Post": {"repliesConnection": "Post", "likers": "User"},
}


class Writer:
    """One operation while it is written."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.variables: dict[str, tuple[str, Any]] = {}
        self.fragments: list[str] = []
        self.aliases = 0
        self.numbers = count()

    def size(self, *, may_be_last: bool) -> str:
        """Write the arguments of a list."""
        choice = self.chance.randrange(5)
        name = "last" if may_be_last and self.chance.random() < 0.3 else "first"
        if choice == 0:
            return ""
        if choice == 1:
            return f"({name}: null)"
        number = self.chance.randrange(5)
        if choice == 2:
            variable = f"n{next(self.numbers)}"
            self.variables[variable] = self.chance.choice(
                [("Int", number), ("Int = 2", None), ("Int", None), ("Int = 3", number)]
            )
            return f"({name}: ${variable})"
        return f"({name}: {number})"

    def flag(self) -> str:
        """Write a directive, sometimes."""
        if self.chance.random() > 0.15:
            return ""
        variable = f"f{next(self.numbers)}"
        self.variables[variable] = ("Boolean!", self.chance.random() < 0.7)
        return f"@{self.chance.choice(['include', 'skip'])}(if: ${variable}) "

    def name(self, field: str) -> str:
        """Write a field's name with an alias of its own: the same field may stand beside it with other arguments."""
        self.aliases += 1
        return f"x{next(self.numbers)}: {field}"

    def selection(self, type_: str, depth: int) -> str:
        """Write what is selected of a person or a post."""
        parts = ["__typename", *self.chance.sample(LEAVES[type_], 2)]
        for _ in range(self.chance.randint(0, 2) if depth and self.aliases < 25 else 0):
            kind = self.chance.choice([ONES, LISTS, CONNECTIONS])
            if kind[type_]:
                field, target = self.chance.choice(list(kind[type_].items()))
                parts.append(self.field(kind, field, target, depth - 1))
        if self.chance.random() < 0.3:
            parts = self.as_fragment(type_, parts)
        return "{ " + " ".join(parts) + " }"

    def field(self, kind: Any, field: str, target: str, depth: int) -> str:
        """Write a field that shows people or posts."""
        if kind is ONES:
            return f"{field} {{ __typename }} {self.name(field)} {self.flag()}{self.selection(target, depth)}"
        if kind is LISTS:
            return f"{self.name(field)}{self.size(may_be_last=False)} {self.flag()}{self.selection(target, depth)}"
        return f"{self.name(field)}{self.size(may_be_last=True)} {self.flag()}{self.connection(target, depth)}"

    def connection(self, target: str, depth: int) -> str:
        """Write what is selected of a connection."""
        form = self.chance.choice(["nodes", "edges", "both", "neither"])
        parts = []
        if form in {"nodes", "both"}:
            parts.append(f"nodes {self.selection(target, depth)}")
        if form in {"edges", "both"}:
            parts.append(f"edges {{ cursor node {self.selection(target, depth)} }}")
        return "{ " + " ".join([*parts, "pageInfo { hasNextPage }"]) + " }"

    def as_fragment(self, type_: str, parts: list[str]) -> list[str]:
        """Move a selection into a fragment, and spread that once or twice."""
        if self.chance.random() < 0.5:
            return [f"... on {type_} {{ {' '.join(parts)} }}"]
        name = f"frag{next(self.numbers)}"
        self.fragments.append(f"fragment {name} on {type_} {{ {' '.join(parts)} }}")
        return [f"...{name}"] * self.chance.randint(1, 2)

    def root(self) -> str:
        """Write a root field."""
        id_ = self.chance.randint(1, 160)
        roots = [
            lambda: f'{self.name("user")}(id: "{id_}") {self.selection("User", 3)}',
            lambda: f"{self.name('latestPosts')}{self.size(may_be_last=True)} {self.flag()}{self.connection('Post', 2)}",
            lambda: f"{self.name('feed')}{self.size(may_be_last=True)} {self.connection('Post', 2)}",
            lambda: f'{self.name("nodes")}(ids: ["{id_}", "3", "999999"]) {{ id ... on User {self.selection("User", 1)} }}',
            lambda: f"viewer {self.selection('User', 2)}",
        ]
        return self.chance.choice(roots)()


def random_operation(chance: Random) -> tuple[str, dict[str, Any]]:
    """Return an operation and its variables; those that have a default may be absent."""
    writer = Writer(chance)
    roots = " ".join(["__typename", writer.root()])
    declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in writer.variables.items())
    given = {name: value for name, (type_, value) in writer.variables.items() if value is not None or "=" not in type_}
    return f"query{f'({declared})' if declared else ''} {{ {roots} }} {' '.join(writer.fragments)}", given
