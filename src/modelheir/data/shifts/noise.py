"""Noise of a graded strength, on floats of 0 to 1 ``(N, H, W, 3)``; the caller clips.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", 2019, with
the strengths of CIFAR-10-C.
"""

from __future__ import annotations

import numpy as np

__all__ = ["gaussian_noise", "impulse_noise", "shot_noise", "speckle_noise"]


def gaussian_noise(images: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Add normal noise of a standard deviation."""
    return images + deviation * random.standard_normal(images.shape, dtype=np.float32)


def shot_noise(images: np.ndarray, photons: float, random: np.random.Generator) -> np.ndarray:
    """Count light: Poisson with ``photons`` for white, so that variance is ``image / photons``."""
    return random.poisson(images * photons) / np.float32(photons)


def impulse_noise(images: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Set a share of all values, channel by channel, to 0 or 1, as many to either."""
    drawn = random.random(images.shape, dtype=np.float32)
    return np.where(drawn < share, (drawn < share / 2).astype(np.float32), images)


def speckle_noise(images: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Multiply by one plus normal noise of a standard deviation."""
    return images * (1 + deviation * random.standard_normal(images.shape, dtype=np.float32))
