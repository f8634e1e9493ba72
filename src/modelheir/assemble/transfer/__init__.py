"""Take a trained network to other data: which of its stages should move how fast."""
