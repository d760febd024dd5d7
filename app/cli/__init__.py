"""The commands, one file a group."""

import typer

from app.cli import (
    bench,
    bench_cache,
    bench_engine,
    bench_live,
    demo,
    fan_out,
    jobs,
    migrate,
    persist,
    plan,
    posts,
    schema,
    serve,
    settings,
    tail,
    tokens,
    worker,
)

app = typer.Typer(
    help="feedgraph: a GraphQL-first social feed server. `make run` starts it with everything it needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.command()(demo.demo)
app.command()(schema.schema)
app.command()(persist.persist)
app.command()(settings.settings)
app.command()(plan.plan)
app.add_typer(jobs.app, name="jobs")
app.command()(tail.tail)
app.add_typer(posts.app, name="posts")
app.add_typer(tokens.app, name="tokens")
bench.app.command()(bench_live.live)
bench.app.command()(bench_engine.engine)
bench.app.command()(bench_cache.cache)
app.add_typer(bench.app, name="bench")
bench.app.command("fan-out")(fan_out.fan_out)
