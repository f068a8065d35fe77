"""The book's nets with shortcuts, in PyTorch, written from the text of Dive into Deep Learning, https://d2l.ai. Layers have deepend's names."""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from book_plain import seq


class Residual(nn.Module):
    """Chapter 8.6: biased convolutions, and a projection that is not normalized."""

    def __init__(self, before, filters, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, filters, 3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv3 = nn.Conv2d(before, filters, 1, stride=strides) if use_1x1conv else None
        self.bn1, self.bn2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.conv3(x) if self.conv3 else x))


class ResNeXtBlock(nn.Module):
    """Chapter 8.6.5: 1×1, grouped 3×3 and 1×1 convolutions; groups of `groups` channels, and a projection that is normalized."""

    def __init__(self, before, filters, groups, bot_mul=1, use_1x1conv=False, strides=1):
        super().__init__()
        width = round(filters * bot_mul)
        self.conv1 = nn.Conv2d(before, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=strides, padding=1, groups=width // groups)
        self.conv3 = nn.Conv2d(width, filters, 1)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.BatchNorm2d(filters)
        self.conv4 = nn.Conv2d(before, filters, 1, stride=strides) if use_1x1conv else None
        self.bn4 = nn.BatchNorm2d(filters) if use_1x1conv else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (self.bn4(self.conv4(x)) if self.conv4 else x))


def stem(channels, filters=64, small=False):
    """7×7 convolution at stride 2 and a pool; for small images a 3×3 convolution alone, as the English edition has it."""
    if small:
        return seq(conv=nn.Conv2d(channels, filters, 3, padding=1), bn=nn.BatchNorm2d(filters), relu=nn.ReLU())
    return seq(
        conv=nn.Conv2d(channels, filters, 7, stride=2, padding=3), bn=nn.BatchNorm2d(filters), relu=nn.ReLU(),
        pool=nn.MaxPool2d(3, stride=2, padding=1),
    )


def head(before, classes):
    return seq(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), dense=nn.Linear(before, classes))


def staged(first, before, stages, block, classes, halve_first=False):
    """`stages`: depth and filters of each; its first block halves the image and projects, but in the first stage."""
    layers = OrderedDict(stem=first)
    for s, (depth, filters) in enumerate(stages):
        blocks = OrderedDict()
        for i in range(depth):
            down = i == 0 and (s > 0 or halve_first)
            blocks[f"block{i + 1}"] = block(before, filters, use_1x1conv=down, strides=2 if down else 1)
            before = filters
        layers[f"stage{s + 1}"] = nn.Sequential(blocks)
    layers["head"] = head(before, classes)
    return nn.Sequential(layers)


RESNET18 = ((2, 64), (2, 128), (2, 256), (2, 512))


def resnet18(channels, size, classes, stem_="book"):
    return staged(stem(channels, small=stem_ == "cifar"), 64, RESNET18, Residual, classes)


def resnet8(channels, size, classes):
    """deepend's own: the book's parts, three stages of one block."""
    return staged(stem(channels, 16), 16, ((1, 16), (1, 32), (1, 64)), Residual, classes)


def grouped(before, filters, **options):
    return ResNeXtBlock(before, filters, groups=16, **options)


def resnext18(channels, size, classes):
    """ResNet-18's stages of ResNeXt blocks."""
    return staged(stem(channels), 64, RESNET18, grouped, classes)


def regnetx32(channels, size, classes):
    """Chapter 8.8: a stem of a 3×3 convolution at stride 2, and two stages that halve the image."""
    first = seq(conv=nn.Conv2d(channels, 32, 3, stride=2, padding=1), bn=nn.BatchNorm2d(32), relu=nn.ReLU())
    return staged(first, 32, ((4, 32), (6, 80)), grouped, classes, halve_first=True)


class DenseLayer(nn.Module):
    """Chapter 8.7: batch norm, ReLU, 3×3 convolution; its channels stand behind those of its input."""

    def __init__(self, before, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, growth, 3, padding=1)

    def forward(self, x):
        return torch.cat((x, self.conv1(F.relu(self.norm1(x)))), dim=1)


def densenet(channels, size, classes):
    """Chapter 8.7: four blocks of four layers; between them a transition that halves channels, height and width."""
    layers, before, growth = OrderedDict(stem=stem(channels)), 64, 32
    for s in range(4):
        parts = OrderedDict(dense=nn.Sequential(OrderedDict((f"denselayer{i + 1}", DenseLayer(before + i * growth, growth)) for i in range(4))))
        before += 4 * growth
        if s < 3:
            half = before // 2
            parts["transition"] = seq(norm=nn.BatchNorm2d(before), relu=nn.ReLU(), conv=nn.Conv2d(before, half, 1), pool=nn.AvgPool2d(2, stride=2))
            before = half
        layers[f"stage{s + 1}"] = nn.Sequential(parts)
    layers["head"] = nn.Sequential(OrderedDict(bn=nn.BatchNorm2d(before), relu=nn.ReLU(), **dict(head(before, classes).named_children())))
    return nn.Sequential(layers)


NETS = {
    "book/resnet18": lambda *image, stem="book": resnet18(*image, stem_=stem),
    "book/resnet8": resnet8,
    "book/resnext18": resnext18,
    "book/regnetx32": regnetx32,
    "book/densenet": densenet,
}
