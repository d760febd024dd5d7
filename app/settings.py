"""Every address, limit and timeout of the server, read from the environment and from `.env`; the unit is in the name."""

import difflib
import io
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.errors import ConfigurationError

PREFIX = "FEEDGRAPH_"
ENV_FILE = Path(".env")

FIRST_PORT, FIRST_GRPC_PORT = 8000, 50051  # what people expect
GRPC_PORTS = 65_536 - FIRST_GRPC_PORT

Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]


class Settings(BaseSettings):
    """One immutable value for the whole process. Names in the environment are FEEDGRAPH_<NAME>, but for the two URLs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    # Where things are.
    database_url: SecretStr | None = Field(
        None, validation_alias="DATABASE_URL", description="PostgreSQL 15 or newer; unset: an embedded PostgreSQL 18"
    )
    redis_url: SecretStr | None = Field(
        None, validation_alias="REDIS_URL", description="Redis 7 or Valkey 8 and newer; unset: an embedded Valkey 9"
    )
    env: Literal["development", "production"] = Field("development", description="production hides errors' details and GraphiQL")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 for every interface")
    port: Port = Field(FIRST_PORT, description="port of GraphQL, REST and GraphiQL")
    grpc: bool = Field(True, description="serve gRPC, too")
    grpc_port: Port | None = Field(
        None, description="port of gRPC; unset: 50051 beside port 8000, one more beside 8001, and so on"
    )
    data_dir: Path | None = Field(None, description="home of the embedded servers; unset: .feedgraph/<port>")
    redis_prefix: str = Field("feedgraph:", min_length=1, description="first part of every Redis key and channel")

    # What is shown.
    graphiql: bool | None = Field(None, description="serve GraphiQL at /graphql; unset: only in development")
    introspection: bool | None = Field(None, description="answer introspection and give suggestions; unset: only in development")
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        [], description="other origins whose pages may call every face and open sockets, separated by commas"
    )
    metrics: bool | None = Field(
        None, description="serve /metrics for Prometheus; unset: in development, and in production where there is a token"
    )
    metrics_token: SecretStr | None = Field(None, min_length=16, description="bearer token that /metrics wants; unset: none")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line that is written")
    log_format: Literal["console", "json"] | None = Field(None, description="unset: console in development, json in production")

    # Limits on what a caller may send.
    max_body_bytes: Positive = Field(256 * 1024, description="request body")
    max_url_bytes: Positive = Field(8 * 1024, description="request line")
    max_header_bytes: Positive = Field(16 * 1024, description="a request's header fields, together")
    head_timeout_s: Seconds = Field(10, description="time to send a request's head on a new connection")
    body_timeout_s: Seconds = Field(15, description="time to send a request's body")
    keepalive_timeout_s: Seconds = Field(75, description="idle time of a kept connection")
    max_tokens: Positive = Field(2_000, description="lexical tokens in a GraphQL document")
    max_depth: Positive = Field(12, description="fields inside fields in a GraphQL operation; introspection is exempt")
    max_aliases: Positive = Field(30, description="aliases in a GraphQL document, in fragments as often as these are spread")
    max_root_fields: Positive = Field(20, description="root fields of a GraphQL operation")
    max_directives: Positive = Field(50, description="directives in a GraphQL document, counted like aliases")
    max_selections: Positive = Field(2_000, description="fields in a GraphQL document, those in fragments for each spread")
    max_nodes: Positive = Field(20_000, description="rows that an operation's lists may have: sizes multiplied along each path")
    max_cost: Positive = Field(10_000, description="cost of an operation before it runs")
    max_page_size: Positive = Field(100, description="largest first and last")
    max_node_ids: Positive = Field(100, description="ids in one nodes(ids:)")
    max_documents: Positive = Field(1_000, description="parsed and validated documents kept in memory")

    max_response_cache_bytes: int = Field(
        64 * 1024 * 1024, ge=0, description="answers to persisted public queries kept in memory, together; 0: none"
    )

    # Persisted queries.
    persisted_mode: Literal["off", "apq", "prefer-trusted", "trusted-only"] = Field(
        "apq",
        description="apq: clients may register documents; prefer-trusted: and others than the manifest's are logged; "
        "trusted-only: they are refused",
    )
    persisted_manifest: Path | None = Field(None, description="trusted documents by id, a file that `feedgraph persist` writes")
    persisted_ttl_s: Positive = Field(24 * 3600, description="how long a registered document is kept after its last use")
    max_persisted: Positive = Field(10_000, description="registered documents kept in Redis")

    # How operations are executed.
    executor: Literal["plan", "stock"] = Field(
        "plan", description="plan: by plans, completed by graphql-core; stock: by Strawberry's own execute, to compare with"
    )

    # Time and room for the work itself.
    query_timeout_s: Seconds = Field(5, description="deadline of a query or a REST read")
    mutation_timeout_s: Seconds = Field(10, description="deadline of a mutation or a REST write")
    statement_timeout_s: Seconds = Field(5, description="PostgreSQL's own limit on one statement, a second net")
    db_pool_size: Positive = Field(10, description="PostgreSQL connections of one process, one more for the relay")
    db_acquire_timeout_s: Seconds = Field(3, description="wait for a free connection before 503")
    redis_timeout_s: Seconds = Field(1, description="connecting to Redis and waiting for its answer")
    shutdown_timeout_s: Seconds = Field(2, description="time for running requests to end on SIGTERM")

    # How much one caller may ask for.
    anonymous_points: Positive = Field(20_000, description="bucket of an anonymous caller's address, in points of cost")
    anonymous_points_per_s: Positive = Field(1_000, description="points that flow back into it each second")
    signed_in_points: Positive = Field(100_000, description="bucket of a signed-in user")
    signed_in_points_per_s: Positive = Field(5_000, description="points that flow back into it each second")
    max_new_documents_per_minute: Positive | None = Field(
        None, description="documents of one caller that this process has not seen yet; unset: 120, in development 3,000"
    )
    max_running_per_caller: Positive = Field(20, description="queries and mutations of one caller at once, in one process")
    max_running: Positive = Field(200, description="queries and mutations at once in one process; beyond, 503")
    max_sockets_per_address: Positive = Field(100, description="anonymous sockets from one address, in one process")
    max_sockets_per_user: Positive = Field(20, description="sockets of one signed-in user, in one process")

    # Accounts.
    session_ttl_s: Positive = Field(90 * 24 * 3600, description="life of a bearer token")
    session_cache_s: float = Field(
        1, ge=0, le=60, description="how long a process believes that a bearer token is valid without asking again; 0: not at all"
    )
    idempotency_ttl_s: Positive = Field(24 * 3600, description="how long an idempotency key is remembered")
    sign_in_attempts: Positive = Field(10, description="sign-in attempts for one account in 15 minutes")
    sign_ups_per_hour: Positive | None = Field(None, description="sign-ups from one address; unset: 20, in development 1,000")

    # Jobs.
    worker: bool = Field(True, description="run jobs inside the server; false: only `feedgraph worker` runs them")
    jobs_at_once: Positive = Field(4, description="jobs that one process runs at once")
    max_jobs_per_user: Positive = Field(10, description="jobs of one user that have not ended")
    job_attempts: Positive = Field(5, description="starts of a job, crashes included, before it becomes a dead letter")
    job_backoff_s: Seconds = Field(
        1, description="wait before a job's second attempt at most; twice as long before each next one"
    )
    job_backoff_max_s: Seconds = Field(300, description="longest wait before an attempt")
    job_heartbeat_s: Seconds = Field(15, description="a worker silent for so long has died: another one takes its jobs")
    job_poll_s: Seconds = Field(5, description="how often workers look for jobs whose wake-up was lost")
    job_stop_s: Seconds = Field(3, description="time for running jobs to end on SIGTERM; after it they are handed back")
    job_ttl_s: Positive = Field(30 * 24 * 3600, description="how long a job is kept after its end")

    max_upload_bytes: Positive = Field(256 * 1024 * 1024, description="an archive to import")
    max_unpacked_bytes: Positive = Field(2 * 1024**3, description="what an archive may unpack to, as far as it is read")
    max_archive_item_bytes: Positive = Field(1024 * 1024, description="one entry of an archive, such as a post with its context")
    max_imported_images: Positive = Field(10_000, description="images that one archive brings")
    upload_ttl_s: Positive = Field(7 * 24 * 3600, description="how long an archive is kept for attempts to import it")
    export_ttl_s: Positive = Field(24 * 3600, description="how long an export can be fetched")

    # Images.
    max_image_bytes: Positive = Field(8 * 1024 * 1024, description="an image to upload")
    max_image_pixels: Positive = Field(
        40_000_000, description="pixels of an image, by its head; making it anew takes 8 bytes for each, 16 of a WebP"
    )
    max_waiting_media: Positive = Field(40, description="images of one user that no post has")
    media_ttl_s: Positive = Field(24 * 3600, description="how long an image waits for a post")

    # Live delivery.
    ws_init_timeout_s: Seconds = Field(5, description="time for connection_init on a WebSocket")
    ws_heartbeat_s: Seconds = Field(25, description="pings to idle WebSockets; a peer that does not answer is closed")
    ws_max_message_bytes: Positive = Field(64 * 1024, description="one WebSocket message from a client")
    ws_max_operations: Positive = Field(200, description="operations running on one WebSocket")
    grpc_keepalive_s: Seconds = Field(25, description="pings to idle gRPC connections; a peer that does not answer is closed")
    grpc_write_timeout_s: Seconds = Field(10, description="time that a gRPC stream's reader may leave one event unread")
    grpc_max_calls: Positive = Field(2_000, description="gRPC calls at once in one process, open streams included")
    ws_messages_per_s: Positive = Field(50, description="messages from one WebSocket, after a burst of 200; those beyond wait")
    ws_catch_up_bytes: Positive = Field(
        256 * 1024, description="unread by a client: beyond, it reads on from the log when it can"
    )
    ws_max_waiting_bytes: Positive = Field(1024 * 1024, description="unread by a client for so long that it is closed")
    ws_stalled_s: Seconds = Field(10, description="time in which a client that is behind must take something")
    sse_heartbeat_s: Seconds = Field(12, description="comments on idle event streams")
    long_poll_max_s: Seconds = Field(25, description="longest wait of a long poll for events; more counts as this")
    poll_interval_s: Seconds = Field(2, description="how often short polls for events should come (their Retry-After)")
    drain_s: Seconds = Field(5, description="time over which clients are sent away on SIGTERM")
    log_retention_s: Positive = Field(24 * 3600, description="age at which events leave the log")
    log_retention_events: Positive = Field(1_000_000, description="events kept in the log")
    relay_sweep_s: Seconds = Field(0.25, description="how often the relay looks for events whose wake-up was lost")

    @model_validator(mode="before")
    @classmethod
    def split_origins(cls, values: dict[str, object]) -> dict[str, object]:
        """Read the allowed origins from one line."""
        origins = values.get("allowed_origins")
        if isinstance(origins, str):
            values["allowed_origins"] = [part.strip().rstrip("/").lower() for part in origins.split(",") if part.strip()]
        return values

    @field_validator("database_url", "redis_url")
    @classmethod
    def check_scheme(cls, url: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        """Refuse an address of another kind before anything is started."""
        schemes = ("postgresql://", "postgres://") if field.field_name == "database_url" else ("redis://", "rediss://", "unix://")
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError(f"it must begin with {' or '.join(schemes)}")
        return url

    @classmethod
    def load(cls) -> Self:
        """Return the settings in force.

        Raises:
            ConfigurationError: a variable is unknown or its value is not acceptable; the message names it.
        """
        reject_unreadable(ENV_FILE)
        reject_unknown_names({**dotenv_values(ENV_FILE), **os.environ})
        try:
            return cls()
        except ValidationError as invalid:
            raise ConfigurationError(explain(invalid)) from None

    @property
    def is_production(self) -> bool:
        """True where errors are terse, GraphiQL is off and demo tokens are refused."""
        return self.env == "production"

    @property
    def serves_graphiql(self) -> bool:
        """True where /graphql answers a browser with GraphiQL."""
        return self.graphiql if self.graphiql is not None else not self.is_production

    @property
    def allows_introspection(self) -> bool:
        """True where introspection is answered and unknown names get suggestions."""
        return self.introspection if self.introspection is not None else not self.is_production

    @property
    def serves_metrics(self) -> bool:
        """True where /metrics is answered."""
        return self.metrics if self.metrics is not None else not self.is_production or self.metrics_token is not None

    @property
    def log_style(self) -> Literal["console", "json"]:
        """The form of log lines."""
        return self.log_format or ("json" if self.is_production else "console")

    @property
    def home(self) -> Path:
        """The absolute directory of the embedded servers; each port has its own, so that two servers run side by side."""
        return (self.data_dir or Path(".feedgraph") / str(self.port)).expanduser().absolute()

    @property
    def served_grpc_port(self) -> int:
        """The port of gRPC; each port of HTTP has its own beside it, so that two servers run side by side."""
        return self.grpc_port or FIRST_GRPC_PORT + (self.port - FIRST_PORT) % GRPC_PORTS

    @property
    def grpc_address(self) -> str:
        """The host and the port of gRPC."""
        return f"[{self.host}]:{self.served_grpc_port}" if ":" in self.host else f"{self.host}:{self.served_grpc_port}"

    @property
    def new_documents_allowed(self) -> int:
        """Never-seen documents of one caller in a minute; people who try things out write a new text each time."""
        return self.max_new_documents_per_minute or (120 if self.is_production else 3_000)

    @property
    def sign_ups_allowed(self) -> int:
        """Sign-ups from one address in an hour."""
        return self.sign_ups_per_hour or (20 if self.is_production else 1_000)


def variable_of(name: str) -> str:
    """Return the environment variable that sets the field `name`."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def reject_unreadable(file: Path) -> None:
    """Refuse an .env file with a line that means nothing: a setting must not be silently ignored."""
    if not file.is_file():
        return
    try:
        lines = list(parse_stream(io.StringIO(file.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as UTF-8 text: {error}.") from None
    for line in lines:
        if line.error:
            raise ConfigurationError(f"Line {line.original.line} of {file} is not NAME=value.")


def reject_unknown_names(environment: dict[str, str | None]) -> None:
    """Refuse a FEEDGRAPH_ variable that means nothing: a mistyped limit must not be silently ignored."""
    known = {variable_of(name) for name in Settings.model_fields}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            [near] = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)
            raise ConfigurationError(f"{name} is not a setting; the nearest is {near}. `feedgraph settings` lists them all.")


def explain(invalid: ValidationError) -> str:
    """Return one sentence for the first problem, with the variable's name and without a secret's value."""
    problem = invalid.errors()[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    variable = variable_of(field) if field in Settings.model_fields else field
    return f"{variable} is not acceptable: {problem['msg'].removeprefix('Value error, ')}."
