"""feedgraph: a GraphQL-first social feed server."""

__version__ = "0.1.0"
