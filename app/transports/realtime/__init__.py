"""Live delivery: the protocols over which operations and events reach clients that stay connected."""
