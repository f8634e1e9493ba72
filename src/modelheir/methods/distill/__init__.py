"""A small model as good as a big one: from teachers, and from images without labels."""
