"""Benchmarks: many runs of one plan, cell by cell, and the tables that they make."""
