"""The drivers: PostgreSQL, Redis, the event log, the embedded servers, and what the server tells about itself."""
