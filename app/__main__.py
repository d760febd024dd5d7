"""The door: `python -m app`, installed as `feedgraph`."""

import sys

from app.cli import app
from app.domain.errors import FeedgraphError


def main() -> None:
    """Run the command line. What cannot work is said in one sentence on standard error, with exit status 2."""
    try:
        app()
    except FeedgraphError as error:
        sys.exit(refusal(error))


def refusal(error: FeedgraphError) -> int:
    """Say why a command did not run; return the exit status."""
    cause = f" ({error.__cause__})" if error.code == "UNAVAILABLE" and error.__cause__ else ""
    print(f"feedgraph: {error.message}{cause}", file=sys.stderr)  # the command line's own voice
    return 2


if __name__ == "__main__":
    main()
