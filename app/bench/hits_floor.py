"""The floor of a cache hit: an aiohttp handler that returns the same bytes, head and body, and does nothing else.

It fetches the answer once from the server that it stands beside.
"""

import argparse

import aiohttp
import uvloop
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from app.bench import serving

OWN = {hdrs.CONTENT_LENGTH, hdrs.DATE, hdrs.CONNECTION}  # each response has its own


async def fetched(url: str, accept: str) -> tuple[bytes, CIMultiDict[str]]:
    """Return body and headers of the answer at an address."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(url, encoded=True), headers={hdrs.ACCEPT: accept}) as response,
    ):
        response.raise_for_status()
        return await response.read(), CIMultiDict((name, value) for name, value in response.headers.items() if name not in OWN)


async def serve(url: str, accept: str, port: int) -> None:
    """Serve until the process is ended."""
    body, headers = await fetched(url, accept)

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    await serving.serve({"/graphql": handle}, port)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("accept")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.url, arguments.accept, arguments.port))


if __name__ == "__main__":
    main()
