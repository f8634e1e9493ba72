"""Tables that stand beside predictions and are joined to them by sample id: metadata, and images to remember."""
