"""Where images come from: one file a kind, and the table of kinds."""
