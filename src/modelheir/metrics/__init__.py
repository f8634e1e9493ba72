"""Metrics on predictions, NumPy in and out: one file an idea, nothing here imports torch.

Rates are fractions from 0 to 1. Functions of two models take the old one first, then the new one, then the labels.
"""
