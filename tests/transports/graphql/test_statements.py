"""What queries cost: the number of SQL statements does not depend on the number of rows."""

import pytest

from app.infra.database import Database

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

COUNTS = {"Feedgraph-Counts": "1"}
ROWS = (1, 20, 100)
PEOPLE = 100  # followers of the author, and likers, repliers, authors


@pytest.fixture
async def author(start_server):
    """Somebody with 100 posts, each with 3 replies, 100 likes of one, and 100 followers with a post and a reply each."""
    server = await start_server(max_cost=100_000, max_nodes=100_000)  # the largest of these is more than anybody may ask
    ada = await server.person()
    await fill(server.running.resources.db, int(ada.id))
    return ada


async def fill(db: Database, author: int) -> None:
    """Make the rows by SQL: there are many."""
    await db.execute(
        f"""
        insert into users (id, username, name) select n, 'p' || lpad(n::text, 3, '0'), 'P' from generate_series(1, {PEOPLE}) n;
        insert into posts (id, author_id, content) select 1000 + n, {author}, 'x' from generate_series(1, 100) n;
        insert into posts (id, author_id, content, in_reply_to_id, in_reply_to_author_id)
            select 10000 + n, n % {PEOPLE} + 1, 'x', n % 100 + 1001, {author} from generate_series(1, 300) n;
        insert into posts (id, author_id, content) select 20000 + n, n, 'x' from generate_series(1, {PEOPLE}) n;
        insert into posts (id, author_id, content, in_reply_to_id, in_reply_to_author_id)
            select 15000 + n, n % {PEOPLE} + 1, 'x', 20000 + n, n from generate_series(1, {PEOPLE}) n;
        insert into follows (follower_id, followee_id) select n, {author} from generate_series(1, {PEOPLE}) n;
        insert into follows (follower_id, followee_id) select {author}, n from generate_series(1, {PEOPLE}) n;
        insert into likes (user_id, post_id) select n, 1100 from generate_series(1, {PEOPLE}) n
        """
    )


# The nested query that the issue asks about comes first. Each selection: statements, text; `$n` rows at the level that grows.
AUTHOR_LEVEL = {
    "posts and their author": (1, "posts(first: $n) { id content author { id name } }"),
    "posts, replies and their authors": (1, "posts(first: $n) { id replies(first: 3) { id author { name } } }"),
    "the connection form": (
        1,
        "postsConnection(first: $n) { nodes { repliesConnection(first: 3) { nodes { author { name } } } } }",
    ),
    "the last ones": (2, "postsConnection(last: $n) { edges { cursor node { id } } pageInfo { hasPreviousPage endCursor } }"),
    "followers and their posts": (1, "followers(first: $n) { nodes { username posts(first: 2) { id } } }"),
    "followed people's posts, replies and authors": (
        3,
        "following(first: $n) { nodes { posts { replies { author { name } } } } }",
    ),
    "what a reply answers": (4, "posts(first: $n) { replies { inReplyTo { id } } }"),
    "likers": (1, "posts(first: $n) { likers(first: 5) { nodes { name } } }"),
    "no rows, but the word whether there are any": (1, "posts(first: $n) { likers(first: 0) { nodes { name } } }"),
    "the same twice": (1, "a: posts(first: $n) { id } b: posts(first: $n) { title }"),
    "as many lists as one text has": (1, " ".join(f"a{n}: posts(first: $n) {{ id replies {{ id }} }}" for n in range(4))),
    "one more": (6, " ".join(f"a{n}: posts(first: $n) {{ id replies(first: 1) {{ id }} }}" for n in range(5))),
}


async def cost(person, query, *, signed_in, **variables):
    """Return the statements that a query took, by both ways of telling."""
    headers = COUNTS | (person.headers if signed_in else {})
    answer = await person.server.graphql(query, variables, headers=headers)
    assert answer.data
    counts = answer.body["extensions"]["counts"]
    told = dict(part.split("=") for part in answer.headers["Feedgraph-Counts"].split(", "))
    in_header = {name: int(told[name]) for name in counts}
    assert in_header.pop("bytes") > counts.pop("bytes") > 0  # the extension cannot count itself
    assert in_header == counts
    assert counts["requests"] == 1
    return counts["statements"]


@pytest.mark.parametrize("name", AUTHOR_LEVEL)
async def test_what_is_below_an_author_takes_as_many_statements_for_any_number_of_rows(author, name):
    expected, selection = AUTHOR_LEVEL[name]
    query = f"query($id: ID!, $n: Int) {{ user(id: $id) {{ id {selection} }} }}"

    anonymous = [await cost(author, query, signed_in=False, id=author.id, n=n) for n in ROWS]
    signed_in = [await cost(author, query, signed_in=True, id=author.id, n=n) for n in ROWS]

    assert anonymous == [expected] * len(ROWS)
    assert signed_in == [expected + 1] * len(ROWS)


@pytest.mark.parametrize(
    ("expected", "selection"),
    [
        (2, "id"),
        (3, "id author { name }"),
        (3, "replies { id author { name } }"),
        (3, "viewerHasLiked"),
        (5, "author { viewerIsFollowing viewerIsFollowedBy }"),
    ],
)
async def test_the_home_feed_takes_one_statement_a_level(author, expected, selection):
    query = f"query($n: Int) {{ feed(first: $n) {{ nodes {{ {selection} }} }} }}"
    assert [await cost(author, query, signed_in=True, n=n) for n in ROWS] == [expected] * len(ROWS)


@pytest.mark.parametrize(
    ("expected", "selection"),
    [(1, "id"), (2, "author { name }"), (1, "viewerHasLiked"), (2, "author { viewerIsFollowing viewerIsFollowedBy }")],
)
async def test_the_latest_posts_take_one_statement_a_level_and_viewer_fields_cost_an_anonymous_caller_nothing(
    author, expected, selection
):
    query = f"query($n: Int) {{ latestPosts(first: $n) {{ nodes {{ {selection} }} }} }}"
    assert [await cost(author, query, signed_in=False, n=n) for n in ROWS] == [expected] * len(ROWS)


async def test_the_people_who_like_a_post_and_what_they_wrote_take_three_statements(author):
    query = 'query($n: Int) { post(id: "1100") { likers(first: $n) { nodes { viewerIsFollowing posts(first: 1) { id } } } } }'
    assert [await cost(author, query, signed_in=False, n=n) for n in ROWS] == [3] * len(ROWS)
    assert [await cost(author, query, signed_in=True, n=n) for n in ROWS] == [5] * len(ROWS)


async def test_things_by_their_ids_take_one_statement_together(author):
    ids = [author.id, "1001", "404", *(str(n) for n in range(1, 98))]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert [await cost(author, query, signed_in=False, ids=ids[:n]) for n in ROWS] == [1] * len(ROWS)
    assert await cost(author, query, signed_in=True, ids=ids) == 2


@pytest.mark.parametrize("field", ["node", "post"])
async def test_one_thing_by_its_id_takes_one_statement_whatever_its_type(author, field):
    for id_ in ("1001", "404") if field == "post" else (author.id, "1001", "404"):
        answer = await author.server.graphql(f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}", {"id": id_}, headers=COUNTS)
        assert answer.body["extensions"]["counts"]["statements"] == 1
        assert answer.data[field] == (None if id_ == "404" else {"id": id_})


async def test_many_root_fields_of_one_kind_are_one_statement(author):
    fields = " ".join(f'p{n}: post(id: "{1000 + n}") {{ id author {{ name }} }}' for n in range(1, 20))
    assert await cost(author, f"{{ {fields} }}", signed_in=False) == 1


async def test_the_viewer_takes_the_tokens_statement_and_one_more(author):
    assert await cost(author, "{ viewer { username } }", signed_in=True) == 2
    assert await cost(author, "{ __typename }", signed_in=False) == 0


async def test_without_the_header_nothing_is_told(author):
    answer = await author.server.graphql("{ latestPosts { nodes { id } } }")
    assert "extensions" not in answer.body
    assert "Feedgraph-Counts" not in answer.headers
