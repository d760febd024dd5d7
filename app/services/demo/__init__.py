"""A made-up social world: the same seed and sizes give the same rows on every machine."""

from app.services.demo.loading import Progress, Summary, is_empty, load
from app.services.demo.size import WorldSize

__all__ = ["Progress", "Summary", "WorldSize", "is_empty", "load"]
