"""A comparison as a user asks for it: models found and read, further files joined, labels asked for and taken."""
