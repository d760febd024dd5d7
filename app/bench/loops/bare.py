"""The floor: a loop that writes one constant frame to every socket, and does nothing else. `python -m app.bench.loops.bare PORT`.

It speaks just enough of graphql-transport-ws for the same listeners, and takes the same mutation as a sign to write once.
"""

import asyncio
import sys
from contextlib import suppress

import uvloop
from aiohttp import WSMsgType, web

from app.bench.serving import serve

POST = b'{"id":"7399036526592000000","title":"Post 1000","author":{"name":"Somebody"}}'
MESSAGE = b'{"type":"next","payload":{"data":{"postAdded":%b}},"id":"1"}' % POST
FRAME = bytes((0x81, 126)) + len(MESSAGE).to_bytes(2, "big") + MESSAGE
TRANSPORTS: set[asyncio.Transport] = set()


async def graphql(request: web.Request) -> web.StreamResponse:
    """Keep a socket open, or write the frame to all of them."""
    if request.method == "POST":
        for listener in TRANSPORTS:
            listener.write(FRAME)
        return web.json_response({"data": {"createPost": {"post": {"id": "1"}}}})
    socket = web.WebSocketResponse(protocols=("graphql-transport-ws",), compress=False)
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT and "connection_init" in message.data:
                await socket.send_str('{"type":"connection_ack"}')
            elif message.type is WSMsgType.TEXT:
                TRANSPORTS.add(transport)
    finally:
        TRANSPORTS.discard(transport)
    return socket


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(serve({"/graphql": graphql}, int(sys.argv[1])))
