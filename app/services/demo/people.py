"""The people of the demo world: when they came, what they speak, how popular they are, and their profiles."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.domain.demo import DEMO_USER_ID
from app.domain.times import moment
from app.services.demo.chance import Chance, Integers, pick, shuffled
from app.services.demo.instants import FIRST_SIGN_UP_MS, LAST_SIGN_UP_MS
from app.services.demo.vocabulary import NamePart, Vocabulary
from app.services.demo.writing import filled

DEMO_PERSON = DEMO_USER_ID - 1  # people are numbered from 0 while the world is made; ids start at 1


@dataclass(frozen=True, slots=True)
class People:
    """Columns of equal length, one place a person, ordered by sign-up; rankings and circles hold such places."""

    created_ms: Integers
    language: Integers  # place in the vocabularies
    names: list[str]
    usernames: list[str]
    by_popularity: Integers  # the best known first
    popularity_rank: Integers
    by_activity: Integers  # the busiest readers first
    circles: list[Integers]  # for each language its speakers, the best known first
    followers: Integers
    following: Integers
    posts: Integers  # replies included

    def __len__(self) -> int:
        return len(self.created_ms)


def make_people(count: int, languages: tuple[Vocabulary, ...], chance: Chance) -> People:
    """Return people without follows or posts, their counts all zero."""
    speakers = [place for place, language in enumerate(languages) for _ in range(language.share)]
    language = array("b", (pick(chance, speakers) for _ in range(count)))
    # The demo person writes English, so that what the examples show can be read by most.
    language[DEMO_PERSON] = next(place for place, spoken in enumerate(languages) if spoken.code == "en")
    names, usernames = named(language, languages, chance)
    by_popularity = shuffled(chance, count)
    # The demo person is well known without being a star: enough followers, likes and replies to look at.
    known = count // 40
    swap = by_popularity.index(DEMO_PERSON)
    by_popularity[known], by_popularity[swap] = by_popularity[swap], by_popularity[known]
    rank = array("i", bytes(4 * count))
    circles = [array("i") for _ in languages]
    for place, person in enumerate(by_popularity):
        rank[person] = place
        circles[language[person]].append(person)
    return People(
        created_ms=sign_ups(count, chance),
        language=language,
        names=names,
        usernames=usernames,
        by_popularity=by_popularity,
        popularity_rank=rank,
        by_activity=shuffled(chance, count),
        circles=circles,
        followers=array("i", bytes(4 * count)),
        following=array("i", bytes(4 * count)),
        posts=array("i", bytes(4 * count)),
    )


def sign_ups(count: int, chance: Chance) -> Integers:
    """Return rising instants over the years, closer together the later it gets."""
    span_ms = LAST_SIGN_UP_MS - FIRST_SIGN_UP_MS
    times = array("q")
    for person in range(count):
        x = (person + chance()) / count
        times.append(FIRST_SIGN_UP_MS + int(span_ms * x * (2 - x)))
    return times


def named(language: Integers, languages: tuple[Vocabulary, ...], chance: Chance) -> tuple[list[str], list[str]]:
    """Return everybody's name, and a username that is theirs alone."""
    names, usernames = [], []
    taken: dict[str, int] = {}
    for spoken in language:
        vocabulary = languages[spoken]
        given, family = pick(chance, vocabulary.given), pick(chance, vocabulary.family)
        names.append(vocabulary.name.format(given=given.shown, family=family.shown))
        usernames.append(free_username(wished_username(given, family, chance), taken))
    return names, usernames


def wished_username(given: NamePart, family: NamePart, chance: Chance) -> str:
    """Return a username of at most 24 characters, as people like to choose them."""
    wishes = (
        f"{given.ascii}_{family.ascii}",
        f"{given.ascii}{family.ascii}",
        f"{family.ascii}_{given.ascii[0]}",
        f"{given.ascii[0]}{family.ascii}",
        f"{given.ascii}_{1960 + int(50 * chance())}",
        f"the_{given.ascii}",
    )
    return pick(chance, wishes)[:24]


def free_username(wish: str, taken: dict[str, int]) -> str:
    """Return the wish, with a number behind it where somebody has it or it is too short; `taken` remembers the answer."""
    username, number = wish, taken.get(wish, 1)
    while username in taken or len(username) < 3:
        number += 1
        username = f"{wish}{number}"
    taken[wish] = number
    taken.setdefault(username, 1)
    return username


def user_rows(people: People, languages: tuple[Vocabulary, ...], chance: Chance) -> Iterator[tuple[Any, ...]]:
    """Give the rows of stores.demo.USER_COLUMNS, by id.

    Pictures have addresses below .example, a domain that is reserved and answers nowhere: showing one asks no foreign server.
    """
    for person, username in enumerate(people.usernames):
        vocabulary = languages[people.language[person]]
        yield (
            person + 1,
            username,
            people.names[person],
            filled(pick(chance, vocabulary.bio), vocabulary, chance) if chance() < 0.85 else None,
            f"https://avatars.example/{person + 1}.png" if chance() < 0.7 else None,
            moment(people.created_ms[person]),
            people.followers[person],
            people.following[person],
            people.posts[person],
        )
