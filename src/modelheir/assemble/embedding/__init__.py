"""``modelheir embed``: frozen encoders see every image once, and what they say is kept as views."""
