"""Chance that can be repeated.

Only `Random.random()` is used: it is the one method whose sequence Python promises to keep between versions. And only sums,
products and comparisons are made of it: powers and logarithms may differ in their last digit between machines.
"""

import random
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    Integers: TypeAlias = array[int]
else:
    Integers = array  # cannot be subscripted when it runs under Python 3.11

T = TypeVar("T")

Chance = Callable[[], float]  # gives numbers from 0 up to, but never, 1


def stream(seed: int, purpose: str) -> Chance:
    """Return the numbers of one purpose; each purpose has its own, so that a change in one part leaves the others alone."""
    return random.Random(f"{seed}/{purpose}").random  # noqa: S311  # the world must be repeatable, not secret


def pick(chance: Chance, items: Sequence[T]) -> T:
    """Return one of the items, each as likely as the others."""
    return items[int(len(items) * chance())]


def shuffled(chance: Chance, count: int) -> Integers:
    """Return 0 to count - 1 in a random order."""
    keys = [chance() for _ in range(count)]
    return array("i", sorted(range(count), key=keys.__getitem__))


def scatter(chance: Chance, total: int, ranking: Sequence[int], counts: Integers, *, most: int) -> None:
    """Hand out `total` units by a power law: the first of the ranking get by far the most; nobody ends with more than `most`.

    A cubed number falls on rank r with a density of r^(-2/3); the counts' tail exponent is then 2.5, as in real networks.
    The caller sees to it that at most about half of all room is handed out, or the last units would take long to find a place.
    """
    size = len(ranking)
    for _ in range(total):
        while True:
            u = chance()
            lucky = ranking[int(size * u * u * u)]
            if counts[lucky] < most:
                break
        counts[lucky] += 1
