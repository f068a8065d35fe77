"""Writes vit.json: what a Vision Transformer in plain PyTorch computes, for test/vision/vision-transformer.test.ts.

    python3 test/golden/make-vit-golden.py

The net is timm's `VisionTransformer` with its names of weights, written out. Weights and images are those of test/helpers/fill.ts by these names.
For the small net: logits, and the norm of each parameter's gradient of sum(logits * sin(1, 2, ...)). For ViT-S/16: some logits, the number of
parameters, and a hash of the sorted names.
"""
import hashlib
import math

import torch
from torch import nn
from torch.nn import functional as F

import filling
from running import write

PICK = 25


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(c // self.heads)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, dim, wide):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, wide), nn.Linear(wide, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, wide):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim, wide)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, image, channels, classes, patchSize, hidden, layers, heads, ffnHidden):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.pos_embed = nn.Parameter(torch.zeros(1, (image // patchSize) ** 2 + 1, hidden))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(channels, hidden, patchSize, stride=patchSize)})
        self.blocks = nn.Sequential(*[Block(hidden, heads, ffnHidden) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(hidden, eps=1e-6), nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


@torch.no_grad()
def fill(net):
    """Weights by their names in the state dict: vectors of normalizations around 1, the others around 0."""
    for name, tensor in net.named_parameters():
        kind = "gamma" if "norm" in name and name.endswith("weight") else "bias"
        tensor.copy_(filling.values(f"{name}/{kind}", tuple(tensor.shape)))
    return net


SMALL = {"patchSize": 8, "hidden": 24, "layers": 2, "heads": 3, "ffnHidden": 40}
S16 = {"patchSize": 16, "hidden": 384, "layers": 12, "heads": 6, "ffnHidden": 1536}

net = fill(ViT(32, 3, 10, **SMALL)).double()
logits = net(filling.images([2, 32, 32, 3], "vit").double())
(logits * torch.sin(torch.arange(1, logits.numel() + 1, dtype=torch.float64)).reshape(logits.shape)).sum().backward()
small = {"spec": SMALL, "logits": logits.tolist(), "gradients": {name: p.grad.norm().item() for name, p in net.named_parameters()}}

net = fill(ViT(224, 3, 1000, **S16)).double().eval()
with torch.no_grad():
    logits = net(filling.images([1, 224, 224, 3], "vit_s_16").double())
names = sorted(net.state_dict())
s16 = {
    "parameters": sum(p.numel() for p in net.parameters()),
    "names": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    "logits": logits[0, ::PICK].tolist(),
}
write("vit.json", {"madeBy": f"test/golden/make-vit-golden.py, PyTorch {torch.__version__}", "pick": PICK, "small": small, "vit_s_16": s16})
