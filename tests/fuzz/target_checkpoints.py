"""Files of earlier tools through ``import``."""

import warnings

import mutate
import torch


class Maker:
    """Writes an odd ``.result`` or ``.pth`` file."""

    def __init__(self, folder):
        self.folder = folder
        self.result = {
            "pred": torch.tensor([0, 1, 2]),
            "gt": torch.tensor([0, 1, 1]),
            "outputs": torch.eye(3),
            "features": [],
        }
        self.state = {"state_dict": {"module.fc.weight": torch.ones(2, 3), "module.fc.bias": torch.ones(2)}, "epoch": 3}
        torch.save(self.result, folder / "good.result")
        torch.save(self.state, folder / "good.pth")
        self.content = {name: (folder / f"good.{name}").read_bytes() for name in ("result", "pth")}

    def words(self, rng):
        name = rng.choice(["result", "result", "pth"])
        path = self.folder / f"a.{name}"
        if rng.random() < 0.5:
            path.write_bytes(mutate.bytes_of(rng, self.content[name]))
        else:
            torch.save(self._changed(rng, name), path)
        return ["import", path.name, "--out", "o.parquet" if name == "result" else "o.safetensors"]

    def _changed(self, rng, name):
        made = dict(self.result) if name == "result" else {"state_dict": dict(self.state["state_dict"])}
        part = made if name == "result" else made["state_dict"]
        for _ in range(rng.choice([1, 1, 2])):
            key = rng.choice([*part, rng.choice(mutate.WORDS)])
            part[key] = self._value(rng)
        return rng.choice([made, made, made, part, [part], {"model": made}, {3: part}, None])

    def _value(self, rng):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return rng.choice(
                [
                    lambda: torch.tensor([0, 1.5, 2]),
                    lambda: torch.tensor([0, 1, float(rng.choice(["nan", "inf", "1e30"]))]),
                    lambda: torch.tensor([1j, 0, 1]),
                    lambda: torch.eye(3).to_sparse(),
                    lambda: torch.eye(3).to_sparse_csr(),
                    lambda: torch.ones(3, 3, device="meta"),
                    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
                    lambda: torch.ones(rng.choice([0, 1, 3, 4]), rng.choice([0, 1, 3])),
                    lambda: torch.tensor(1.0),
                    lambda: torch.tensor([2**62, -(2**62), 10**12]),
                    lambda: torch.tensor([True, False, True]),
                    lambda: torch.eye(3).to(rng.choice([torch.float64, torch.float16, torch.bfloat16, torch.uint8])),
                    lambda: torch.eye(3).to(torch.float8_e4m3fn),
                    lambda: torch.eye(3)[:, ::2],
                    lambda: torch.ones(1).expand(3),
                    lambda: [[0], [1, 2], [3]],
                    lambda: [torch.ones(1), torch.ones(2)],
                    lambda: [0, 1, 10**30],
                    lambda: {"a": {"b": [1, None, "x"]}},
                    lambda: "text",
                    lambda: None,
                    lambda: rng.choice(mutate.WORDS),
                ]
            )()
