"""The release gate: bounds, what the images say about them, and the policy file that holds them."""
