"""The commands, one file a group; a file is imported when one of its commands runs."""

import typer

from app.cli import deferred

COMMANDS = {
    "serve": "Serve GraphQL, REST, gRPC and GraphiQL; with no DATABASE_URL and REDIS_URL, on embedded servers of its own.",
    "worker": "Run jobs, beside those that servers run; as many of these processes as wanted, on the same PostgreSQL and Redis.",
    "migrate": "Apply the migrations that the database does not have yet; `serve` does so by itself.",
    "demo": "Load a made-up social world: people, follows, posts in many languages, threads and likes.",
    "schema": "Write the GraphQL schema to schema.graphql.",
    "persist": "Write the manifest of the documents in DIR, each file one document with one operation or more.",
    "settings": "Print every setting with its value in force; secrets are hidden.",
    "plan": "Print how an operation would run: its steps, the SQL of each, and what it may cost. Needs no database.",
    "tail": "Print what happens, event by event, until Ctrl-C; a server that is started again is found again, "
    "and nothing is missed.",
    "jobs": "Look at jobs that failed for good, run them again, or drop them.",
    "posts": "Hide posts from everybody but their authors, and show them again.",
    "tokens": "Make bearer tokens for accounts.",
    "bench": "Measure a server as its clients see it.",
}

app = typer.Typer(
    help="feedgraph: a GraphQL-first social feed server. `make run` starts it with everything it needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
deferred.add(app, __name__, COMMANDS)
