"""What people are called and talk about, language by language, read from the text files beside this module.

A file has sections, `[sentence]` and the like, with one item a line. In items, {place} is a whole phrase ("in Lisbon"), {food}
and {topic} are words that stand as in a list, and {n} is a number from 5 to 10 (no language here changes its endings in between).
Items avoid first-person forms that would tell the writer's gender. A name may carry its spelling for the username: Ελένη=eleni.
To add a language, add a file.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_lowercase

FOLDER = Path(__file__).parent / "languages"


@dataclass(frozen=True, slots=True)
class NamePart:
    """A given or family name, as shown and as in a username."""

    shown: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One language. `share` is the weight of its speakers; `gap` is what stands between two sentences."""

    code: str
    share: int
    name: str
    gap: str
    given: tuple[NamePart, ...]
    family: tuple[NamePart, ...]
    place: tuple[str, ...]
    food: tuple[str, ...]
    topic: tuple[str, ...]
    title: tuple[str, ...]
    sentence: tuple[str, ...]
    closer: tuple[str, ...]
    reply: tuple[str, ...]
    bio: tuple[str, ...]
    tag: tuple[str, ...]


@cache
def vocabularies() -> tuple[Vocabulary, ...]:
    """Return all languages in the order of their codes."""
    return tuple(vocabulary(path.stem, sections_of(path.read_text("utf-8"))) for path in sorted(FOLDER.glob("*.txt")))


def sections_of(text: str) -> dict[str, list[str]]:
    """Return the items of each section, in order."""
    sections: dict[str, list[str]] = {}
    items: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            items = sections.setdefault(line.strip("[]"), [])
        elif line:
            items.append(line)
    return sections


def vocabulary(code: str, sections: dict[str, list[str]]) -> Vocabulary:
    """Return the language that a file's sections describe."""
    phrases = {
        kind: tuple(sections[kind]) for kind in ("place", "food", "topic", "title", "sentence", "closer", "reply", "bio", "tag")
    }
    return Vocabulary(
        code=code,
        share=int(sections["share"][0]),
        name=sections["name"][0],
        gap="" if sections["sentence"][0].endswith("。") else " ",
        given=tuple(name_part(item) for item in sections["given"]),
        family=tuple(name_part(item) for item in sections["family"]),
        **phrases,
    )


def name_part(item: str) -> NamePart:
    """Return a name with its ASCII spelling, which is the name itself where it has only such letters."""
    shown, _, spelled = item.partition("=")
    spelled = spelled or shown.lower()
    if not spelled or set(spelled) - set(ascii_lowercase):
        raise ValueError(f"{item} needs a spelling in a-z after an equals sign")
    return NamePart(shown, spelled)
