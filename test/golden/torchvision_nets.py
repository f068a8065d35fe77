"""torchvision's own modules by their ids, and its ResNets with the options that it has not."""
import torch

# This build of PyTorch lacks operations that torchvision decorates when it is imported; no net needs them.
if not hasattr(torch.ops.torchvision, "nms"):
    torch.library.register_fake = lambda *_args, **_options: lambda function: function

import torchvision  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models  # noqa: E402
from torchvision.models.vgg import cfgs, make_layers  # noqa: E402

from residual_variants import ResNet  # noqa: E402

VERSION = torchvision.__version__
RESNETS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
VGGS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
IDS = [
    *RESNETS,
    *VGGS,
    *[f"{name}_bn" for name in VGGS],
    *["densenet121", "densenet161", "densenet169", "densenet201", "alexnet", "googlenet", "mobilenet_v2", "efficientnet_b0", "convnext_tiny"],
]
DROPPING = ["alexnet", "googlenet", "mobilenet_v2", "efficientnet_b0"]
VARIANTS = {"resnet18": ([2, 2, 2, 2], 2), "resnet50": ([3, 4, 6, 3], 3)}


def own(name, classes=1000, **options):
    """The module as torchvision builds it, its initial weights left out where that can be had."""
    if name == "googlenet":
        options = {"aux_logits": False, "init_weights": False, **options}
    elif name in RESNETS:
        assert not options, options
    elif name.startswith("vgg"):
        options = {"init_weights": False, **options}
    return models.get_model(name, weights=None, num_classes=classes, **options)


def narrow_vgg(name, classes, divisor, dropout):
    plan = [width if width == "M" else width // divisor for width in cfgs[VGGS[name.removesuffix("_bn")]]]
    net = models.VGG(make_layers(plan, batch_norm=name.endswith("_bn")), classes, init_weights=False, dropout=dropout)
    net.classifier[0] = nn.Linear(512 // divisor * 7 * 7, 4096)
    return net


def build(name):
    def make(channels, size, classes, dropout=0.5, transformInput=False, widthDivisor=1, widthMultiplier=None, stochasticDepth=None, layerScale=None, **options):
        if widthDivisor > 1:
            return narrow_vgg(name, classes, widthDivisor, dropout)
        if channels != 3 or options:
            depths, weights = VARIANTS[name]
            return ResNet(channels, classes, depths=depths, weights=weights, **options)
        extra = {"dropout": dropout} if name in DROPPING or name.startswith("vgg") else {}
        if transformInput:
            extra["transform_input"] = True
        if stochasticDepth is not None:
            extra["stochastic_depth_prob"] = stochasticDepth
        if layerScale is not None:
            extra["layer_scale"] = layerScale
        if widthMultiplier is not None:
            extra["width_mult"] = widthMultiplier
        return own(name, classes, **extra)

    return make


NETS = {name: build(name) for name in IDS}
