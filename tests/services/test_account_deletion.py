"""The end of an account: what goes, what stays right for others, and who hears of it."""

import asyncio

import pytest

from tests.pictures import picture

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

SIGN_UP = "mutation($i: SignUpInput!) { signUp(input: $i) { token user { id } } }"
SIGN_IN = "mutation($i: SignInInput!) { signIn(input: $i) { token } }"
DELETE = "mutation($password: String!) { deleteAccount(password: $password) { job { id kind state } } }"
UPDATED = "subscription($id: ID!) { jobUpdated(id: $id) { state done total } }"
ACCOUNT = {"username": "ada", "password": "a long password"}

# Each counter beside what it counts; all pairs must be equal.
COUNTERS = """
    select count(*) from (
        select followers_count = (select count(*) from follows where followee_id = u.id)
            and following_count = (select count(*) from follows where follower_id = u.id)
            and posts_count = (select count(*) from posts where author_id = u.id) as fits from users u
        union all
        select likes_count = (select count(*) from likes where post_id = p.id)
            and replies_count = (select count(*) from posts r where r.in_reply_to_id = p.id) from posts p
    ) things where not fits
"""


async def signed_up(server):
    """Make an account with a password; return its person."""
    data = (await server.graphql(SIGN_UP, {"i": ACCOUNT | {"name": "Ada"}})).data["signUp"]
    person = await server.person()
    person.id, person.token = data["user"]["id"], data["token"]
    return person


async def gone(db):
    """Wait until Ada's deletion has ended well."""
    async with asyncio.timeout(20):
        while (  # noqa: ASYNC110  # whom should it be told?
            await db.fetchval("select state from jobs where kind = 'account_deletion'") in {"queued", "running"}
        ):
            await asyncio.sleep(0.02)
    assert await db.fetchval("select state from jobs where kind = 'account_deletion'") == "succeeded"


async def world(server, ada):
    """Let Ada and two others write, like and follow each other; return the others."""
    others = [await server.person() for _ in range(2)]
    db = server.running.resources.db
    for other in others:
        theirs = await other.post("theirs")
        hers = await ada.post("hers")
        await other.post("to her", inReplyToId=hers)
        await ada.post("to them", inReplyToId=theirs)
        for person, post in ((ada, theirs), (other, hers), (ada, hers)):
            await person.graphql("mutation($id: ID!) { likePost(id: $id) { post { id } } }", id=post)
        await ada.follow(other)
        await other.follow(ada)
    await others[0].follow(others[1])
    await db.execute(
        "with n as (insert into posts (author_id, content) select $1, 'x' from generate_series(1, 450) returning 1) "
        "update users set posts_count = posts_count + (select count(*) from n) where id = $1",
        int(ada.id),
    )
    for attaches in (True, False):
        headers = ada.headers | {"Content-Type": "image/png"}
        async with server.http.post(f"{server.url}/api/v1/media", data=picture(), headers=headers) as image:
            assert image.status == 201
        if attaches:
            await db.execute("update media set position = 1, post_id = (select max(id) from posts where author_id = owner_id)")
    return others


async def test_everything_goes_and_the_counters_of_others_stay_right(server):
    ada = await signed_up(server)
    others = await world(server, ada)
    second = (await server.graphql(SIGN_IN, {"i": ACCOUNT})).data["signIn"]["token"]
    db = server.running.resources.db
    other_device, device = await server.socket(second), await server.socket(ada.token)
    await other_device.subscribe("subscription { postAdded { id } }")
    other_end = asyncio.create_task(other_device.closed())
    await ada.graphql("mutation { requestExport { job { id } } }")
    job = (await ada.graphql(DELETE, password=ACCOUNT["password"])).data["deleteAccount"]["job"]
    assert job["kind"] == "account_deletion"
    await device.subscribe(UPDATED, id=job["id"])
    assert (await device.receive())["payload"]["data"]["jobUpdated"]["state"] in {"QUEUED", "RUNNING", "SUCCEEDED"}
    assert [(await device.closed())[0], (await other_end)[0]] == [4403, 4403]
    await gone(db)
    assert (await ada.graphql("{ viewer { id } }")).codes == ["UNAUTHENTICATED"]
    assert (await server.graphql(SIGN_IN, {"i": ACCOUNT})).codes == ["UNAUTHENTICATED"]
    assert (await server.graphql("query($id: ID!) { user(id: $id) { id } }", {"id": ada.id})).data["user"] is None
    row = await db.fetchrow("select state, done, total, attempts from jobs where id = $1", int(job["id"]))
    assert tuple(row) == ("succeeded", 460, 460, 1)  # posts, likes of others, follows
    assert await db.fetchval(COUNTERS) == 0
    left = await db.fetchrow("select (select count(*) from posts), (select count(*) from likes), (select count(*) from follows)")
    assert tuple(left) == (4, 0, 1)
    assert await db.fetchval("select count(*) from media") == 0
    assert await db.fetchval("select count(*) from blobs where owner_id = $1", int(ada.id)) == 0
    told = dict(await db.fetch("select type, count(*) from event_log group by type"))
    assert (told["post.deleted"], told["user.deleted"], told["session.revoked"]) == (454, 1, 2)
    assert (await others[0].graphql("{ viewer { followersCount followingCount } }")).data["viewer"] == {
        "followersCount": 0,
        "followingCount": 1,
    }


async def test_only_who_knows_the_password_deletes_an_account_and_only_once(server):
    ada = await signed_up(server)
    without = await server.person()
    for person, password in ((ada, "another password"), (ada, ""), (ada, "\0\ud83d"[:1]), (without, "")):
        assert (await person.graphql(DELETE, password=password)).codes == ["FORBIDDEN"]
    assert (await server.graphql(DELETE, {"password": ACCOUNT["password"]})).codes == ["UNAUTHENTICATED"]
    assert (await server.graphql(SIGN_IN, {"i": ACCOUNT})).data
    body = {"password": ACCOUNT["password"]}
    answers = await asyncio.gather(
        *(server.http.post(f"{server.url}/api/v1/account-deletions", json=body, headers=ada.headers) for _ in range(3))
    )
    statuses = [answer.status for answer in answers]
    assert 202 in statuses
    assert set(statuses) <= {202, 401, 403, 404, 409}  # the account may be gone before the last one is read
    db = server.running.resources.db
    await gone(db)
    assert (await ada.graphql("{ viewer { id } }")).codes == ["UNAUTHENTICATED"]
    assert await db.fetchval("select count(*) from jobs where kind = 'account_deletion'") == 1
    assert await db.fetchval("select count(*) from users where username = 'ada'") == 0


async def test_what_is_written_while_an_account_goes_is_gone_or_refused(server):
    ada = await signed_up(server)
    await world(server, ada)

    async def write():
        written = 0
        while (answer := await ada.graphql('mutation { createPost(input: {content: "late"}) { post { id } } }')).status == 200:
            written += not answer.codes
        return written

    writing = [asyncio.create_task(write()) for _ in range(3)]
    await ada.graphql(DELETE, password=ACCOUNT["password"])
    await asyncio.wait_for(asyncio.gather(*writing), 20)
    db = server.running.resources.db
    await gone(db)
    assert await db.fetchval(COUNTERS) == 0
    assert await db.fetchval("select count(*) from posts where author_id = $1", int(ada.id)) == 0
