"""Settings as frozen dataclasses. Knows no method and imports no torch."""
