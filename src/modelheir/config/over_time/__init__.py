"""What changes from step to step of a sequence in time: which layers move, and how fast."""
