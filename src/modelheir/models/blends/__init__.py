"""Models made of other models' weights."""
