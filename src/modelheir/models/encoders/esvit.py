"""EsViT's Swin transformer with windows of 14 tokens, read from the published file.

Li et al., "Efficient Self-supervised Vision Transformers for Representation Learning", 2022, arXiv:2106.09785. The
vector is the mean of the last stage's normalised tokens. The network is timm's, whose arithmetic is the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.files.checkpoint import read_checkpoint_file
from modelheir.models.files.fit_weights import fit_weights

__all__ = ["esvit_body", "read_esvit"]

_STUDENT = "student"  #: key of the network that is read; beside it stands its running mean, the teacher
_BESIDE = ("head",)  #: layers of the training: ``head.``, ``head_dense.``


def esvit_body(**sizes: Any) -> nn.Module:
    """Build the Swin-B for images of 224 pixels, without weights; ``sizes`` are other arguments of timm's network."""
    import timm

    given = {"window_size": 14, "img_size": 224, **sizes}
    return timm.create_model("swin_base_patch4_window7_224", num_classes=0, **given)


def read_esvit(path: Path | str, **sizes: Any) -> nn.Module:
    """Read a published EsViT checkpoint of Swin-B with windows of 14.

    Args:
        path: A torch file with the weights under ``student``; the settings of its training in it are read as data.
        **sizes: Other sizes of the network, as in :func:`esvit_body`.

    Raises:
        InputError: If the file cannot be read, lacks that key, or does not hold the network whole.
    """
    from timm.models.swin_transformer import checkpoint_filter_fn

    found = read_checkpoint_file(path, allow=(argparse.Namespace,))
    student = found.get(_STUDENT) if isinstance(found, Mapping) else None
    if not isinstance(student, Mapping):
        raise InputError(f"{path} has no weights under {_STUDENT!r}: is it the published file of EsViT?")
    body = esvit_body(**sizes)
    named = {_bare(key): value for key, value in student.items() if isinstance(value, Tensor)}
    state = checkpoint_filter_fn({key: one for key, one in named.items() if not key.startswith(_BESIDE)}, body)
    fit_weights(body, state, str(path))
    return body


def _bare(key: str) -> str:
    return key.removeprefix("module.").removeprefix("backbone.")
