"""The HTTP server: mounts every face, and does what all of them need."""
