"""Who likes what: a few posts much, most of them little."""

from collections.abc import Iterator
from typing import Any

from app.domain.times import moment
from app.services.demo.chance import Chance, scatter
from app.services.demo.instants import END_MS, id_at
from app.services.demo.people import People
from app.services.demo.threads import Posts, ranked_by_attention


def count_likes(posts: Posts, people: People, total: int, chance: Chance) -> None:
    """Fill in how many likes each post has."""
    ranking = ranked_by_attention(posts.author, people, chance, posts.parent)
    scatter(chance, total, ranking, posts.likes, most=len(people) // 2)


def like_rows(posts: Posts, people: People, chance: Chance) -> Iterator[tuple[Any, ...]]:
    """Give the rows of stores.demo.LIKE_COLUMNS, by post; a like comes after the post and after the sign-up of its author."""
    for place, count in enumerate(posts.likes):
        if not count:
            continue
        at_ms = posts.at_ms[place]
        post_id = id_at(at_ms, place)
        for person in likers(count, people, chance):
            since_ms = max(at_ms, people.created_ms[person])
            u = chance()
            yield person + 1, post_id, moment(since_ms + 1 + int((END_MS - 1 - since_ms) * u * u * u))


def likers(count: int, people: People, chance: Chance) -> dict[int, None]:
    """Return so many different people, the active ones more often."""
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        u = chance()
        chosen[people.by_activity[int(len(people) * u * u)]] = None
    return chosen
