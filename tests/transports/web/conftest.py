"""What the tests of pages stand on: a browser, and the front end as it was built."""

import pytest

from app.transports import web
from tests.needed import missing


@pytest.fixture(scope="session")
def front_end() -> None:
    if not web.is_built():
        missing("The front end is not built: run `make run`, or `npm ci && npm run build` in app/transports/web/front.")
