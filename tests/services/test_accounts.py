"""Signing up, in and out: the rules of accounts and sessions."""

import pytest

from app import services
from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from app.domain.errors import Conflict, InvalidInput, Throttled, Unauthenticated
from tests.services.worlds import at_once

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

PASSWORD = "correct horse"


async def sign_up(server, username="ada", password=PASSWORD, name="Ada"):
    """Make an account; return token and user."""
    return await services.sessions.sign_up(await server.context(), username=username, password=password, name=name)


async def sign_in(server, username="ada", password=PASSWORD):
    """Make a session; return token and user."""
    return await services.sessions.sign_in(await server.context(), username=username, password=password)


async def whose(server, token):
    """Return the id of the user that a token belongs to."""
    return (await services.sessions.authenticate(await server.context(), token)).user_id


async def test_an_account_begins_with_a_session_and_each_sign_in_gives_another(server):
    first, user = await sign_up(server, username=" Ada_1 ", name="  Ada Łovelace ")
    second, same = await sign_in(server, username="ADA_1")

    assert (user.username, user.name) == ("ada_1", "Ada Łovelace")
    assert same == user
    assert first != second
    assert await whose(server, first) == await whose(server, second) == user.id


async def test_a_username_is_taken_in_every_case(server):
    await sign_up(server)
    with pytest.raises(Conflict, match="The username ada is taken"):
        await sign_up(server, username="ADA")


async def test_of_many_who_want_a_name_at_once_one_gets_it(server):
    results = await at_once(sign_up(server) for _ in range(6))

    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 5 + ["tuple"]
    assert await server.running.resources.db.fetchval("select count(*) from users") == 1
    assert await server.running.resources.db.fetchval("select count(*) from sessions") == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("username", value) for value in ("", "ab", "a" * 31, "a-b", "ä_ö", "a\0b", "\ud800ab")),
        *(("password", value) for value in ("", "a" * 7, "a" * 201, "ä" * 201, "\0" * 8, "\ud800" * 8)),
        *(("name", value) for value in ("", " \u200b", "x" * 81, "a\nb", "a\0", "\udfff")),
    ],
)
async def test_what_is_not_acceptable_names_its_field_and_makes_nothing(server, field, value):
    with pytest.raises(InvalidInput) as refusal:
        await sign_up(server, **{field: value})
    assert refusal.value.field == field
    assert await server.running.resources.db.fetchval("select count(*) from users") == 0


@pytest.mark.parametrize("password", ["a" * 8, "a" * 200, "😀" * 200, " spaces stay ", "\u202e\u200b\t\n" * 2])
async def test_a_password_of_8_to_200_characters_of_any_kind_signs_in_and_a_similar_one_does_not(server, password):
    _, user = await sign_up(server, password=password)

    assert (await sign_in(server, password=password))[1] == user
    with pytest.raises(Unauthenticated):
        await sign_in(server, password=password[:-1] + "b")


@pytest.mark.usefixtures("_costly_passwords")
async def test_the_password_is_kept_as_an_argon2id_hash_alone(server):
    await sign_up(server)
    row = await server.running.resources.db.fetchval("select users::text from users")
    assert PASSWORD not in row
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in row


@pytest.mark.parametrize("username", ["nobody", "", "ab", "a" * 500, "a\0b", "\ud800\ud800\ud800", "ada", "user_without"])
@pytest.mark.parametrize("password", ["wrong password", "", "x" * 100_000, "\0" * 8, "\ud800" * 8])
async def test_wrong_names_and_wrong_passwords_look_alike(server, username, password):
    db = server.running.resources.db
    await db.execute("insert into users (username, name) values ('user_without', 'No password')")
    await db.execute("insert into users (username, name, password_hash) values ('ada', 'Ada', $1)", services.sessions._nobody())

    with pytest.raises(Unauthenticated) as refusal:
        await sign_in(server, username, password)

    assert refusal.value.message == "The username or the password is wrong."
    assert await db.fetchval("select count(*) from sessions") == 0


async def test_the_demo_user_cannot_sign_in_by_password(demo_world, server):
    db = server.running.resources.db
    username = await db.fetchval("select username from users where id = $1", DEMO_USER_ID)
    for password in ("demo-password", DEMO_TOKEN, username):
        with pytest.raises(Unauthenticated, match="username or the password"):
            await sign_in(server, username, password)


async def test_the_demo_token_is_refused_in_production(demo_world, start_server):
    development, production = await start_server(), await start_server(env="production")

    assert await whose(development, DEMO_TOKEN) == DEMO_USER_ID
    with pytest.raises(Unauthenticated):
        await whose(production, DEMO_TOKEN)


async def test_attempts_on_one_account_are_limited_whatever_the_spelling_and_others_are_not(start_server):
    server = await start_server(sign_in_attempts=3)
    await sign_up(server)
    await sign_up(server, username="bob")
    for username in ("ada", "ADA", " ada "):
        with pytest.raises(Unauthenticated):
            await sign_in(server, username, "wrong password")

    with pytest.raises(Throttled) as refusal:
        await sign_in(server)

    assert 1 <= refusal.value.retry_after_s <= 15 * 60
    assert await sign_in(server, "bob")


async def test_attempts_on_names_that_nobody_has_are_limited_in_the_same_way(start_server):
    server = await start_server(sign_in_attempts=1)
    with pytest.raises(Unauthenticated):
        await sign_in(server, "nobody")
    with pytest.raises(Throttled):
        await sign_in(server, "nobody")


async def test_sign_ups_from_one_address_are_limited_and_what_was_not_acceptable_does_not_count(start_server):
    server = await start_server(sign_ups_per_hour=2)
    with pytest.raises(InvalidInput):
        await sign_up(server, username="a")
    await sign_up(server, username="ada")
    await sign_up(server, username="bob")
    with pytest.raises(Throttled):
        await sign_up(server, username="cyd")

    elsewhere = await server.context()
    elsewhere.address = "192.0.2.1"
    assert await services.sessions.sign_up(elsewhere, username="dan", password=PASSWORD, name="Dan")


async def test_production_allows_twenty_sign_ups_an_hour_and_development_a_thousand(start_server):
    assert (await start_server()).running.resources.settings.sign_ups_allowed == 1_000
    assert (await start_server(env="production")).running.resources.settings.sign_ups_allowed == 20


async def test_signing_out_ends_this_session_and_no_other(server):
    first, _ = await sign_up(server)
    second, user = await sign_in(server)
    ctx = await server.context()
    ctx.viewer = await services.sessions.authenticate(ctx, first)

    assert await services.sessions.sign_out(ctx) is True
    assert await services.sessions.sign_out(ctx) is False

    with pytest.raises(Unauthenticated):
        await whose(server, first)
    assert await whose(server, second) == user.id


async def test_signing_out_needs_a_session(server):
    with pytest.raises(Unauthenticated, match="Authorization"):
        await services.sessions.sign_out(await server.context())


@pytest.mark.parametrize("token", ["", "x", "x" * 201, "😀", "\0"])
async def test_other_tokens_are_nobodys(server, token):
    await sign_up(server)
    with pytest.raises(Unauthenticated):
        await whose(server, token)


async def test_a_token_ends_with_its_time(start_server):
    server = await start_server(session_ttl_s=3600)
    token, _ = await sign_up(server)
    db = server.running.resources.db
    assert await db.fetchval("select expires_at - now() between interval '59 min' and interval '61 min' from sessions")
    await db.execute("update sessions set expires_at = now()")
    with pytest.raises(Unauthenticated):
        await whose(server, token)


async def test_people_are_found_by_id_or_by_name_in_any_case_and_never_by_both_or_neither(server):
    ada = await server.person("ada")
    ctx = await server.context(ada)

    found = await services.users.find(ctx, id_=int(ada.id))
    assert found is not None
    assert await services.users.find(ctx, username=" ADA ") == await services.users.viewer(ctx) == found
    for username in ("", "nobody", "a b", "\0", "x" * 10_000):
        assert await services.users.find(ctx, username=username) is None
    assert await services.users.find(ctx, id_=2**62) is None
    assert await services.users.viewer(await server.context()) is None
    for search in (services.users.find(ctx), services.users.find(ctx, id_=1, username="ada")):
        with pytest.raises(InvalidInput, match="not both"):
            await search


async def test_nodes_takes_at_most_as_many_ids_as_the_setting_says(start_server):
    server = await start_server(max_node_ids=2)
    ada = await server.person()
    assert await services.users.nodes(await server.context(), []) == []
    assert len(await services.users.nodes(await server.context(), [int(ada.id), 404])) == 2
    with pytest.raises(InvalidInput, match="At most 2 ids in one call; these are 3"):
        await services.users.nodes(await server.context(), [1, 2, 3])
