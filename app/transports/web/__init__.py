"""Pages for browsers: their front-end sources (`front/`), the build of those (`dist/`), and the handlers that serve it."""

from app.transports.web.graphiql import add_routes, is_built, page

__all__ = ["add_routes", "is_built", "page"]
