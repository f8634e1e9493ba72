"""A search over settings: trials that are ordinary runs, and the best of them on the selection split."""
