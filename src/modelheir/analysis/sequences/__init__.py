"""Results of methods on sequences of time steps: what was measured, and the table that compares them."""
