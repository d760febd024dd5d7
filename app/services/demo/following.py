"""Who follows whom: everybody somebody, most of them a few, and a few followed by most."""

from array import array
from collections.abc import Iterator
from typing import Any

from app.domain.times import moment
from app.services.demo.chance import Chance, Integers, scatter
from app.services.demo.instants import END_MS
from app.services.demo.people import DEMO_PERSON, People
from app.services.demo.size import DEMO_FOLLOWING

DRAWS_PER_FOLLOW = 30  # then the rest is taken in order of popularity


def make_follows(people: People, total: int, chance: Chance) -> Integers:
    """Return whom each person follows, one person after the other, and fill in both counts.

    `people.following` says how many of them are whose.
    """
    following = people.following
    for person in range(len(people)):
        following[person] = 1
    following[DEMO_PERSON] = DEMO_FOLLOWING
    rest = total - len(people) - DEMO_FOLLOWING + 1
    scatter(chance, rest, people.by_activity, following, most=len(people) // 2)
    followees = array("i")
    for person in range(len(people)):
        followees.extend(chosen_by(person, people, chance))
    for followee in followees:
        people.followers[followee] += 1
    return followees


def chosen_by(person: int, people: People, chance: Chance) -> dict[int, None]:
    """Return the people whom one person follows, in the order of choosing."""
    # The first three people follow the demo person, so that even the smallest world gives the examples a follower.
    chosen: dict[int, None] = {DEMO_PERSON: None} if person < 3 else {}
    wanted = people.following[person]
    for _ in range(DRAWS_PER_FOLLOW * wanted):
        if len(chosen) >= wanted:
            return chosen
        followee = draw(person, people, chance)
        if followee != person:
            chosen[followee] = None
    for followee in people.by_popularity:
        if len(chosen) >= wanted:
            break
        if followee != person:
            chosen[followee] = None
    return chosen


def draw(person: int, people: People, chance: Chance) -> int:
    """Return somebody worth following: known everywhere, or (less steeply) among those who speak the same language."""
    u = chance()
    if chance() < 0.6:
        return people.by_popularity[int(len(people) * u * u * u)]
    circle = people.circles[people.language[person]]
    return circle[int(len(circle) * u * u)]


def follow_rows(people: People, followees: Integers, chance: Chance) -> Iterator[tuple[Any, ...]]:
    """Give the rows of stores.demo.FOLLOW_COLUMNS, by follower; a follow happens after both have signed up."""
    created_ms = people.created_ms
    place = 0
    for follower, count in enumerate(people.following):
        for followee in followees[place : place + count]:
            since_ms = max(created_ms[follower], created_ms[followee])
            yield follower + 1, followee + 1, moment(since_ms + 1 + int((END_MS - 1 - since_ms) * chance()))
        place += count
