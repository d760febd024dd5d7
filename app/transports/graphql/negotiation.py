"""Which form of answer a caller wants, by the Accept header and its weights (RFC 9110 section 12.5.1)."""

from functools import lru_cache
from typing import Final

RESPONSE_TYPE: Final = "application/graphql-response+json"
LEGACY_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html"


def best_type(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """Return the offered media type that the caller prefers, None if it accepts none; the earlier offer wins a draw."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [parsed_range(part) for part in accept.split(",") if part.strip()]
    weighed = [(quality_of(media_type, ranges), -index, media_type) for index, media_type in enumerate(offered)]
    quality, _, media_type = max(weighed)
    return media_type if quality > 0 else None


@lru_cache(maxsize=200)
def media_type_of(accept: str | None) -> str | None:
    """Return the media type of a GraphQL response that an Accept header gets; None: it accepts none."""
    return best_type(accept, (LEGACY_TYPE, RESPONSE_TYPE))


def parsed_range(part: str) -> tuple[str, float]:
    """Return a media range in lower case and its weight; a weight that is no number counts as 0."""
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return media_range, quality


def quality_of(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the weight that the most specific matching range gives a media type; 0 where none matches."""
    group = media_type.partition("/")[0] + "/*"
    for wanted in (media_type, group, "*/*"):
        qualities = [quality for media_range, quality in ranges if media_range == wanted]
        if qualities:
            return max(qualities)
    return 0.0
