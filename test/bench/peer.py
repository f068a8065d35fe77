"""The peer of test/bench/run.ts: PyTorch and torchvision. Reads a line of JSON, does a round of that work, answers with its samples per second.

{"kind": "train", "net": "resnet18", "size": 28, "batch": 128, "seconds": 4}
{"kind": "load", "size": 96, "batch": 128, "seconds": 3, "images": ".../train-images-idx3-ubyte.gz"}
"""
import gzip
import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

NETS = {
    "resnet8": (16, [(16, 1), (32, 1), (64, 1)]),
    "resnet18": (64, [(64, 2), (128, 2), (256, 2), (512, 2)]),
}


class Residual(nn.Module):
    """Dive into Deep Learning, chapter 8.6."""

    def __init__(self, inputs, filters, down):
        super().__init__()
        stride = 2 if down else 1
        self.main = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, padding=1, stride=stride), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1), nn.BatchNorm2d(filters))
        self.shortcut = nn.Conv2d(inputs, filters, 1, stride=2) if down else nn.Identity()

    def forward(self, x):
        return F.relu(self.main(x) + self.shortcut(x))


def resnet(name):
    stem, stages = NETS[name]
    layers = [nn.Conv2d(1, stem, 7, 2, 3), nn.BatchNorm2d(stem), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = stem
    for s, (filters, depth) in enumerate(stages):
        for d in range(depth):
            layers.append(Residual(channels, filters, s > 0 and d == 0))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


built = {}


def train(net, size, batch, seconds, **_):
    key = (net, size, batch)
    if key not in built:
        model = resnet(net).to(memory_format=torch.channels_last)
        built[key] = model, torch.optim.SGD(model.parameters(), lr=0.01)
    model, optimizer = built[key]
    x = torch.rand(batch, 1, size, size).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (batch,))
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    return batch / float(np.median(times))


def load(size, batch, seconds, images, **_):
    if ("load", size) not in built:
        torch.library.register_fake = lambda *args, **kwargs: lambda function: function  # torchvision's C++ operators are not needed
        from PIL import Image
        from torchvision import transforms

        with gzip.open(images) as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        transform = transforms.Compose(([transforms.Resize(size)] if size != 28 else []) + [transforms.ToTensor()])

        class Clothes(torch.utils.data.Dataset):
            def __len__(self):
                return len(pixels)

            def __getitem__(self, index):
                return transform(Image.fromarray(pixels[index], mode="L")), index % 10

        built["load", size] = Clothes()
    best = 0.0
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(built["load", size], batch_size=batch, shuffle=True, num_workers=workers)
        batches = iter(loader)
        next(batches)
        seen, start = 0, time.perf_counter()
        for x, _labels in batches:
            seen += len(x)
            if time.perf_counter() - start > seconds / 2:
                break
        best = max(best, seen / (time.perf_counter() - start))
        del batches
    return best


print(json.dumps({"peer": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    try:
        print(json.dumps({"rate": {"train": train, "load": load}[job["kind"]](**job)}), flush=True)
    except Exception as error:  # the run goes on without this row
        print(json.dumps({"fault": f"{type(error).__name__}: {error}"}), flush=True)
