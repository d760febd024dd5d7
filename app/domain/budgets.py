"""What a caller may spend, in points: an operation costs about one for each object that it shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """A bucket of points that fills up again by itself."""

    name: str
    points: int  # when full
    points_per_s: int
    is_unlimited: bool = False  # counted and reported, never refused

    @property
    def window_s(self) -> int:
        """Seconds from empty to full."""
        return -(-self.points // self.points_per_s)


@dataclass(slots=True, eq=False)
class Caller:
    """Who pays: a user, or an anonymous caller's network address."""

    key: str
    budget: Budget


@dataclass(slots=True)
class Standing:
    """What a caller has left, as far as this process knows."""

    budget: Budget
    remaining: int

    @property
    def reset_s(self) -> int:
        """Seconds until the bucket is full."""
        return max(0, -(-(self.budget.points - self.remaining) // self.budget.points_per_s))


@dataclass(slots=True)
class Charge:
    """What an operation costs its caller."""

    requested: int  # at most, known before it runs
    nodes: int  # rows that its lists may have
    depth: int
    actual: int | None = None  # None until it has run to its end without errors
