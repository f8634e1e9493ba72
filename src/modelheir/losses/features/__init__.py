"""Distances between two models' features."""
