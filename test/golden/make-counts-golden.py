"""What the zoo's nets cost and are called in PyTorch: python3 test/golden/make-counts-golden.py

Writes test/golden/counts.json: for each net parameters, MACs of convolutions and linear layers for one image, a hash of its state_dict's sorted names
without `num_batches_tracked`, and the output shapes of its modules (without the batch, channels last). torchvision's nets are for 1000 classes and
224×224 pixels, and have some of their logits too; weights and image as in make-golden.py. The book's nets and CIFAR's, for 10 classes, are this
folder's own definitions, counted on PyTorch's `meta` device.
"""
import hashlib
import math

import torch
from torch import nn

import book_plain
import book_residual
import residual_variants
import torchvision_nets
from running import run, write

PICK = 25  # of a thousand logits each 25th
BOOK_SIZES = {  # the size that the book trains at, as deepend's builders take it when none is given
    **dict.fromkeys(["softmax_regression", "mlp", "lenet", "bn_lenet"], 28),
    **dict.fromkeys(["googlenet", "densenet", "regnetx32", "resnext18"], 96),
}
OWN = [
    *[(f"book/{name}", {}, [BOOK_SIZES.get(name, 224)] * 2 + [1]) for name in (id.removeprefix("book/") for id in {**book_plain.NETS, **book_residual.NETS})],
    ("book/vgg11", {"widthDivisor": 4}, [224, 224, 1]),
    ("book/resnet18", {"stem": "cifar"}, [224, 224, 1]),
    *[(id, {"shortcut": shortcut}, [32, 32, 3]) for id in residual_variants.NETS if id.startswith("cifar/") for shortcut in "ABC" if "1001" not in id or shortcut == "B"],
    *[("cifar/resnet56", {"blockOrder": order}, [32, 32, 3]) for order in residual_variants.ORDERS],
    *[("cifar/resnet164", {"blockOrder": order}, [32, 32, 3]) for order in residual_variants.ORDERS],
]
NETS = {**book_plain.NETS, **book_residual.NETS, **residual_variants.NETS}


def top(net):
    """The modules whose shapes are kept: the net's own, and of `features`, which is most of a net, what it holds."""
    for name, module in net.named_children():
        if name == "features":
            yield from ((f"features.{inner}", m) for inner, m in module.named_children())
        else:
            yield name, module


def shape_of(module, output):
    if isinstance(module, nn.AdaptiveAvgPool2d) and output.shape[2:] == (1, 1):
        return list(output.shape[1:2])
    _, *channels_first = output.shape
    return [*channels_first[1:], channels_first[0]]


def count(net, shape):
    """`shape` is [height, width, channels]."""
    macs, shapes = [], {}

    def look(module, _inputs, output):
        if isinstance(module, nn.Conv2d):
            macs.append(module.weight.numel() * math.prod(output.shape[2:]))
        elif isinstance(module, nn.Linear):
            macs.append(module.weight.numel() * math.prod(output.shape[1:-1]))  # at each pixel, where there are several

    for module in net.modules():
        module.register_forward_hook(look)
    for name, module in top(net):
        module.register_forward_hook(lambda module, _inputs, output, name=name: shapes.__setitem__(name, shape_of(module, output)))
    net.eval()(torch.empty(1, shape[2], *shape[:2], device="meta"))
    names = sorted(name for name in net.state_dict() if not name.endswith("num_batches_tracked"))
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "macs": sum(macs),
        "names": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "shapes": shapes,
    }


def own(id, options, shape):
    extra = {"dropout": 0} if id in ("book/alexnet", "book/nin") or id.startswith("book/vgg") else {}
    # The layers behind convolutions are made for the image's size, which takes a forward pass: of zeros on `meta` too.
    with torch.device("meta"):
        net = NETS[id](shape[2], tuple(shape[:2]), 10, **extra, **options)
    print(id, options, flush=True)
    return {"id": id, **({"options": options} if options else {}), "inputShape": shape, "numClasses": 10, **count(net, shape)}


def torchvisions(id):
    with torch.device("meta"):
        counts = count(torchvision_nets.own(id), [224, 224, 3])
    made = run({"id": id, "shape": [1, 224, 224, 3], "steps": 0, "numClasses": 1000}, torchvision_nets.NETS, pick=PICK)
    return {"id": id, "inputShape": [224, 224, 3], "numClasses": 1000, **counts, "logits": made["logits"][0]}


write(
    "counts.json",
    {
        "madeBy": f"test/golden/make-counts-golden.py, PyTorch {torch.__version__}, torchvision {torchvision_nets.VERSION}",
        "pick": PICK,
        "own": [own(*row) for row in OWN],
        "torchvision": [torchvisions(id) for id in torchvision_nets.IDS],
    },
    depth=4,
)
