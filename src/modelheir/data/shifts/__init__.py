"""Changes that a step of a sequence is made by: one idea a file, and the table of their names."""
