"""Jobs: the type, finding them, asking for them, and hearing how they go on."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from app import services
from app.domain.events import EventCursor as EventCursorValue
from app.domain.ids import parse_id
from app.domain.models import Job as JobModel
from app.domain.models import JobState
from app.engine import Derived
from app.transports.graphql.bindings import BINDING
from app.transports.graphql.cache_policy import PERSONAL
from app.transports.graphql.connections import After, Before, Connection, First, Last, PageInfo, wished_page
from app.transports.graphql.costs import FREE, PAGED, mutation
from app.transports.graphql.fields import Info, given
from app.transports.graphql.nodes import Node
from app.transports.graphql.scalars import Cursor
from app.transports.graphql.streams import After as SubscribeAfter
from app.transports.graphql.streams import Source
from app.transports.resources import result_url

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]

strawberry.enum(
    JobState,
    name="JobState",
    description="Where a job stands. SUCCEEDED, FAILED and CANCELLED are ends: they never change.",
)


@strawberry.type(description="Slow work that was accepted: watch it by jobUpdated, or ask again. Only its owner sees it.")
class Job(Node):
    """Slow work that was accepted."""

    kind: str = strawberry.field(description="What is done: export, import or account_deletion.")
    state: JobState = strawberry.field(description="Where it stands.")
    done: int = strawberry.field(description="How many steps are done (rows, posts or images, by its kind).")
    total: int | None = strawberry.field(description="How many steps there are; null while that is not known.")
    attempts: int = strawberry.field(description="How often it was started; more than once after a failure or a crash.")
    error_code: str | None = strawberry.field(description="Why it failed, by a code as errors have it.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")

    @strawberry.field(
        description="Where to fetch what it made; null where there is nothing to fetch, or not yet.",
        metadata={BINDING: Derived(result_url)},
    )
    async def result_url(root: strawberry.Parent[JobModel]) -> str | None:
        return result_url(root)

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Say whether a value is shown as this type."""
        return isinstance(value, JobModel)


@strawberry.type(description="A job that was accepted or stopped.")
class JobPayload:
    """A job that was accepted or stopped."""

    job: Job = strawberry.field(description="The job as it is now.")


@strawberry.type(description="A job's place in a list.", directives=FREE)
class JobEdge:
    """A job's place in a list."""

    cursor: Cursor = strawberry.field(description="The place.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs.", directives=FREE)
class JobConnection:
    """A page of jobs."""

    edges: list[JobEdge] = strawberry.field(description="The jobs with their places.")
    nodes: list[Job] = strawberry.field(description="The jobs alone.")
    page_info: PageInfo = strawberry.field(description="What lies around this page.")


def payload(job: JobModel) -> JobPayload:
    """Return the payload that shows a job."""
    return JobPayload(job=job)  # type: ignore[arg-type]  # the model is shown as Job


@strawberry.type
class JobQueries:
    """Root fields that find the viewer's jobs."""

    @strawberry.field(
        graphql_type=Job | None,
        description="The viewer's job with this id; null where there is none that is theirs.",
        directives=[PERSONAL],
    )
    async def job(self, info: Info, id: JobId) -> JobModel | None:
        return await services.jobs.find(info.context, parse_id(id))

    @strawberry.field(graphql_type=JobConnection, description="The viewer's jobs, newest first.", directives=[*PAGED, PERSONAL])
    async def jobs(
        self, info: Info, first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
    ) -> Any:
        order = services.jobs.order(info.context)
        page = wished_page(info.context, order, first=first, after=after, last=last, before=before)
        return Connection(order, await services.jobs.mine(info.context, page))


@strawberry.type
class JobMutations:
    """Asking for slow work, and stopping it."""

    @mutation(
        graphql_type=JobPayload,
        description="Ask for all data of the viewer, as JSON Lines and CSV in a zip that can be fetched once.",
    )
    async def request_export(self, info: Info) -> JobPayload:
        return payload(await services.exports.request(info.context))

    @mutation(
        graphql_type=JobPayload,
        description="Delete the viewer's account with all that belongs to it. Nobody can sign in any more, and nothing stops it.",
    )
    async def delete_account(
        self, info: Info, password: Annotated[str, strawberry.argument(description="The account's password, once more.")]
    ) -> JobPayload:
        return payload(await services.accounts.request_deletion(info.context, password))

    @mutation(graphql_type=JobPayload, description="Stop a job; one that has ended stays as it is.")
    async def cancel_job(self, info: Info, id: JobId) -> JobPayload:
        return payload(await services.jobs.cancel(info.context, parse_id(id)))


@strawberry.type
class JobSubscriptions:
    """Hearing how a job goes on."""

    @strawberry.subscription(
        graphql_type=Job,
        description="A job of the viewer's at each change of its state and its progress; complete when it has ended.",
    )
    async def job_updated(self, info: Info, id: JobId, after: SubscribeAfter = UNSET) -> Any:
        position = given(after, EventCursorValue.parse)
        return Source(await services.streams.job_updated(info.context, parse_id(id), after=position))
