"""Methods for a history of shifting data of which the newest is what counts."""
