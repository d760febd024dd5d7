"""Everything that changes something over REST: sessions, edits, likes and follows; doing it twice changes nothing more."""

import pytest

from tests.transports.rest.asking import POST_KEYS, USER_KEYS, ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ACCOUNT = {"username": "Ada", "password": "correct horse", "name": "Ada L."}


async def test_a_person_signs_up_in_and_out(server):
    up = await ask(server, "/users", "POST", json=ACCOUNT)
    assert (up.status, set(up.body), set(up.body["user"])) == (201, {"token", "user"}, USER_KEYS)
    assert up.headers["Location"] == f"/api/v1/users/{up.body['user']['userId']}"
    assert up.headers["Cache-Control"] == "no-store"
    inside = await ask(server, "/sessions", "POST", json={"username": "ADA", "password": "correct horse"})
    assert (inside.status, inside.body["user"]) == (201, up.body["user"])

    headers = {"Authorization": f"Bearer {inside.body['token']}"}
    assert (await ask(server, "/viewer", headers=headers)).body == up.body["user"]
    out = await ask(server, inside.headers["Location"], "DELETE", headers=headers)
    assert (out.status, out.raw) == (204, b"")
    check_problem(await ask(server, "/viewer", headers=headers), 401, "UNAUTHENTICATED")
    first = {"Authorization": f"Bearer {up.body['token']}"}
    assert (await ask(server, "/viewer", headers=first)).status == 200
    check_problem(await ask(server, "/viewer"), 401, "UNAUTHENTICATED")
    check_problem(await ask(server, "/users", "POST", json=ACCOUNT), 409, "CONFLICT")
    wrong = await ask(server, "/sessions", "POST", json={"username": "ada", "password": "wrong horse"})
    check_problem(wrong, 401, "UNAUTHENTICATED")


NO_ACCOUNTS = (
    ("/users", {**ACCOUNT, "username": "a"}, "username"),
    ("/users", {**ACCOUNT, "password": "short"}, "password"),
    ("/users", {**ACCOUNT, "name": "\n"}, "name"),
    ("/users", {**ACCOUNT, "name": None}, "name"),
    ("/users", {"username": "ada", "name": "Ada"}, "password"),
    ("/sessions", {"username": "ada"}, "password"),
    ("/sessions", {"username": 1, "password": "long enough"}, "username"),
)


async def test_an_account_that_cannot_be_names_its_field(server):
    for path, body, field in NO_ACCOUNTS:
        response = await ask(server, path, "POST", json=body)
        check_problem(response, 422, "BAD_USER_INPUT")
        assert response.body["field"] == field
        assert "correct horse" not in response.raw.decode()


async def test_a_post_is_edited_and_deleted_by_its_author_alone(server):
    ada, bob = await server.person(), await server.person()
    post = await ada.post("Hello", title="T")
    path = f"/posts/{post}"

    edited = await ask(server, path, "PATCH", json={"content": "Changed"}, headers=ada.headers)
    assert (edited.status, set(edited.body)) == (200, POST_KEYS)
    assert (edited.body["content"], edited.body["title"]) == ("Changed", "T")
    assert edited.body["editedAt"] is not None
    assert (await ask(server, path, "PATCH", json={"title": None}, headers=ada.headers)).body["title"] is None
    for body, field in (({}, "content"), ({"content": None}, "content"), ({"content": ""}, "content"), ({"title": 1}, "title")):
        response = await ask(server, path, "PATCH", json=body, headers=ada.headers)
        check_problem(response, 422, "BAD_USER_INPUT")
        assert response.body["field"] == field
    check_problem(await ask(server, path, "PATCH", json={"content": "x"}, headers=bob.headers), 403, "FORBIDDEN")
    check_problem(await ask(server, path, "DELETE", headers=bob.headers), 403, "FORBIDDEN")

    deleted = await ask(server, path, "DELETE", headers=ada.headers)
    assert (deleted.status, deleted.raw) == (204, b"")
    check_problem(await ask(server, path, "DELETE", headers=ada.headers), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("noun", "verb", "counter", "flag", "list_"),
    [
        ("posts", "like", "likesCount", "viewerHasLiked", "likers"),
        ("users", "follow", "followersCount", "viewerIsFollowing", "followers"),
    ],
)
async def test_a_like_and_a_follow_are_put_and_taken_away_as_often_as_one_likes(server, noun, verb, counter, flag, list_):
    ada, bob = await server.person(), await server.person()
    path = f"/{noun}/{await ada.post() if noun == 'posts' else ada.id}"

    for method, expected in (("PUT", 1), ("PUT", 1), ("DELETE", 0), ("DELETE", 0), ("PUT", 1)):
        response = await ask(server, f"{path}/{verb}?include=viewer", method, headers=bob.headers)
        assert (response.status, response.body[counter], response.body[flag]) == (200, expected, expected == 1)
        assert response.headers["Cache-Control"] == "no-store"
        assert [row["userId"] for row in (await ask(server, f"{path}/{list_}")).body] == [bob.id] * expected


MISSING = (
    *((method, path) for method in ("PUT", "DELETE") for path in ("/posts/404/like", "/users/404/follow")),
    *(("PATCH", "/posts/404"), ("DELETE", "/posts/404")),
)


async def test_what_is_not_there_cannot_be_changed_and_a_stranger_must_sign_in(server):
    ada = await server.person()
    for method, path in MISSING:
        body = {"json": {"content": "x"}} if method == "PATCH" else {}
        check_problem(await ask(server, path, method, headers=ada.headers, **body), 404, "NOT_FOUND")
        check_problem(await ask(server, path, method, **body), 401, "UNAUTHENTICATED")
        check_problem(await ask(server, path.replace("404", "x"), method, headers=ada.headers, **body), 422, "BAD_USER_INPUT")


async def test_nobody_follows_themselves(server):
    ada = await server.person()
    check_problem(await ask(server, f"/users/{ada.id}/follow", "PUT", headers=ada.headers), 422, "BAD_USER_INPUT")
