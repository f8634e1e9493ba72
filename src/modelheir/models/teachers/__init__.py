"""Frozen models that teach, their stored outputs among them."""
