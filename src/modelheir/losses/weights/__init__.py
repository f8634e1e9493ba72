"""Penalties on weights: on their size, and on their distance from those of earlier models."""
