"""The encoders that papers on co-training take as views, in the table :data:`ENCODERS`: ``encoder:NAME``.

Rothenberger and Diochnos, "Meta Co-Training: Two Views are Better than One", 2023, arXiv:2311.18083, and its code. Each
image is resized to 256 x 256 pixels, whatever its shape, and the middle 224 x 224 are seen. Where the older code was
wrong, ``differs`` says what is right and done here. Importing this file does not import torch.
"""

from __future__ import annotations

import dataclasses

__all__ = ["ENCODERS", "Documented"]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclasses.dataclass(frozen=True)
class Documented:
    """A published encoder: where its weights are, how it wants its images, how wide its vectors are."""

    family: str  #: as papers call it
    library: str  #: timm, transformers, or file: weights that must be given as ``encoder:NAME:PATH``
    id: str  #: of the weights in the library; of a file, its published name
    width: int  #: of the vectors
    read: str  #: what the vector is
    normalisation: tuple[tuple[float, float, float], tuple[float, float, float]]  #: mean and std a channel, of 0..1
    resize: int = 256  #: pixels a side, without keeping the aspect ratio
    crop: int = 224  #: pixels a side of the middle that is seen
    rigid: bool = False  #: whether it can see no other size
    legacy: str = ""  #: what the paper's own runs used, where it is another
    differs: str = ""  #: what is done otherwise than in the older code, and why


#: what may stand behind ``encoder:``
ENCODERS = {
    "clip": Documented(
        family="CLIP",
        library="timm",
        id="vit_base_patch16_clip_224.openai",
        width=768,
        read="class token after the last normalisation, before the projection",
        normalisation=_OPENAI,
        legacy="ViT-L/14, image embedding of 768: open_clip:ViT-L-14-quickgelu/openai",
        differs="the weights of openai/clip-vit-base-patch16, in timm's layout",
    ),
    "dinov2": Documented(
        family="DINOv2",
        library="timm",
        id="vit_large_patch14_reg4_dinov2.lvd142m",
        width=1024,
        read="class token after the last normalisation",
        normalisation=_IMAGENET,
        legacy="dinov2_vitl14, without registers: timm:vit_large_patch14_dinov2.lvd142m",
        differs="positions are brought from 518 to 224 pixels once, at loading",
    ),
    "swav": Documented(
        family="SwAV",
        library="file",
        id="swav_RN50w4_400ep_pretrain.pth.tar",
        width=8192,
        read="mean over the last map of a ResNet-50 four times as wide",
        normalisation=_IMAGENET,
        differs="runs on any device, where the older forward pass moved its input to CUDA; a file of another width of "
        "the same network is read by its own shapes",
    ),
    "esvit": Documented(
        family="EsViT",
        library="file",
        id="esvit_swin_b.pth",
        width=1024,
        read="mean of the normalised tokens of a Swin-B of window 14, from the key 'student'",
        normalisation=_IMAGENET,
        rigid=True,
        differs="drop-path is off: the older system left it at 0.2 while heads were trained",
    ),
    "mae": Documented(
        family="MAE",
        library="timm",
        id="vit_large_patch16_224.mae",
        width=1024,
        read="class token after the last normalisation",
        normalisation=_IMAGENET,
        legacy="ViT-B/16 through an untrained layer of 1000 outputs",
        differs="the encoder's own vector: the later code could not run it, and the earlier one read a random "
        "projection of it",
    ),
    "blip": Documented(
        family="BLIP-2",
        library="transformers",
        id="Salesforce/blip2-opt-2.7b",
        width=1408,
        read="pooled output of the vision tower",
        normalisation=_OPENAI,
        differs="normalised as the tower was trained, where the older code took ImageNet's mean and deviation",
    ),
    "siglip": Documented(
        family="SigLIP",
        library="timm",
        id="vit_base_patch16_siglip_224.webli",
        width=768,
        read="attention-pooled output",
        normalisation=_HALF,
        differs="the weights of google/siglip-base-patch16-224, in timm's layout; normalised to -1..1 as they were "
        "trained, where the older code took CLIP's mean and deviation",
    ),
    "hiera": Documented(
        family="Hiera",
        library="timm",
        id="hiera_base_224.mae",
        width=768,
        read="normalised mean over the tokens of the last stage",
        normalisation=_IMAGENET,
        rigid=True,
        differs="the last stage alone, where the older code summed all stages through the heads of the masked "
        "pre-training, which timm does not carry",
    ),
    "align": Documented(
        family="ALIGN",
        library="transformers",
        id="kakaobrain/align-base",
        width=640,
        read="mean over the last map of an EfficientNet-B7",
        normalisation=_HALF,
        differs="normalised to -1..1 as the published weights want it, where the older code took ImageNet's mean and "
        "deviation",
    ),
    "owlv2": Documented(
        family="OWLv2",
        library="transformers",
        id="google/owlv2-base-patch16",
        width=768,
        read="class token after the last normalisation",
        normalisation=_OPENAI,
        resize=960,
        crop=960,
        differs="at its own 960 pixels: at 224 it has 197 tokens for 3601 positions, and the older code failed; "
        "stretched to a square, where its makers pad",
    ),
    "eva01": Documented(
        family="EVA-01",
        library="timm",
        id="eva_giant_patch14_clip_224.laion400m",
        width=1408,
        read="class token after the last normalisation, before the projection",
        normalisation=_OPENAI,
        differs="announced and not written in the older system",
    ),
    "eva02": Documented(
        family="EVA-02",
        library="timm",
        id="eva02_large_patch14_clip_224.merged2b",
        width=1024,
        read="class token after the last normalisation, before the projection",
        normalisation=_OPENAI,
        differs="announced and not written in the older system",
    ),
}
