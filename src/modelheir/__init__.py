"""Train the next version of an image classifier, and learn whether it is safe to ship.

Commands are calls of the same name: :func:`train`, :func:`average`, :func:`select`, :func:`search`, :func:`compare`,
:func:`predict`, :func:`evaluate`, :func:`embed`, :func:`ensemble`, :func:`export`, :func:`explain`; ``cache write`` is
:func:`cache`. ``compare --ask`` is :func:`worth_labelling`, ``compare --labels`` :func:`compare_labelled`. Only
``report`` is :func:`write_report`, and ``methods`` is the table ``modelheir.methods.METHODS``;
:func:`multiplier_search` is a call alone. Names are looked up when first used, so that importing this imports nothing
else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelheir import methods, report
    from modelheir.calls import (
        average,
        cache,
        compare,
        compare_labelled,
        embed,
        ensemble,
        evaluate,
        explain,
        export,
        multiplier_search,
        predict,
        search,
        select,
        train,
        worth_labelling,
        write_report,
    )

    __version__: str

__all__ = [
    "__version__",
    "average",
    "cache",
    "compare",
    "compare_labelled",
    "embed",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "methods",
    "multiplier_search",
    "predict",
    "report",
    "search",
    "select",
    "train",
    "worth_labelling",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("modelheir")
    if name not in __all__:
        raise AttributeError(f"module 'modelheir' has no attribute {name!r}")
    if name in ("methods", "report"):
        return importlib.import_module(f"modelheir.{name}")
    return getattr(importlib.import_module("modelheir.calls"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
