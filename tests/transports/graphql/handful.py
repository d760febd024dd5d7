"""A handful of rows with every hard case among them, and the marks of tests in which fields fail."""

# ruff: noqa: E501  # rows that are broken at every comma cannot be compared

import pytest

BOB = 12
WORLD = """
insert into users (id, username, name, bio, created_at, followers_count, following_count, posts_count) values
  (11, 'ada', 'Ada', 'writes "quotes" \\ and more', '2026-01-01', 2, 1, 3), (12, 'bob', 'Bob', null, '2026-01-02', 1, 2, 3),
  (13, 'cyd', 'Cyd', '', '2026-01-03', 1, 1, 0);
insert into posts (id, author_id, in_reply_to_id, in_reply_to_author_id, title, content, created_at, hidden_at, replies_count) values
  (101, 11, null, null, 'One', 'first', '2026-02-01', null, 3), (102, 11, null, null, null, 'second', '2026-02-02', null, 0),
  (103, 12, 101, 11, null, 'reply of Bob', '2026-02-03', null, 1), (104, 11, 103, 12, null, 'reply of Ada', '2026-02-04', null, 0),
  (105, 12, 999, 11, null, 'to a post that is gone', '2026-02-05', null, 0),
  (106, 12, 101, 11, null, 'hidden', '2026-02-06', '2026-03-01', 1), (107, 11, 106, 12, null, 'to a hidden one', '2026-02-07', null, 0);
insert into follows values (11, 12, '2026-01-05'), (12, 11, '2026-01-06'), (13, 11, '2026-01-07'), (12, 13, '2026-01-08');
insert into likes values (12, 101, '2026-02-08'), (13, 101, '2026-02-09');
update posts set likes_count = 2 where id = 101;
insert into blobs (id, owner_id, media_type, size) select n, 11, 'image/png', 1 from generate_series(201, 210) n;
insert into media (id, owner_id, post_id, position, alt, media_type, width, height, size, file_id, thumbnail_id, created_at) values
  (301, 11, 101, 2, 'second "image"', 'image/png', 8, 6, 1, 201, 202, '2026-02-01'), (302, 11, 101, 1, null, 'image/jpeg', 6, 8, 1, 203, 204, '2026-02-01'),
  (303, 12, 106, 1, 'of a hidden post', 'image/webp', 1, 1, 1, 205, 206, '2026-02-06'), (304, 12, 103, 1, '', 'image/png', 1, 1, 1, 207, 208, '2026-02-06'),
  (305, 11, null, null, 'waits', 'image/png', 1, 1, 1, 209, 210, '2026-02-06');
insert into sessions (id, user_id, token_hash, expires_at) values (21, 12, 'x', now() + interval '1 day')
"""

FAILING_FIELDS = [
    pytest.mark.postgres,
    # Where a field fails, graphql-core cancels its siblings, and some of them have not begun.
    pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"),
]
