"""Losses that read labels, or target probabilities, and one model's logits."""
