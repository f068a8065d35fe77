"""Golden values of the zoo's nets from PyTorch: python3 test/golden/make-golden.py [file.json ...]

Writes the files below (all, or those named): for each run the net's logits in evaluation mode; with steps also the logits, gradient norms and
batch normalization's statistics of the first SGD step, the losses of all, and the logits after them. Weights and images are those of
test/helpers/fill.ts. "options" are what deepend's builder is given beside the image's shape and 10 classes.
"""
import sys

import torch

import book_plain
import book_residual
import residual_variants
import torchvision_nets
from residual_variants import ORDERS
from running import run, write

NETS = {**book_plain.NETS, **book_residual.NETS, **residual_variants.NETS, **torchvision_nets.NETS}


def spec(id, shape, steps=0, everywhere=False, **options):
    """`everywhere`: small enough for every engine; the others run on deepend's own."""
    return {"id": id, **({"options": options} if options else {}), "shape": shape, "steps": steps, **({"everywhere": True} if everywhere else {})}


BOOK = [
    spec("book/softmax_regression", [8, 28, 28, 1], steps=5, everywhere=True),
    spec("book/mlp", [8, 28, 28, 1], steps=5),
    spec("book/mlp", [3, 9, 7, 2], steps=5, hidden=[32, 16], everywhere=True),
    spec("book/lenet", [8, 28, 28, 1], steps=5),
    spec("book/lenet", [4, 35, 50, 1], steps=5, everywhere=True),
    spec("book/bn_lenet", [16, 28, 28, 1], steps=5),
    spec("book/alexnet", [2, 96, 83, 1], steps=5, dropout=0),
    spec("book/alexnet", [2, 224, 224, 1]),
    spec("book/alexnet", [1, 80, 96, 1], everywhere=True),
    spec("book/vgg11", [4, 32, 32, 1], steps=5, widthDivisor=8, dropout=0),
    spec("book/vgg11", [4, 50, 35, 1], steps=5, widthDivisor=8, dropout=0, batchNorm=True),
    spec("book/vgg11", [2, 35, 32, 1], widthDivisor=64, batchNorm=True, everywhere=True),
    *[spec(f"book/vgg{depth}", [2, 64, 96, 1], widthDivisor=8) for depth in (13, 16, 19)],
    spec("book/nin", [3, 96, 96, 1], steps=5, dropout=0),
    spec("book/nin", [2, 224, 224, 1]),
    spec("book/nin", [1, 72, 96, 1], everywhere=True),
    spec("book/googlenet", [2, 97, 61, 1], steps=5),
    spec("book/googlenet", [2, 96, 96, 1]),
    spec("book/googlenet", [2, 31, 28, 1], everywhere=True),
]
BOOK_RESIDUAL = [
    spec("book/resnet8", [8, 28, 28, 1], steps=5, everywhere=True),
    spec("book/resnet18", [4, 96, 96, 1], steps=5),
    spec("book/resnet18", [2, 97, 61, 1]),
    spec("book/resnet18", [2, 224, 224, 1]),
    spec("book/resnet18", [8, 28, 28, 1], steps=5, stem="cifar"),
    spec("book/resnext18", [4, 96, 96, 1], steps=5),
    spec("book/resnext18", [2, 35, 50, 1], everywhere=True),
    spec("book/densenet", [4, 96, 96, 1], steps=5),
    spec("book/densenet", [2, 35, 50, 1], everywhere=True),
    spec("book/regnetx32", [4, 96, 96, 1], steps=5),
    spec("book/regnetx32", [4, 35, 50, 1]),
    spec("book/regnetx32", [4, 19, 26, 1], steps=5, everywhere=True),
]
TORCHVISION = [
    spec("resnet18", [4, 97, 61, 3], steps=5),
    spec("resnet50", [2, 96, 96, 3], steps=5),
    spec("resnext50_32x4d", [2, 96, 96, 3], steps=5),
    spec("densenet121", [4, 97, 61, 3], steps=5),
    spec("mobilenet_v2", [8, 96, 96, 3], steps=5, dropout=0),
    spec("mobilenet_v2", [2, 35, 50, 3], widthMultiplier=0.35, everywhere=True),
    spec("efficientnet_b0", [8, 96, 96, 3], steps=5, dropout=0, stochasticDepth=0),
    spec("efficientnet_b0", [2, 35, 50, 3], everywhere=True),
    spec("convnext_tiny", [4, 64, 64, 3], steps=5, stochasticDepth=0),
    spec("convnext_tiny", [2, 35, 50, 3], everywhere=True),
    spec("alexnet", [2, 100, 100, 3], steps=5, dropout=0),
    spec("vgg11", [2, 32, 32, 3], steps=5, widthDivisor=8, dropout=0),
    spec("vgg11", [2, 96, 96, 3], widthDivisor=8, dropout=0),
    spec("vgg11", [2, 250, 190, 3], widthDivisor=8, dropout=0),
    spec("vgg13_bn", [3, 96, 96, 3], steps=5, widthDivisor=8, dropout=0),
    spec("googlenet", [2, 97, 130, 3], steps=5, dropout=0),
    spec("googlenet", [2, 224, 224, 3]),
    spec("googlenet", [2, 97, 130, 3], transformInput=True),
    spec("googlenet", [1, 35, 50, 3], transformInput=True, everywhere=True),
    spec("vgg11", [1, 50, 35, 3], widthDivisor=64, everywhere=True),
]
VARIANTS = [
    *[spec("cifar/resnet20", [8, 31, 33, 3], steps=5, shortcut=shortcut) for shortcut in "ABC"],
    spec("cifar/resnet20", [4, 35, 50, 3]),
    spec("cifar/resnet56", [4, 32, 32, 3]),
    spec("cifar/resnet110", [2, 32, 32, 3]),
    spec("cifar/resnet164", [8, 32, 32, 3], steps=5),
    *[spec("cifar/resnet20", [8, 32, 32, 3], steps=5, blockOrder=order, shortcut="B") for order in list(ORDERS)[1:]],
    *[spec("cifar/resnet20", [4, 28, 28, 3], blockOrder=order, shortcut="A") for order in list(ORDERS)[1:]],
    *[spec("golden/bottleneck", [8, 33, 28, 3], steps=5, blockOrder=order) for order in ORDERS],
    *[spec("resnet50", [2, 64, 64, 3], blockOrder=order) for order in list(ORDERS)[1:]],
    spec("resnet18", [4, 35, 50, 1], stem="cifar"),
    spec("resnet18", [4, 97, 61, 3], stem="book", blockOrder="full-pre-activation"),
    spec("resnet18", [2, 64, 64, 3], shortcut="C"),
    spec("golden/bottleneck", [4, 9, 8, 3], steps=5, blockOrder="full-pre-activation", squeezeRatio=16, everywhere=True),
    spec("golden/bottleneck", [4, 9, 8, 3], steps=5, shortcut="A", everywhere=True),
    spec("cifar/resnet20", [8, 32, 32, 3], steps=5, squeezeRatio=8),
    *[spec("golden/bottleneck", [8, 33, 28, 3], steps=5, blockOrder=order, squeezeRatio=16) for order in ORDERS],
]
FILES = {
    "book.json": BOOK,
    "book-residual.json": BOOK_RESIDUAL,
    "torchvision.json": TORCHVISION,
    "residual.json": VARIANTS,
}


MADE_BY = f"test/golden/make-golden.py, PyTorch {torch.__version__}, torchvision {torchvision_nets.VERSION}"


def golden(specs):
    runs, bad = [], []
    for one in specs:
        try:
            runs.append(run(one, NETS))
        except ArithmeticError as error:
            bad.append(error)
    if bad:
        raise ExceptionGroup("badly conditioned", bad)
    return {"madeBy": MADE_BY, "runs": runs}


def long_run():
    """The losses alone: by then the last digits of all else are the machine's own."""
    one = {**spec("book/resnet18", [32, 28, 28, 1], steps=20), "fall": 0.03}
    made = run(one, NETS, checked=("logits", "losses"))
    keep = ("id", "shape", "steps", "lr", "losses")
    return {"madeBy": MADE_BY, "runs": [{key: made[key] for key in keep}]}


asked = sys.argv[1:]
for name, specs in FILES.items():
    if not asked or name in asked:
        write(name, golden(specs), depth=4)
if not asked or "long-run.json" in asked:
    write("long-run.json", long_run())
