"""Golden safetensors files from PyTorch and Python's own safetensors: python3 test/golden/make-safetensors-golden.py

Writes test/golden/safetensors-dtypes.safetensors (numbers of each type), safetensors-net.safetensors (the weights of a small net) and
safetensors.json: the float32 bits of those numbers, a hash over all 65,536 values of each 16-bit type, and the net's logits. The images are
those of test/helpers/fill.ts. `--check FILE` loads FILE into the net instead, strictly, and prints what came of it, for test/models.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import nn

HERE = pathlib.Path(__file__).parent
IMAGES = [4, 8, 7, 3]  # batch, height, width, channels

NUMBERS = [0.0, -0.0, 1.0, -1.5, 0.1, 65504.0, 6.1e-5, 6e-8, -5.9e-6, 1e-40, 3.4e38, float("inf"), -float("inf"), float("nan")]
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}


class Net(nn.Module):
    """One layer of each kind, a flattened image of unequal sides, and a batch norm and a dropout before the linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 12, 3, groups=4)
        self.conv3 = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.bn2 = nn.BatchNorm1d(24 * 3 * 2)
        self.classifier = nn.Sequential(nn.Linear(24 * 3 * 2, 20), nn.ReLU(), nn.Linear(20, 7))

    def forward(self, x):  # [batch, channels, height, width]
        x = torch.relu(self.bn1(self.conv1(x)))  # [batch, 8, 8, 7]
        x = torch.relu(self.conv2(x))  # [batch, 12, 6, 5]
        x = nn.functional.max_pool2d(self.conv3(x), 2)  # [batch, 24, 3, 2]
        x = nn.functional.dropout(torch.flatten(x, 1), 0.5, self.training)
        return self.classifier(torch.relu(self.bn2(x)))


def mix(count, name):
    with np.errstate(over="ignore"):
        start = np.uint32(sum(map(ord, name))) * np.uint32(2654435761)
        h = (start + np.arange(count, dtype=np.uint32)) * np.uint32(2246822519)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(3266489917)
        h = h ^ (h >> np.uint32(13))
    return (h.astype(np.float64) / 2**32).astype(np.float32)


def logits(net):
    images = torch.tensor(mix(int(np.prod(IMAGES)), "safetensors").reshape(IMAGES)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return net.eval()(images).flatten().tolist()


def bits(tensor):
    return tensor.float().numpy().view(np.uint32).tolist()


def hash_of_all(dtype):
    """Over the float32 of every bit pattern; a NaN's payload is nobody's promise."""
    floats = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(dtype).float().numpy()
    return hashlib.sha256(np.where(np.isnan(floats), np.float32("nan"), floats).view(np.uint32).astype("<u4").tobytes()).hexdigest()


def make():
    torch.manual_seed(4)
    net = Net().train()
    for _ in range(3):  # moves the running statistics
        net(2 * torch.rand(16, 3, 8, 7) - 0.5)
    save_file(net.state_dict(), HERE / "safetensors-net.safetensors", metadata={"format": "pt"})

    numbers = {name: torch.tensor(NUMBERS, dtype=torch.float64).to(dtype).reshape(2, 7) for name, dtype in TYPES.items()}
    save_file({**numbers, "bn.num_batches_tracked": torch.tensor(3)}, HERE / "safetensors-dtypes.safetensors", metadata={"note": 'grüße "你好"'})
    golden = {
        "madeBy": f"test/golden/make-safetensors-golden.py, safetensors {safetensors.__version__}, PyTorch {torch.__version__}",
        "bits": {name: bits(tensor.flatten()) for name, tensor in numbers.items()},
        "hashes": {"F16": hash_of_all(torch.float16), "BF16": hash_of_all(torch.bfloat16)},
        "images": IMAGES,
        "logits": logits(net),
        "layers": {name: list(tensor.shape) for name, tensor in net.state_dict().items()},
    }
    target = HERE / "safetensors.json"
    target.write_text(json.dumps(golden, indent=1) + "\n")
    for file in sorted(HERE.glob("safetensors*")):
        print(f"wrote {file} ({file.stat().st_size} bytes)")


def check(file):
    net = Net()
    net.load_state_dict(load_file(file), strict=True)
    with safetensors.safe_open(file, "pt") as opened:
        print(json.dumps({"logits": logits(net), "metadata": opened.metadata(), "names": list(opened.keys())}))


if sys.argv[1:2] == ["--check"]:
    check(sys.argv[2])
else:
    make()
