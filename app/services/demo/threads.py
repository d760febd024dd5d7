"""Posts and replies before they have words: who, when, in answer to what, and how much they are liked."""

from array import array
from dataclasses import dataclass

from app.services.demo.chance import Chance, Integers, scatter
from app.services.demo.instants import DAY_MS, LAST_POST_MS, SECOND_MS
from app.services.demo.people import DEMO_PERSON, People
from app.services.demo.size import DEMO_POSTS

DEEPEST = 8  # replies to replies to …
LONGEST_SILENCE_MS = 14 * DAY_MS
QUICKEST_REPLY_MS = 20 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Posts:
    """Columns of equal length, one place a post, in order of time; no two posts have the same instant."""

    at_ms: Integers
    author: Integers
    parent: Integers  # place of the post that this one answers, or -1
    replies: Integers
    likes: Integers

    def __len__(self) -> int:
        return len(self.at_ms)


@dataclass(slots=True)
class Draft:
    """Posts in the order of making: all top-level ones, then thread by thread, each after what it answers."""

    at_ms: Integers
    author: Integers
    parent: Integers
    depth: Integers

    def add(self, at_ms: int, author: int, parent: int, depth: int) -> int:
        """Append one and return its place."""
        self.at_ms.append(at_ms)
        self.author.append(author)
        self.parent.append(parent)
        self.depth.append(depth)
        return len(self.at_ms) - 1


def make_posts(people: People, top_level: int, replies: int, chance: Chance) -> Posts:
    """Return all posts without likes, and fill in how many each person wrote."""
    draft = Draft(array("q"), array("i"), array("i"), array("b"))
    write_top_level(draft, people, top_level, chance)
    answers = array("i", bytes(4 * top_level))
    ranking = ranked_by_attention(draft.author, people, chance)
    scatter(chance, replies, ranking, answers, most=max(2_000, 4 * replies // top_level))
    for root, count in enumerate(answers):
        grow_thread(draft, root, count, people, chance)
    for author in draft.author:
        people.posts[author] += 1
    return in_order_of_time(draft)


def write_top_level(draft: Draft, people: People, count: int, chance: Chance) -> None:
    """Add the posts that answer nothing; each author's become denser towards today."""
    wrote = array("i", bytes(4 * len(people)))
    wrote[DEMO_PERSON] = DEMO_POSTS
    # Without an upper bound the best known person of a large world would post every few minutes.
    most = max(200, 25 * count // len(people))
    scatter(chance, count - DEMO_POSTS, people.by_popularity, wrote, most=most)
    for author, posts in enumerate(wrote):
        joined_ms = people.created_ms[author]
        for _ in range(posts):
            u = chance()
            draft.add(joined_ms + 1 + int((LAST_POST_MS - joined_ms) * (1 - u * u)), author, -1, 0)


def ranked_by_attention(authors: Integers, people: People, chance: Chance, parents: Integers | None = None) -> Integers:
    """Return the places of posts, those that draw most attention first: well-known authors and luck; replies draw less."""
    rank = people.popularity_rank
    scores = [(rank[author] + 1) * chance() for author in authors]
    if parents is not None:
        for place, parent in enumerate(parents):
            if parent >= 0:
                scores[place] *= 8
    return array("i", sorted(range(len(scores)), key=scores.__getitem__))


def grow_thread(draft: Draft, root: int, count: int, people: People, chance: Chance) -> None:
    """Add replies to a post and to its replies."""
    thread = [root]
    for _ in range(count):
        u = chance()
        # Half of them answer the post itself, the others one of the newer replies.
        parent = root if chance() < 0.5 else thread[-1 - int(len(thread) * u * u)]
        if draft.depth[parent] >= DEEPEST:
            parent = root
        parent_ms = draft.at_ms[parent]
        author = answering(draft, parent, people, chance)
        u = chance()
        u3 = u * u * u
        delay_ms = int(min(LONGEST_SILENCE_MS, max(LAST_POST_MS - parent_ms, SECOND_MS)) * u3 * u3)
        thread.append(draft.add(parent_ms + QUICKEST_REPLY_MS + delay_ms, author, parent, draft.depth[parent] + 1))


def answering(draft: Draft, parent: int, people: People, chance: Chance) -> int:
    """Return who answers: often the one who was answered, else somebody who was there and speaks the language."""
    above = draft.parent[parent]
    if above >= 0 and chance() < 0.5:
        return draft.author[above]
    author, at_ms = draft.author[parent], draft.at_ms[parent]
    circle = people.circles[people.language[author]] if chance() < 0.8 else people.by_popularity
    for _ in range(8):
        u = chance()
        somebody = circle[int(len(circle) * u * u)]
        if somebody != author and people.created_ms[somebody] <= at_ms:
            return somebody
    return author  # few were there so early: people also add to what they said themselves


def in_order_of_time(draft: Draft) -> Posts:
    """Return the draft's posts by time, each a millisecond or more after the one before it, so that ids rise with time."""
    count = len(draft.at_ms)
    order = array("i", sorted(range(count), key=draft.at_ms.__getitem__))
    place_of = array("i", bytes(4 * count))
    posts = Posts(array("q"), array("i"), array("i"), array("i", bytes(4 * count)), array("i", bytes(4 * count)))
    latest_ms = 0
    for place, drafted in enumerate(order):
        place_of[drafted] = place
        latest_ms = max(draft.at_ms[drafted], latest_ms + 1)
        posts.at_ms.append(latest_ms)
        posts.author.append(draft.author[drafted])
        parent = draft.parent[drafted]
        posts.parent.append(place_of[parent] if parent >= 0 else -1)  # what is answered is older, so its place is known
        if parent >= 0:
            posts.replies[place_of[parent]] += 1
    return posts
