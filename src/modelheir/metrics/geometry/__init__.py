"""Distances between samples, between representations, and between the weights of models."""
