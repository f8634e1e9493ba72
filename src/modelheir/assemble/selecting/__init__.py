"""``modelheir select``: a pool is scored by a teacher, copies are dropped, the best of each class become a list."""
