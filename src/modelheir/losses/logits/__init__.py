"""Distances between two models' logits."""
