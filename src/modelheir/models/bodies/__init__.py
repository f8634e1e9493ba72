"""Networks without a classifier: the library's, and those of this project."""
