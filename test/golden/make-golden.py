"""Golden values of the book's nets from PyTorch: python3 test/golden/make-golden.py

Writes test/golden/lenet.json, vgg.json and resnet.json: for each net its logits in inference mode, the losses of some SGD steps, the logits
after them, and what the first step moved batch normalization's statistics to; and long-run.json: the losses of 20 steps of ResNet-18. The
weights and images are those of test/helpers/fill.ts, by the names that deepend gives them.
"""
import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# "options" are what deepend's builder is given beside the image's shape.
RUNS = {
    "lenet.json": [{"net": "lenet", "shape": [8, 28, 28, 1], "lr": 0.5, "steps": 4}],
    "vgg.json": [{"net": "vgg11", "options": {"widthDivisor": 8, "dropout": 0}, "shape": [4, 32, 32, 1], "lr": 0.01, "steps": 3}],
    "resnet.json": [
        {"net": "resnet8", "shape": [8, 28, 28, 1], "lr": 0.05, "steps": 4},
        {"net": "resnet18", "shape": [8, 48, 48, 1], "lr": 0.005, "steps": 3},
        {"net": "resnet18", "options": {"stem": "cifar"}, "shape": [8, 20, 20, 1], "lr": 0.001, "steps": 3},
    ],
    "long-run.json": [{"net": "resnet18", "shape": [32, 28, 28, 1], "lr": 0.0003, "steps": 20}],
}
RESNETS = {
    "resnet8": (16, [(16, 1), (32, 1), (64, 1)]),
    "resnet18": (64, [(64, 2), (128, 2), (256, 2), (512, 2)]),
}
VGGS = {"vgg11": [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)]}


def mix(count, name):
    with np.errstate(over="ignore"):
        start = np.uint32(sum(map(ord, name))) * np.uint32(2654435761)
        h = (start + np.arange(count, dtype=np.uint32)) * np.uint32(2246822519)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(3266489917)
        h = h ^ (h >> np.uint32(13))
    return (h.astype(np.float64) / 2**32).astype(np.float32)


def values(name, shape):
    spread = 2 * mix(int(np.prod(shape)), name) - 1
    kind = name.rsplit("/", 1)[-1]
    if kind == "gamma":
        spread = 1 + 0.1 * spread
    elif kind == "kernel":
        spread = spread * np.sqrt(3 / (spread.size / shape[-1]))
    else:
        spread = 0.1 * spread
    return torch.tensor(spread.reshape(shape), dtype=torch.float32)


def fill(module, name):
    """HWIO kernels become PyTorch's OIHW, [in, out] becomes [out, in]."""
    with torch.no_grad():
        if isinstance(module, nn.Conv2d):
            o, i, h, w = module.weight.shape
            module.weight.copy_(values(f"{name}/kernel", (h, w, i, o)).permute(3, 2, 0, 1))
            module.bias.copy_(values(f"{name}/bias", (o,)))
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(values(f"{name}/gamma", module.weight.shape))
            module.bias.copy_(values(f"{name}/beta", module.bias.shape))
        elif isinstance(module, nn.Linear):
            module.weight.copy_(values(f"{name}/kernel", module.weight.shape[::-1]).T)
            module.bias.copy_(values(f"{name}/bias", module.bias.shape))


class Residual(nn.Module):
    """Dive into Deep Learning, chapter 8.6."""

    def __init__(self, inputs, filters, project, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv3 = nn.Conv2d(inputs, filters, 1, stride=stride) if project else None
        self.bn1 = nn.BatchNorm2d(filters)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.conv3(x) if self.conv3 else x))


class ResNet(nn.Module):
    def __init__(self, stem, stages, cifar=False):
        super().__init__()
        first = nn.Conv2d(1, stem, 3, padding=1) if cifar else nn.Conv2d(1, stem, 7, stride=2, padding=3)
        self.stem = nn.ModuleDict({"conv": first, "bn": nn.BatchNorm2d(stem)})
        self.pool = nn.Identity() if cifar else nn.MaxPool2d(3, stride=2, padding=1)
        channels = stem
        for s, (filters, depth) in enumerate(stages):
            blocks = {}
            for d in range(depth):
                down = d == 0 and s > 0
                blocks[f"block{d + 1}"] = Residual(channels, filters, down, 2 if down else 1)
                channels = filters
            setattr(self, f"stage{s + 1}", nn.ModuleDict(blocks))
        self.stages = len(stages)
        self.head = nn.ModuleDict({"dense": nn.Linear(channels, 10)})

    def forward(self, x):
        x = self.pool(F.relu(self.stem["bn"](self.stem["conv"](x))))
        for s in range(self.stages):
            for block in getattr(self, f"stage{s + 1}").values():
                x = block(x)
        return self.head["dense"](x.mean((2, 3)))


class Plain(nn.Module):
    """Stages of convolutions, each with an activation and then a pool, and linear layers: LeNet and VGG, chapters 7.6 and 8.2."""

    def __init__(self, stages, linear, activation, pool):
        super().__init__()
        for s, convolutions in enumerate(stages):
            setattr(self, f"stage{s + 1}", nn.ModuleDict(convolutions))
        self.stages = len(stages)
        pairs = zip(linear, linear[1:])
        self.head = nn.ModuleDict({f"dense{i + 1}": nn.Linear(*pair) for i, pair in enumerate(pairs)})
        self.activation, self.pool = activation, pool

    def forward(self, x):
        for s in range(self.stages):
            for conv in getattr(self, f"stage{s + 1}").values():
                x = self.activation(conv(x))
            x = self.pool(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # deepend's order: channels last
        *hidden, last = self.head.values()
        for dense in hidden:
            x = self.activation(dense(x))
        return last(x)


def lenet():
    stages = [{"conv": nn.Conv2d(1, 6, 5, padding=2)}, {"conv": nn.Conv2d(6, 16, 5)}]
    return Plain(stages, [400, 120, 84, 10], torch.sigmoid, F.avg_pool2d)


def vgg(name, size, widthDivisor=1, dropout=0):
    assert dropout == 0, "its random numbers are PyTorch's own"
    stages, channels = [], 1
    for filters, depth in VGGS[name]:
        convolutions = {}
        for d in range(depth):
            convolutions[f"conv{d + 1}"] = nn.Conv2d(channels, filters // widthDivisor, 3, padding=1)
            channels = filters // widthDivisor
        stages.append(convolutions)
    pixels = size // 2 ** len(stages)
    return Plain(stages, [channels * pixels**2, 4096, 4096, 10], F.relu, F.max_pool2d)


def build(name, size, stem="book", **options):
    if name == "lenet":
        net = lenet()
    elif name in VGGS:
        net = vgg(name, size, **options)
    else:
        net = ResNet(*RESNETS[name], cifar=stem == "cifar")
    for path, module in net.named_modules():
        fill(module, path)
    return net


def infer(net, x):
    net.eval()
    with torch.no_grad():
        return net(x).tolist()


def statistics(net):
    """Of the stem's batch normalization, and the first 32 of a late one's."""
    if not isinstance(net, ResNet):
        return {}
    last = f"stage{net.stages}.block1.bn2"
    mean, variance = {}, {}
    for name, count in (("stem.bn", None), (last, 32)):
        norm = net.get_submodule(name)
        mean[name], variance[name] = norm.running_mean[:count].tolist(), norm.running_var[:count].tolist()
    return {"movingMean": mean, "movingVariance": variance}


def run(spec):
    batch, height, _width, _channels = spec["shape"]
    net = build(spec["net"], height, **spec.get("options", {}))
    x = torch.tensor(mix(int(np.prod(spec["shape"])), spec["net"]).reshape(spec["shape"])).permute(0, 3, 1, 2).contiguous()
    y = torch.tensor([(7 * i + 3) % 10 for i in range(batch)])
    logits = infer(net, x)
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=spec["lr"])
    losses, moved = [], {}
    for _ in range(spec["steps"]):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        moved = moved or statistics(net)
    if spec["steps"] >= 20:  # by then the last digits of everything but the loss are the machine's own
        return {**spec, "losses": losses}
    return {**spec, "logits": logits, "losses": losses, "trainedLogits": infer(net, x), **moved}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


torch.manual_seed(0)
torch.set_num_threads(1)
for name, specs in RUNS.items():
    target = pathlib.Path(__file__).with_name(name)
    golden = {"madeBy": f"test/golden/make-golden.py, PyTorch {torch.__version__}", "runs": [rounded(run(spec)) for spec in specs]}
    target.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"wrote {target} ({target.stat().st_size} bytes)")
