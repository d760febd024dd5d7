"""The REST face: the same services under /api/v1, as resources."""
