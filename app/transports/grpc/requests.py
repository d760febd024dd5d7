"""Requests: who asks from where, and what ids, pages and costs are in a message."""

import math
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from google.protobuf.message import DecodeError, Message

from app import services
from app.domain.ids import parse_id
from app.domain.models import MOST_MEDIA, Viewer
from app.domain.paging import DEFAULT_PAGE_SIZE, Order, Page, page_of
from app.services.context import RequestContext
from app.transports.errors import RequestError
from app.transports.exchange import bearer_token
from app.transports.grpc.stubs import pages_pb2

BATCHES = ("user_ids", "post_ids", "media_ids")


def address_of(peer: str) -> str:
    """Return the caller's network address from gRPC's name of the peer, such as "ipv4:127.0.0.1:4711"; "" where it has none."""
    kind, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""


async def viewer_of(ctx: RequestContext, metadata: Mapping[str, str | bytes]) -> Viewer | None:
    """Return who asks: the metadata `authorization: Bearer <token>`; None without. One statement where there is a token.

    Raises:
        Unauthenticated, RequestError: the token is nobody's, or the value has another form.
    """
    header = metadata.get("authorization")
    return await services.sessions.authenticate(ctx, bearer_token(str(header))) if header is not None else None


def parsed(body: bytes, kind: type[Message]) -> Message:
    """Return the message that a request's bytes are.

    Raises:
        RequestError: they are none of this kind.
    """
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise RequestError("BAD_REQUEST", f"The request is not a message {kind.DESCRIPTOR.full_name}.") from None
    return message


def parse_ids(ids: Sequence[str], *, field: str) -> list[int]:
    """Return the ids of a batch.

    Raises:
        InvalidInput: one is no id.
    """
    return [parse_id(id_, field=f"{field}[{index}]") for index, id_ in enumerate(ids)]


def wished_page(ctx: RequestContext, order: Order, wish: pages_pb2.Page) -> Page:
    """Return the page that a request asks for.

    Raises:
        InvalidInput, PageSize, CursorInvalid: as for `page_of`.
    """
    return page_of(
        order,
        first=wish.first if wish.HasField("first") else None,
        after=wish.after if wish.HasField("after") else None,
        last=wish.last if wish.HasField("last") else None,
        before=wish.before if wish.HasField("before") else None,
        largest=ctx.settings.max_page_size,
    )


def rows_of(request: Message, *, largest_page: int) -> int:
    """Return how many users, posts and images the answer may hold, beside the one that was asked for."""
    fields = request.DESCRIPTOR.fields_by_name
    sizes = [len(getattr(request, name)) for name in BATCHES if name in fields]
    if "page" in fields:
        sizes.append(wished_size(getattr(request, "page"), largest_page))  # noqa: B009  # a Message in general has no such field
    beside = getattr(request, "with_author", False) + MOST_MEDIA * getattr(request, "with_media", False)
    return math.prod(sizes) * (1 + beside) if sizes else beside


def wished_size(wish: pages_pb2.Page, largest: int) -> int:
    """Return how many rows a page may have; one that is refused later has none."""
    size = wish.first if wish.HasField("first") else wish.last if wish.HasField("last") else DEFAULT_PAGE_SIZE
    return size if 0 <= size <= largest else 0


def rows_shown(message: Message) -> int:
    """Return how many users, posts, images and jobs an answer holds, itself not counted."""
    shown = 0
    for field, value in message.ListFields():
        if field.message_type is not None:
            is_row = field.message_type.name in {"User", "Post", "Job", "Media"}
            shown += sum(is_row + rows_shown(part) for part in (value if field.is_repeated else [value]))
    return shown
