"""What a run brings when its model is used: the data that it was trained on, and how it read the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder

__all__ = ["own_data", "own_inputs", "run_settings"]


def run_settings(model: str) -> dict[str, Any]:
    """Return the settings ``data`` and ``inputs`` of the run that a model's address names; nothing of other models.

    A model that was fitted to another view than the stages before it (a higher resolution) says so in its description.
    """
    address = parse_address(model)
    if address.run is None or not RunFolder(address.run).config.is_file():
        return {}
    folder = RunFolder(address.run)
    found = {key: value for key, value in read_yaml(folder.config).items() if key in ("data", "inputs")}
    own = read_json(folder.model).get("inputs") if folder.model.is_file() and not address.stage else None
    return {**found, "inputs": {**found.get("inputs", {}), **own}} if own else found


def own_inputs(model: str) -> InputConfig | None:
    """Return how the run of a model reads images; ``None`` where it is no run."""
    found = run_settings(model)
    return from_mapping(InputConfig, found.get("inputs", {})) if found else None


def own_data(models: Sequence[str]) -> str:
    """Return the data source of the first of the models that is a run.

    Raises:
        InputError: If none of them is one, so that nothing says which data is meant.
    """
    found = next((data for model in models if (data := run_settings(model).get("data"))), None)
    if not found:
        among = f" among {', '.join(dict.fromkeys(models))}" if models else ""
        raise InputError(
            f"which data? Only a run folder brings its own (in config.yaml), and there is none{among}: "
            "give --data, such as folder:DIR (in Python data='folder:DIR')."
        )
    return str(found)
