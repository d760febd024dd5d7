"""FeedService: home feeds."""

from app import services
from app.services.context import RequestContext
from app.transports.grpc.messages import post_list
from app.transports.grpc.requests import wished_page
from app.transports.grpc.stubs import feeds_pb2, posts_pb2


async def get_home_feed(ctx: RequestContext, request: feeds_pb2.GetHomeFeedRequest) -> posts_pb2.PostList:
    """Return a page of the viewer's home feed, newest first."""
    order = services.posts.home_order(ctx)
    found = await services.posts.home(ctx, wished_page(ctx, order, request.page))
    return await post_list(ctx, order, found, request)
