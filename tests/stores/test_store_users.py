"""The users table: what each function changes and what it costs."""

import pytest

from app import stores
from app.domain.errors import Conflict, InvalidInput
from tests.stores.rows import add_users, costing, user_of

pytestmark = pytest.mark.postgres


async def test_a_new_user_starts_with_nothing_and_is_found_by_id_and_name(db):
    with costing(db, 1):
        user = await stores.users.insert(db, username="ada", name="Ada", password_hash="hash")

    assert (user.username, user.name, user.bio, user.avatar_url) == ("ada", "Ada", None, None)
    assert (user.followers_count, user.following_count, user.posts_count) == (0, 0, 0)
    assert user.created_at.microsecond % 1000 == 0
    with costing(db, 2):
        assert await stores.users.by_ids(db, [user.id]) == await stores.users.by_usernames(db, ["ada"]) == [user]


async def test_a_username_is_given_once(db):
    await stores.users.insert(db, username="ada", name="Ada", password_hash="hash")
    with pytest.raises(Conflict), costing(db, 1):
        await stores.users.insert(db, username="ada", name="Another", password_hash="hash")


async def test_credentials_are_id_and_hash_and_none_for_unknown_names(db):
    user = await stores.users.insert(db, username="ada", name="Ada", password_hash="hash")
    await add_users(db, 1)

    with costing(db, 3):
        assert await stores.users.credentials(db, "ada") == (user.id, "hash")
        assert await stores.users.credentials(db, "user_1") == (1, None)
        assert await stores.users.credentials(db, "nobody") is None


async def test_counters_change_on_the_right_side(db):
    one, other, _ = await add_users(db, 3)

    with costing(db, 1):
        await stores.users.add_to_posts_count(db, one, 1)
    with costing(db, 2):
        await stores.users.add_to_follow_counts(db, follower_id=other, followee_id=one, change=1)

    shown = [await user_of(db, id_) for id_ in (1, 2, 3)]
    assert [(user.posts_count, user.followers_count, user.following_count) for user in shown] == [(1, 1, 0), (0, 0, 1), (0, 0, 0)]


async def test_an_id_that_no_column_can_hold_is_invalid_input_and_no_fault_of_ours(db):
    with pytest.raises(InvalidInput):
        await stores.users.by_ids(db, [2**63])
