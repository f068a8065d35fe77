"""Residual nets beyond torchvision's, in PyTorch: the orders of He et al. 2016 (https://arxiv.org/abs/1603.05027, figure 4), shortcuts A, B and C of
He et al. 2015 (https://arxiv.org/abs/1512.03385), the nets for CIFAR, squeeze-and-excitation (Hu et al. 2018), other stems."""
from torch import nn
from torch.nn import functional as F


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, ratio):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, max(1, round(channels / ratio)), 1)
        self.fc2 = nn.Conv2d(self.fc1.out_channels, channels, 1)

    def forward(self, x):
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class Block(nn.Module):
    """What all orders share; a subclass is one of figure 4's drawings. `weights` convolutions are called conv1, conv2, ... as in torchvision."""

    normalized_projection = True

    def __init__(self, before, planes, *, weights, stride, shortcut, squeeze, first):
        super().__init__()
        filters = planes * (4 if weights == 3 else 1)
        self.weights, self.stride, self.filters = weights, stride, filters
        self.first = first  # the stem's ReLU stands right before this block
        if weights == 3:
            self.conv1 = nn.Conv2d(before, planes, 1, bias=False)
            self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
            self.conv3 = nn.Conv2d(planes, filters, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(before, planes, 3, stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.se = SqueezeExcitation(filters, squeeze) if squeeze else None
        changes = stride != 1 or before != filters
        self.downsample = None
        if shortcut == "C" or (changes and shortcut == "B"):
            norms = [nn.BatchNorm2d(filters)] if self.normalized_projection else []
            self.downsample = nn.Sequential(nn.Conv2d(before, filters, 1, stride, bias=False), *norms)
        self.zeros = changes and shortcut == "A"
        self.norms(before, planes, filters)

    def convs(self):
        return [getattr(self, f"conv{i + 1}") for i in range(self.weights)]

    def bns(self):
        return [m for name, m in self.named_children() if name.startswith("bn")]

    def norms(self, before, planes, filters):
        """Behind each convolution one."""
        for i, conv in enumerate(self.convs(), 1):
            setattr(self, f"bn{i}", nn.BatchNorm2d(conv.out_channels))

    def branch_end(self, y):
        return self.se(y) if self.se else y

    def past(self, x, activated=None):
        """The shortcut; a projection sees what the branch sees."""
        if self.downsample:
            return self.downsample(x if activated is None else activated)
        if not self.zeros:
            return x
        thin = x[:, :, :: self.stride, :: self.stride]
        return F.pad(thin, (0, 0, 0, 0, 0, self.filters - x.shape[1]))  # zeros behind the last channel


class Original(Block):
    """(a) weight, BN, ReLU, weight, BN, addition, ReLU."""

    def forward(self, x):
        y = x
        for i, (conv, bn) in enumerate(zip(self.convs(), self.bns())):
            y = bn(conv(y if i == 0 else F.relu(y)))
        return F.relu(self.branch_end(y) + self.past(x))


class BnAfterAddition(Block):
    """(b) weight, BN, ReLU, weight, addition, BN, ReLU. What the addition takes is not normalized, so neither is a projection."""

    normalized_projection = False

    def forward(self, x):
        *convs, last_conv = self.convs()
        *bns, last_bn = self.bns()
        y = x
        for conv, bn in zip(convs, bns):
            y = F.relu(bn(conv(y)))
        return F.relu(last_bn(self.branch_end(last_conv(y)) + self.past(x)))


class ReluBeforeAddition(Block):
    """(c) weight, BN, ReLU, weight, BN, ReLU, addition."""

    def forward(self, x):
        y = x
        for conv, bn in zip(self.convs(), self.bns()):
            y = F.relu(bn(conv(y)))
        return self.branch_end(y) + self.past(x)


class ReluOnlyPreActivation(Block):
    """(d) ReLU, weight, BN, ReLU, weight, BN, addition."""

    def forward(self, x):
        activated = F.relu(x)  # behind a stem it changes nothing
        y = activated
        for i, (conv, bn) in enumerate(zip(self.convs(), self.bns())):
            y = bn(conv(y if i == 0 else F.relu(y)))
        return self.branch_end(y) + self.past(x, activated)


class FullPreActivation(Block):
    """(e) BN, ReLU, weight, BN, ReLU, weight, addition. Behind the stem, which is activated, the first pair is left out (appendix of the paper)."""

    normalized_projection = False

    def norms(self, before, planes, filters):
        for i, conv in enumerate(self.convs()[1:] if self.first else self.convs(), 1):
            setattr(self, f"bn{i}", nn.BatchNorm2d(conv.in_channels))

    def forward(self, x):
        convs, bns = self.convs(), self.bns()
        activated = x if self.first else F.relu(bns.pop(0)(x))
        y = convs[0](activated)
        for conv, bn in zip(convs[1:], bns):
            y = conv(F.relu(bn(y)))
        return self.branch_end(y) + self.past(x, activated)


ORDERS = {
    "original": Original,
    "bn-after-addition": BnAfterAddition,
    "relu-before-addition": ReluBeforeAddition,
    "relu-only-pre-activation": ReluOnlyPreActivation,
    "full-pre-activation": FullPreActivation,
}


class ResNet(nn.Module):
    """`depths` blocks of `weights` convolutions each; modules are called as torchvision calls them."""

    def __init__(self, channels, classes, *, depths, weights, filters=64, stem="imagenet", blockOrder="original", shortcut="B", squeezeRatio=None):
        super().__init__()
        small = stem == "cifar"
        self.conv1 = nn.Conv2d(channels, filters, 3 if small else 7, 1 if small else 2, padding=1 if small else 3, bias=stem == "book")
        self.bn1 = nn.BatchNorm2d(filters)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        before, order, layers = filters, ORDERS[blockOrder], []
        for s, depth in enumerate(depths):
            blocks = []
            for i in range(depth):
                options = {"stride": 2 if i == 0 and s > 0 else 1, "shortcut": shortcut, "squeeze": squeezeRatio, "first": i == s == 0}
                blocks.append(order(before, filters << s, weights=weights, **options))
                before = blocks[-1].filters
            layers.append(nn.Sequential(*blocks))
            setattr(self, f"layer{s + 1}", layers[-1])
        self.layers = len(layers)
        # The activation that a next block would begin with.
        self.bn = nn.BatchNorm2d(before) if order is FullPreActivation else None
        self.activate = order in (FullPreActivation, ReluOnlyPreActivation)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for s in range(self.layers):
            x = getattr(self, f"layer{s + 1}")(x)
        x = self.bn(x) if self.bn else x
        x = F.relu(x) if self.activate else x
        return self.fc(self.avgpool(x).flatten(1))


def cifar(depth, weights):
    """He et al. 2015, section 4.2: three stages of as many blocks, 16, 32 and 64 filters; 6n + 2 layers, or 9n + 2 of bottlenecks."""
    depths = [(depth - 2) // (3 * weights)] * 3
    default = "A" if weights == 2 else "B"

    def build(channels, size, classes, stem="cifar", shortcut=default, **options):
        return ResNet(channels, classes, depths=depths, weights=weights, filters=16, stem=stem, shortcut=shortcut, **options)

    return build


NETS = {
    **{f"cifar/resnet{depth}": cifar(depth, 2) for depth in (20, 32, 44, 56, 110)},
    **{f"cifar/resnet{depth}": cifar(depth, 3) for depth in (164, 1001)},
    # composed in test/models/parity.test.ts of exported blocks
    "golden/bottleneck": lambda channels, size, classes, **options: ResNet(
        channels, classes, depths=[2, 2], weights=3, filters=16, stem="cifar", **options
    ),
}
