"""Servers to compare with, each a program of its own: `python -m app.bench.loops.bare PORT`."""
