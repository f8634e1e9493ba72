"""Batches of a split, on the device."""
