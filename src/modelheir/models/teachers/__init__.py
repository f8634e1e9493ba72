"""Frozen models and their stored outputs."""
