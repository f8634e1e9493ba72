"""Tables from runs and predictions: what was found, as plain values that a report can render."""
