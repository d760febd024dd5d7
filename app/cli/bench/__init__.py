"""`feedgraph bench`: measures a running server, or one that is started for it."""

import typer

from app.cli import deferred

COMMANDS = {
    "fetches": "Fetch the same screens by naive REST, careful REST, GraphQL and (--all) tuned REST and gRPC; "
    "compare what each costs.",
    "live": "Compare short polling, long polling, server-sent events and WebSockets on the same stream of posts.",
    "engine": "Measure three queries by plans, by stock Strawberry in the same server, and one of them as a page "
    "written by hand.",
    "cache": "Measure a persisted public query that hits the response cache, beside an aiohttp handler that returns "
    "the same bytes.",
    "fan-out": "Let many sockets listen to one stream of posts, beside a bare loop and a stock server.",
}

app = typer.Typer(help="Measure a server as its clients see it.", no_args_is_help=True, add_completion=False)
deferred.add(app, __name__, COMMANDS)
