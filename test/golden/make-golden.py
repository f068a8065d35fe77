"""Golden values of the book's residual nets from PyTorch: python3 test/golden/make-golden.py

Writes test/golden/resnet.json: for each net its logits in inference mode, the losses of some SGD steps, and what batch normalization's
moving statistics came to. The weights and images are those of test/helpers/fill.ts, by the names that deepend gives them.
"""
import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

RUNS = [
    {"net": "resnet8", "shape": [8, 28, 28, 1], "lr": 0.05, "steps": 4},
    {"net": "resnet18", "shape": [8, 48, 48, 1], "lr": 0.005, "steps": 3},
]
NETS = {
    "resnet8": (16, [(16, 1), (32, 1), (64, 1)]),
    "resnet18": (64, [(64, 2), (128, 2), (256, 2), (512, 2)]),
}


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
    def __init__(self, stem, stages):
        super().__init__()
        self.stem = nn.ModuleDict({"conv": nn.Conv2d(1, stem, 7, stride=2, padding=3), "bn": nn.BatchNorm2d(stem)})
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
        for name, module in self.named_modules():
            fill(module, name)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem["bn"](self.stem["conv"](x))), 3, stride=2, padding=1)
        for s in range(self.stages):
            for block in getattr(self, f"stage{s + 1}").values():
                x = block(x)
        return self.head["dense"](x.mean((2, 3)))


def run(spec):
    net = ResNet(*NETS[spec["net"]])
    batch, height, width, channels = spec["shape"]
    x = torch.tensor(mix(int(np.prod(spec["shape"])), spec["net"]).reshape(spec["shape"])).permute(0, 3, 1, 2).contiguous()
    y = torch.tensor([(7 * i + 3) % 10 for i in range(batch)])
    net.eval()
    with torch.no_grad():
        logits = net(x).tolist()
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=spec["lr"])
    losses = []
    for _ in range(spec["steps"]):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        trained = net(x).tolist()
    last = f"stage{net.stages}.block1.bn2"
    bn = dict(net.named_modules())[last]
    return {
        **spec,
        "logits": logits,
        "losses": losses,
        "trainedLogits": trained,
        "movingMean": {"stem.bn": net.stem["bn"].running_mean.tolist(), last: bn.running_mean[:32].tolist()},
        "movingVariance": {"stem.bn": net.stem["bn"].running_var.tolist(), last: bn.running_var[:32].tolist()},
    }


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


torch.manual_seed(0)
torch.set_num_threads(1)
target = pathlib.Path(__file__).with_name("resnet.json")
golden = {"madeBy": f"test/golden/make-golden.py, PyTorch {torch.__version__}", "runs": [rounded(run(r)) for r in RUNS]}
target.write_text(json.dumps(golden, indent=1) + "\n")
print(f"wrote {target} ({target.stat().st_size} bytes)")
