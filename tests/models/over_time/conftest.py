"""Small networks over time."""

import pytest
import torch

from modelheir.config.network import NetworkConfig
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.models import build
from modelheir.models.over_time import OverTime, layer_names

CLASSES = ("a", "b", "c")


@pytest.fixture
def classifier():
    def make(name="blocks_convnet", blocks=1, seed=0, size=16, **kwargs):
        config = NetworkConfig(kwargs={"blocks": blocks, **kwargs})
        return build(name, classes=CLASSES, image_size=size, config=config, seed=seed)

    return make


@pytest.fixture
def over_time(classifier):
    def make(name="blocks_convnet", *, steps=3, separate="all", blocks=1, seed=0, stirred=True, **config):
        if config.get("mode") == "side_tune" and name == "blocks_convnet":
            config = {"side_layer_sizes": "block", **config}
        model = classifier(name, blocks=blocks, seed=seed)
        routes = parse_routes(separate, steps=steps, layers=layer_names(model))
        found = OverTime(model, routes, OverTimeConfig(**config))
        if stirred:  # so that no two copies are alike, and statistics are those of some images
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for value in found.state_dict().values():
                    if value.is_floating_point():
                        value.add_(0.1 * torch.rand(value.shape, generator=generator) - 0.05)
        return found

    return make


@pytest.fixture
def images():
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
