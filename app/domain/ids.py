"""Ids: 63-bit integers inside, decimal strings on every wire."""

import re

from app.domain.errors import InvalidInput

LARGEST_ID = 2**63 - 1
DECIMAL = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def parse_id(text: str, *, field: str = "id") -> int:
    """Return the integer of a wire id such as "123".

    Raises:
        InvalidInput: the text is not the decimal form of an integer from 1 to 2^63 - 1.
    """
    if DECIMAL.fullmatch(text) and (number := int(text)) <= LARGEST_ID:
        return number
    raise InvalidInput(f"{field} must be a decimal id such as 123.", field=field)
