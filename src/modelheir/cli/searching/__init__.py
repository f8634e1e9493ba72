"""The words of `search`."""
