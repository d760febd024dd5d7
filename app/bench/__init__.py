"""Benchmarks: clients of the public faces, which know no floor of the house."""
