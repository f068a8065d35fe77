"""The book's nets without shortcuts, in PyTorch, written from the text of Dive into Deep Learning, https://d2l.ai. Layers have deepend's names."""
from collections import OrderedDict

import torch
from torch import nn


def seq(**layers):
    """`nn.Sequential` with names for its layers."""
    return nn.Sequential(OrderedDict(layers))


def softmax_regression(channels, size, classes):
    """Chapter 4."""
    return seq(flatten=nn.Flatten(), dense=nn.Linear(channels * size[0] * size[1], classes))


def mlp(channels, size, classes, hidden=(256,)):
    """Chapter 5."""
    widths = [channels * size[0] * size[1], *hidden]
    layers = OrderedDict(flatten=nn.Flatten())
    for i, (before, after) in enumerate(zip(widths, hidden), 1):
        layers[f"dense{i}"], layers[f"relu{i}"] = nn.Linear(before, after), nn.ReLU()
    layers[f"dense{len(widths)}"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)


def lenet(channels, size, classes):
    """Chapter 7.6; the first linear layer takes 16·5·5 numbers of a 28×28 image."""
    h, w = [(side // 2 - 4) // 2 for side in size]
    return seq(
        stage1=seq(conv=nn.Conv2d(channels, 6, 5, padding=2), sigmoid=nn.Sigmoid(), pool=nn.AvgPool2d(2, stride=2)),
        stage2=seq(conv=nn.Conv2d(6, 16, 5), sigmoid=nn.Sigmoid(), pool=nn.AvgPool2d(2, stride=2)),
        head=seq(
            flatten=nn.Flatten(),
            dense1=nn.Linear(16 * h * w, 120), sigmoid1=nn.Sigmoid(),
            dense2=nn.Linear(120, 84), sigmoid2=nn.Sigmoid(),
            dense3=nn.Linear(84, classes),
        ),
    )


def bn_lenet(channels, size, classes):
    """Chapter 8.5: no padding, and a batch normalization before each sigmoid."""
    h, w = [((side - 4) // 2 - 4) // 2 for side in size]
    return seq(
        stage1=seq(conv=nn.Conv2d(channels, 6, 5), bn=nn.BatchNorm2d(6), sigmoid=nn.Sigmoid(), pool=nn.AvgPool2d(2, stride=2)),
        stage2=seq(conv=nn.Conv2d(6, 16, 5), bn=nn.BatchNorm2d(16), sigmoid=nn.Sigmoid(), pool=nn.AvgPool2d(2, stride=2)),
        head=seq(
            flatten=nn.Flatten(),
            dense1=nn.Linear(16 * h * w, 120), bn1=nn.BatchNorm1d(120), sigmoid1=nn.Sigmoid(),
            dense2=nn.Linear(120, 84), bn2=nn.BatchNorm1d(84), sigmoid2=nn.Sigmoid(),
            dense3=nn.Linear(84, classes),
        ),
    )


def alexnet(channels, size, classes, dropout=0.5):
    """Chapter 8.1; 6,400 numbers of a 224×224 image."""
    def pool():
        return nn.MaxPool2d(3, stride=2)

    stages = OrderedDict(
        stage1=seq(conv=nn.Conv2d(channels, 96, 11, stride=4, padding=1), relu=nn.ReLU(), pool=pool()),
        stage2=seq(conv=nn.Conv2d(96, 256, 5, padding=2), relu=nn.ReLU(), pool=pool()),
        stage3=seq(
            conv1=nn.Conv2d(256, 384, 3, padding=1), relu1=nn.ReLU(),
            conv2=nn.Conv2d(384, 384, 3, padding=1), relu2=nn.ReLU(),
            conv3=nn.Conv2d(384, 256, 3, padding=1), relu3=nn.ReLU(),
            pool=pool(),
        ),
    )
    return with_linear_head(nn.Sequential(stages), channels, size, classes, dropout)


def with_linear_head(features, channels, size, classes, dropout):
    """Two hidden layers of 4096, as AlexNet and VGG have them."""
    with torch.no_grad():
        rows = features(torch.zeros(1, channels, *size)).numel()
    head = seq(
        flatten=nn.Flatten(),
        dense1=nn.Linear(rows, 4096), relu1=nn.ReLU(), dropout1=nn.Dropout(dropout),
        dense2=nn.Linear(4096, 4096), relu2=nn.ReLU(), dropout2=nn.Dropout(dropout),
        dense3=nn.Linear(4096, classes),
    )
    return nn.Sequential(OrderedDict([*features.named_children(), ("head", head)]))


VGG_ARCHITECTURES = {  # convolutions and channels of each block: Simonyan & Zisserman 2014, table 1, columns A, B, D and E
    "vgg11": ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    "vgg13": ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512)),
    "vgg16": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "vgg19": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}


def vgg(name):
    def build(channels, size, classes, widthDivisor=1, dropout=0.5, batchNorm=False):
        stages, before = OrderedDict(), channels
        for stage, (depth, filters) in enumerate(VGG_ARCHITECTURES[name], 1):
            layers = OrderedDict()
            for i in range(1, depth + 1):
                number = i if depth > 1 else ""
                layers[f"conv{number}"] = nn.Conv2d(before, filters // widthDivisor, 3, padding=1)
                before = filters // widthDivisor
                if batchNorm:
                    layers[f"bn{number}"] = nn.BatchNorm2d(before)
                layers[f"relu{number}"] = nn.ReLU()
            layers["pool"] = nn.MaxPool2d(2, stride=2)
            stages[f"stage{stage}"] = nn.Sequential(layers)
        return with_linear_head(nn.Sequential(stages), channels, size, classes, dropout)

    build.__doc__ = "Chapter 8.2."
    return build


def nin(channels, size, classes, dropout=0.5):
    """Chapter 8.3."""
    def block(before, filters, kernel, stride, padding):
        return OrderedDict(
            conv1=nn.Conv2d(before, filters, kernel, stride, padding), relu1=nn.ReLU(),
            conv2=nn.Conv2d(filters, filters, 1), relu2=nn.ReLU(),
            conv3=nn.Conv2d(filters, filters, 1), relu3=nn.ReLU(),
        )

    return seq(
        stage1=seq(**block(channels, 96, 11, 4, 0), pool=nn.MaxPool2d(3, stride=2)),
        stage2=seq(**block(96, 256, 5, 1, 2), pool=nn.MaxPool2d(3, stride=2)),
        stage3=seq(**block(256, 384, 3, 1, 1), pool=nn.MaxPool2d(3, stride=2)),
        head=seq(dropout=nn.Dropout(dropout), **block(384, classes, 3, 1, 1), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()),
    )


class Inception(nn.Module):
    """Chapter 8.4: four branches, joined by their channels."""

    def __init__(self, before, c1, c2, c3, c4):
        super().__init__()
        unit = lambda inputs, filters, **kernel: seq(conv=nn.Conv2d(inputs, filters, **kernel), relu=nn.ReLU())  # noqa: E731
        self.branch1 = unit(before, c1, kernel_size=1)
        self.branch2 = nn.Sequential(unit(before, c2[0], kernel_size=1), unit(c2[0], c2[1], kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(unit(before, c3[0], kernel_size=1), unit(c3[0], c3[1], kernel_size=5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), unit(before, c4, kernel_size=1))

    def forward(self, x):
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), dim=1)


def googlenet(channels, size, classes):
    """Chapter 8.4."""
    def pool():
        return nn.MaxPool2d(3, stride=2, padding=1)

    return seq(
        stage1=seq(conv=nn.Conv2d(channels, 64, 7, stride=2, padding=3), relu=nn.ReLU(), pool=pool()),
        stage2=seq(
            unit1=seq(conv=nn.Conv2d(64, 64, 1), relu=nn.ReLU()),
            unit2=seq(conv=nn.Conv2d(64, 192, 3, padding=1), relu=nn.ReLU()),
            pool=pool(),
        ),
        stage3=seq(
            inception1=Inception(192, 64, (96, 128), (16, 32), 32),
            inception2=Inception(256, 128, (128, 192), (32, 96), 64),
            pool=pool(),
        ),
        stage4=seq(
            inception1=Inception(480, 192, (96, 208), (16, 48), 64),
            inception2=Inception(512, 160, (112, 224), (24, 64), 64),
            inception3=Inception(512, 128, (128, 256), (24, 64), 64),
            inception4=Inception(512, 112, (144, 288), (32, 64), 64),
            inception5=Inception(528, 256, (160, 320), (32, 128), 128),
            pool=pool(),
        ),
        stage5=seq(
            inception1=Inception(832, 256, (160, 320), (32, 128), 128),
            inception2=Inception(832, 384, (192, 384), (48, 128), 128),
        ),
        head=seq(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), dense=nn.Linear(1024, classes)),
    )


NETS = {
    "book/softmax_regression": softmax_regression,
    "book/mlp": mlp,
    "book/lenet": lenet,
    "book/bn_lenet": bn_lenet,
    "book/alexnet": alexnet,
    **{f"book/{name}": vgg(name) for name in VGG_ARCHITECTURES},
    "book/nin": nin,
    "book/googlenet": googlenet,
}
