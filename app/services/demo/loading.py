"""Makes a world and copies it into an empty database, all of it or nothing."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.domain.times import moment
from app.infra.database import Database
from app.services.demo.chance import Integers, stream
from app.services.demo.following import follow_rows, make_follows
from app.services.demo.instants import END_MS, SESSION_EXPIRY_MS, id_at
from app.services.demo.liking import count_likes, like_rows
from app.services.demo.people import People, make_people, user_rows
from app.services.demo.publishing import post_rows
from app.services.demo.size import WorldSize
from app.services.demo.threads import Posts, make_posts
from app.services.demo.vocabulary import vocabularies
from app.stores import demo as store

Progress = Callable[[str, int, int], None]  # what is being made, how much of it is done, how much there is
Rows = Iterator[tuple[Any, ...]]

ROWS_PER_REPORT = 1_000
PLANNING = "world"  # name of the first step in progress reports; the others are names of tables


@dataclass(frozen=True, slots=True)
class Summary:
    """What was loaded."""

    world: WorldSize
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything but the words: small enough for memory in the largest world, so that counters are known before rows."""

    people: People
    followees: Integers
    posts: Posts


async def is_empty(db: Database) -> bool:
    """Say whether nobody is there yet, so that a world can be loaded."""
    return not await store.users_exist(db)


async def load(
    db: Database,
    world: WorldSize,
    seed: int,
    progress: Progress,
    *,
    replace: bool = False,
    is_production: bool = False,
) -> Summary:
    """Make the world and copy it in, in one transaction; `replace` first removes everybody who is there, real people too.

    Raises:
        ConfigurationError: there are users already and `replace` is false, or this is production.
    """
    if is_production:
        raise ConfigurationError(
            "The demo world is not for production: its people are made up and its token is public. Use FEEDGRAPH_ENV=development."
        )
    await refuse_if_filled(db, replace=replace)
    plan = planned(world, seed, progress)
    async with db.transaction() as tx:
        await store.lock(tx)
        await refuse_if_filled(tx, replace=replace)  # again: another load may have ended while we waited for the lock
        if replace:
            await store.clear(tx)
        await copy_world(tx, world, seed, plan, progress)
        await sign_in_demo_user(tx)
    await store.analyze(db)
    return Summary(world, seed)


async def refuse_if_filled(db: Database, *, replace: bool) -> None:
    """Keep what people have written, unless asked to remove it."""
    if not replace and not await is_empty(db):
        raise ConfigurationError(
            "The database has users already, so no demo world was loaded. Add --replace to delete everything in it first."
        )


def planned(world: WorldSize, seed: int, progress: Progress) -> Plan:
    """Return who there is, whom they follow, what they answer and how much it is liked."""
    progress(PLANNING, 0, 4)
    people = make_people(world.users, vocabularies(), stream(seed, "people"))
    progress(PLANNING, 1, 4)
    followees = make_follows(people, world.follows, stream(seed, "follows"))
    progress(PLANNING, 2, 4)
    posts = make_posts(people, world.posts, world.replies, stream(seed, "posts"))
    progress(PLANNING, 3, 4)
    count_likes(posts, people, world.likes, stream(seed, "likes"))
    progress(PLANNING, 4, 4)
    return Plan(people, followees, posts)


async def copy_world(db: Database, world: WorldSize, seed: int, plan: Plan, progress: Progress) -> None:
    """Copy table by table, each row made when its turn comes."""
    people, posts, languages = plan.people, plan.posts, vocabularies()
    rows = user_rows(people, languages, stream(seed, "profiles"))
    await store.copy_users(db, reported(rows, "users", world.users, progress))
    rows = post_rows(posts, people, languages, stream(seed, "words"))
    await store.copy_posts(db, reported(rows, "posts", len(posts), progress))
    rows = follow_rows(people, plan.followees, stream(seed, "follow times"))
    await store.copy_follows(db, reported(rows, "follows", world.follows, progress))
    rows = like_rows(posts, people, stream(seed, "likers"))
    await store.copy_likes(db, reported(rows, "likes", world.likes, progress))


def reported(rows: Rows, table: str, total: int, progress: Progress) -> Rows:
    """Give the same rows and report every so often how many there were."""
    progress(table, 0, total)
    for done, row in enumerate(rows, start=1):
        yield row
        if done % ROWS_PER_REPORT == 0 or done == total:
            progress(table, done, total)


async def sign_in_demo_user(db: Database) -> None:
    """Give the demo person the session whose token the examples use."""
    token_hash = hashlib.sha256(DEMO_TOKEN.encode()).digest()
    await store.insert_session(db, id_at(END_MS, 0), token_hash, DEMO_USER_ID, moment(END_MS), moment(SESSION_EXPIRY_MS))
