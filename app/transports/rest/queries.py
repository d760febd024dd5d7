"""Pages of people and of posts: which page, and what of each row is shown."""

from app.settings import Settings
from app.transports.rest.pages import Paged
from app.transports.rest.shapes import PostShape, UserShape


class UserPage(UserShape, Paged):
    """A page of people."""

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources the page brings."""
        return self.most_rows(limits) * super().most_objects(limits)


class PostPage(PostShape, Paged):
    """A page of posts."""

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources the page brings."""
        return self.most_rows(limits) * super().most_objects(limits)
