"""Hand a trained classifier's body to a detector, and let it learn to find bright squares.

Run with a folder for the results: python examples/detector.py runs/example
"""

import sys
from pathlib import Path

import torch
from torchvision.ops import box_iou

import modelheir
from modelheir import models

QUICK = {"box_batch_size_per_image": 32, "rpn_pre_nms_top_n_train": 100, "rpn_post_nms_top_n_train": 50}


def scene(number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One red (class 1) or green (class 2) square on dark noise."""
    image, kind, x, y = 0.3 * torch.rand(3, 64, 64), number % 2, 7 * number % 40, 11 * number % 40
    image[kind, y : y + 20, x : x + 20] = 0.95
    return image, {"boxes": torch.tensor([[x, y, x + 20.0, y + 20.0]]), "labels": torch.tensor([kind + 1])}


def main(out: Path) -> None:
    network = {"model": "convnet", "network.kwargs": {"blocks": 4, "width": 8}, "inputs.image_size": 32}
    run = modelheir.train("finetune", data="digits", epochs=2, out=str(out / "v1"), quiet=True, **network)

    torch.manual_seed(0)
    scenes = [scene(number) for number in range(12)]
    found = models.detector(f"run:{run}", classes=["red", "green"], image_size=64, levels=3, width=32, **QUICK)
    optimizer = torch.optim.Adam(models.detector_groups(found, [0.1, 0.1, 0.2, 0.3], lr=2e-3))
    for step in range(61):
        images, targets = zip(*(scenes[(4 * step + k) % 12] for k in range(4)), strict=True)
        loss = sum(found(list(images), list(targets)).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.2f}")

    with torch.no_grad():
        said = [one["boxes"][:1] for one in found.eval()([image for image, _ in scenes])]
    overlaps = [box_iou(one, target["boxes"]).sum().item() for one, (_, target) in zip(said, scenes, strict=True)]
    print(f"the surest box overlaps the square by an IoU of {sum(overlaps) / len(overlaps):.2f} on average")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
