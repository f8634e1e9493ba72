"""What happens to a picture between decoding and the model."""
