"""Fewer labels: which images to label, and the verdict when their labels come back.

Where two models predict the same class neither has flipped, so a label decides something only where they disagree: with
``D`` disagreements among ``M`` images NFR, PFR and the accuracy gain are known once those ``D`` have labels.
"""
