"""The peer of the benchmark: PyTorch and torchvision. Reads a line of JSON, does a round of that work, answers with its rate.

{"kind": "train", "net": "resnet18", "size": 28, "batch": 128, "format": "channels_last", "seconds": 4}      samples per second
{"kind": "infer", ...}                                                                                        the same, in inference mode
{"kind": "step", "model": "gru_lm", "batch": 32, "parameters": 226844, "seconds": 4}                            samples per second of peer_models.py's
{"kind": "load", "size": 96, "batch": 128, "images": ".../train-images-idx3-ubyte.gz", "seconds": 3}          samples per second
{"kind": "load", "size": 224, "batch": 64, "folder": "class/name.jpg below it", "times": 4, "seconds": 3}     the same files so many times
{"kind": "conv" | "conv_input" | "conv_filter", "x": [n, h, w, c], "filters": 64, "kernel": 3, "stride": 1, "padding": 1, ...}   calls per second
{"kind": "matmul", "size": 1024, ...}                                                                         calls per second
{"kind": "function", "name": "conv1d", ...}                                                                        steps per second of peer_functions.py's
{"kind": "forget"}                                                                                            drops the nets

With --cuda nets are trained on the GPU; "tf32": true lets products round to TF32, as PyTorch's convolutions do by default, false does not.
The threads are what PyTorch takes by itself.
"""
import gzip
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from book_plain import NETS as PLAIN_NETS
from book_residual import NETS as RESIDUAL_NETS
from peer_functions import function_step
from peer_models import MODELS, loss_of

BOOK_NETS = {name: {**PLAIN_NETS, **RESIDUAL_NETS}["book/" + name] for name in ("alexnet", "vgg16", "nin", "densenet")}

RESNETS = {
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


def resnet(name, cifar=False):
    stem, stages = RESNETS[name]
    layers = [nn.Conv2d(1, stem, 3, 1, 1) if cifar else nn.Conv2d(1, stem, 7, 2, 3), nn.BatchNorm2d(stem), nn.ReLU()]
    if not cifar:
        layers.append(nn.MaxPool2d(3, 2, 1))
    channels = stem
    for s, (filters, depth) in enumerate(stages):
        for d in range(depth):
            layers.append(Residual(channels, filters, s > 0 and d == 0))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def lenet():
    """Chapter 7.6."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))


def vgg11(size, divisor=4):
    """Chapter 8.2, at a quarter of the width."""
    layers, channels = [], 1
    for filters, depth in ((64, 1), (128, 1), (256, 2), (512, 2), (512, 2)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, filters // divisor, 3, padding=1), nn.ReLU()]
            channels = filters // divisor
        layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(channels * (size // 32) ** 2, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(4096, 10))


def torchvision_net(net):
    torch.library.register_fake = lambda *_, **__: lambda form: form  # operators that a CPU build of another version lacks
    import torchvision

    extra = {"aux_logits": False, "init_weights": False} if net == "googlenet" else {}
    return getattr(torchvision.models, net)(num_classes=10, **extra)


def build(net, size):
    if net == "lenet":
        return lenet()
    if net == "vgg11":
        return vgg11(size)
    if net in BOOK_NETS:
        return BOOK_NETS[net](1, (size, size), 10)
    if not net.startswith(("resnet8", "resnet18")):
        return torchvision_net(net)
    return resnet("resnet18", cifar=True) if net == "resnet18_cifar" else resnet(net)


CUDA = "--cuda" in sys.argv
DEVICE = torch.device("cuda" if CUDA else "cpu")
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
built = {}


def once(key, make):
    if key not in built:
        built[key] = make()
    return built[key]


def per_second(work, seconds):
    """From the median time of the calls: at least two in those seconds, or one that lasts longer."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1 / float(np.median(times))


def network(net, size, batch, memory, training):
    torch.manual_seed(0)
    model = build(net, size).to(DEVICE, memory_format=memory).train(training)
    channels = 1 if net in ("lenet", "vgg11", *BOOK_NETS) or net.startswith(("resnet8", "resnet18")) else 3
    x = torch.rand(batch, channels, size, size).to(DEVICE).contiguous(memory_format=memory)
    y = torch.tensor([(7 * i + 3) % 10 for i in range(batch)], device=DEVICE)

    def predict():
        with torch.inference_mode():
            model(x)[0, 0].item()

    work = stepper(model, x, y, F.cross_entropy) if training else predict
    work()
    return work


def stepper(model, x, y, loss_of):
    """Forward, backward, update, and the loss read."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def model_step(name, batch, memory, parameters):
    torch.manual_seed(0)
    make_model, make_batch = MODELS[name]
    model = make_model().to(memory_format=memory).train()
    count = sum(p.numel() for p in model.parameters())
    if count != parameters:
        raise ValueError(f"{name} has {count} parameters, expected {parameters}")
    x, y = make_batch(batch)
    work = stepper(model, x.contiguous(memory_format=memory) if x.dim() == 4 else x, y, loss_of)
    work()
    return work


def step(model, batch, parameters, seconds, format="contiguous", **_):
    work = once(("step", model, batch, format, parameters), lambda: model_step(model, batch, FORMATS[format], parameters))
    return batch * per_second(work, seconds)


def function(name, seconds, format="contiguous", **_):
    return per_second(once(("function", name, format), lambda: function_step(name, FORMATS[format])), seconds)


def round_to(tf32):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32


def train(net, size, batch, format, seconds, tf32=False, **_):
    round_to(tf32)
    work = once(("train", net, size, batch, format, tf32), lambda: network(net, size, batch, FORMATS[format], True))
    return batch * per_second(work, seconds)


def infer(net, size, batch, format, seconds, tf32=False, **_):
    round_to(tf32)
    work = once(("infer", net, size, batch, format, tf32), lambda: network(net, size, batch, FORMATS[format], False))
    return batch * per_second(work, seconds)


def convolution(kind, x, filters, kernel, stride, padding, memory):
    images, height, width, channels = x
    pixels = torch.rand(images, channels, height, width).contiguous(memory_format=memory)
    weight = torch.rand(filters, channels, kernel, kernel).contiguous(memory_format=memory)
    dy = torch.rand_like(F.conv2d(pixels, weight, None, stride, padding)).contiguous(memory_format=memory)
    wanted = [kind == "conv_input", kind == "conv_filter", False]

    def work():
        if kind == "conv":
            return F.conv2d(pixels, weight, None, stride, padding)
        sides = [stride] * 2, [padding] * 2, [1, 1]
        return torch.ops.aten.convolution_backward(dy, pixels, weight, None, *sides, False, [0, 0], 1, wanted)

    work()
    return work


def conv(kind, x, filters, kernel, stride, padding, format, seconds, **_):
    shape = kind, x, filters, kernel, stride, padding, FORMATS[format]
    return per_second(once(str(shape), lambda: convolution(*shape)), seconds)


def matmul(size, seconds, **_):
    a, b = once(("matmul", size), lambda: (torch.rand(size, size), torch.rand(size, size)))
    return per_second(lambda: a @ b, seconds)


def vision():
    torch.library.register_fake = lambda *args, **kwargs: lambda function: function  # torchvision's C++ operators are not needed
    import torchvision

    return torchvision


def clothes(size, images):
    transforms = vision().transforms
    from PIL import Image

    with gzip.open(images) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    transform = transforms.Compose(([transforms.Resize(size)] if size != 28 else []) + [transforms.ToTensor()])

    class Clothes(torch.utils.data.Dataset):
        def __len__(self):
            return len(pixels)

        def __getitem__(self, index):
            return transform(Image.fromarray(pixels[index], mode="L")), index % 10

    return Clothes()


def photographs(size, folder, times):
    transforms, datasets = vision().transforms, vision().datasets
    steps = [transforms.Resize(256), transforms.CenterCrop(size), transforms.ToTensor()]
    return torch.utils.data.ConcatDataset([datasets.ImageFolder(folder, transforms.Compose(steps))] * times)


WORKERS = 0, 2, 4


def load(size, batch, seconds, images=None, folder=None, times=1, **_):
    dataset = once(("load", size, folder), lambda: photographs(size, folder, times) if folder else clothes(size, images))
    best = 0.0
    for workers in WORKERS:
        loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)
        batches = iter(loader)
        next(batches)
        seen, start = 0, time.perf_counter()
        for x, _labels in batches:
            seen += len(x)
            if time.perf_counter() - start > seconds / len(WORKERS):
                break
        best = max(best, seen / (time.perf_counter() - start))
        del batches
    return best


def forget(**_):
    built.clear()
    if CUDA:
        torch.cuda.empty_cache()
    return 0.0


KINDS = {"train": train, "infer": infer, "step": step, "function": function, "load": load, "matmul": matmul, "conv": conv, "conv_input": conv, "conv_filter": conv, "forget": forget}

if CUDA and not torch.cuda.is_available():
    print(json.dumps({"fault": f"torch {torch.__version__} of python3 sees no GPU"}), flush=True)
    sys.exit()
torch.backends.cudnn.benchmark = CUDA
where = f" on {torch.cuda.get_device_name()}" if CUDA else ""
print(json.dumps({"version": torch.__version__ + where, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    try:
        print(json.dumps({"rate": KINDS[job["kind"]](**job)}), flush=True)
    except Exception as error:  # the run goes on without this row
        print(json.dumps({"fault": f"{type(error).__name__}: {error}"}), flush=True)
