"""Models on disk: read, written, and brought from other tools."""
