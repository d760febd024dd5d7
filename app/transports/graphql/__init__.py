"""The GraphQL face: the schema, and the pipeline that every way of asking goes through."""
