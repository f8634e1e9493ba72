"""Distances between two models' weights."""
