"""Classifiers of stored vectors ``(N, D)``: linear, several layers, several heads side by side, or on an encoder."""
