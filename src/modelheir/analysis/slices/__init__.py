"""Slices that nobody named: groups of like images that break more, found on one half and tested on the other."""
