"""Turns posts without words into rows of the posts table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app.domain.times import moment
from app.services.demo.chance import Chance, pick
from app.services.demo.instants import END_MS, SECOND_MS, id_at
from app.services.demo.people import People
from app.services.demo.threads import Posts
from app.services.demo.vocabulary import Vocabulary
from app.services.demo.writing import filled, post_text, reply_text

TITLED = 0.9  # share of top-level posts
MENTIONING = 0.12  # share of top-level posts; half of the replies begin with a mention too
EDITED = 0.03  # share of all posts
IN_ENGLISH = 0.1  # share of all posts that are in English though their author's language is another
LONGEST_EDIT_MS = 6 * 3_600 * SECOND_MS


def post_rows(posts: Posts, people: People, languages: tuple[Vocabulary, ...], chance: Chance) -> Iterator[tuple[Any, ...]]:
    """Give the rows of stores.demo.POST_COLUMNS, by id."""
    english = next(language for language in languages if language.code == "en")
    for place, at_ms in enumerate(posts.at_ms):
        author, parent = posts.author[place], posts.parent[place]
        answered = posts.author[parent] if parent >= 0 else None
        # A reply is in the language of what it answers.
        spoken = people.language[author if answered is None else answered]
        vocabulary = english if chance() < IN_ENGLISH else languages[spoken]
        if answered is None:
            title = filled(pick(chance, vocabulary.title), vocabulary, chance) if chance() < TITLED else None
            content = post_text(vocabulary, mentioned(people, at_ms, chance), chance)
        else:
            title = None
            content = reply_text(vocabulary, people.usernames[answered], chance)
        yield (
            id_at(at_ms, place),
            author + 1,
            id_at(posts.at_ms[parent], parent) if parent >= 0 else None,
            answered + 1 if answered is not None else None,
            title,
            content,
            moment(at_ms),
            edited_at(at_ms, chance),
            posts.likes[place],
            posts.replies[place],
        )


def mentioned(people: People, at_ms: int, chance: Chance) -> str | None:
    """Return the username of somebody who had signed up by then, or, mostly, None."""
    if chance() >= MENTIONING:
        return None
    u = chance()
    person = people.by_popularity[int(len(people) * u * u * u)]
    return people.usernames[person] if people.created_ms[person] <= at_ms else None


def edited_at(at_ms: int, chance: Chance) -> datetime | None:
    """Return when a post was edited, or, mostly, None."""
    if chance() >= EDITED:
        return None
    u = chance()
    return moment(min(at_ms + 10 * SECOND_MS + int(LONGEST_EDIT_MS * u * u * u), END_MS - 1))
