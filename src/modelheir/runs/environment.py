"""Where a run happened: versions, source commit, device, seeds. Written once, beside the settings."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["environment", "source_state"]

_PACKAGES = ("modelheir", "torch", "torchvision", "timm", "accelerate", "numpy", "scipy", "scikit-learn", "pyarrow")


def source_state(folder: Path) -> dict[str, Any]:
    """Return ``{"commit": ..., "dirty": ...}`` of the git checkout that tracks ``folder``; ``None`` twice without."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    tracked = git("ls-files", "--", ".")  # an installed package may lie inside another project's checkout
    commit = git("rev-parse", "HEAD") if tracked else None
    changes = git("status", "--porcelain", "--untracked-files=no") if commit else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _hardware(device: str) -> dict[str, Any]:
    """Return the accelerator's name, the CUDA and cuDNN that torch was built with, CPU cores and torch's threads."""
    import torch

    return {
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def environment(
    *,
    command: Sequence[str],
    device: str,
    processes: int,
    seeds: Mapping[str, int],
    data: Mapping[str, Any],
    sources: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Collect what another person needs to know about where these numbers come from.

    Args:
        command: What was typed.
        device: Where it ran.
        processes: How many.
        seeds: By name.
        data: Fingerprint of each split.
        sources: The same of further data, by name.
        models: Digests of the files of each model that was read, by flag and address.
        settings: The device's own, in force during the run: how float32 is rounded there.
    """
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "command": list(command),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "device": device,
        **_hardware(device),
        "device_settings": dict(settings or {}),
        "processes": processes,
        "seeds": dict(seeds),
        "data": dict(data),
        "sources": dict(sources or {}),
        "models": dict(models or {}),
        **source_state(Path(__file__).parent),
    }
