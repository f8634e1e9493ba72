"""One of several: the weights of models averaged, or what they said."""
