"""From an old model to a better one that breaks nothing that worked: one file a command."""
