"""Golden values of losses over positions from PyTorch: python3 test/golden/make-losses-golden.py

Writes losses.json: outputs [batch, time, classes], labels, two masks, one of them of the lengths 4, 0 and 2, and for each loss its value and gradient; with
`reduction` "none" the values, and the gradient of their sum. PyTorch has the classes in axis 1, and no masks: a masked mean is that of `reduction="none"`, weighted.
"""
import json
from pathlib import Path

import torch
from torch.nn import functional as F

BATCH, TIME, CLASSES = 3, 4, 5
generator = torch.Generator().manual_seed(19)


def normal(*shape):
    return torch.randn(*shape, generator=generator).double()


OUTPUTS = 2 * normal(BATCH, TIME, CLASSES)
TOKENS = torch.tensor([[0, 3, 1, 4], [4, 2, 0, 0], [1, 0, 3, 2]])
SOFT = torch.softmax(normal(BATCH, TIME, CLASSES), -1)
REAL = normal(BATCH, TIME, CLASSES)
MASK = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [0, 1, 1, 1]]).double()
LENGTHS = torch.tensor([4, 0, 2])
CLASS_WEIGHTS = [0.5, 1, 2, 0.25, 3]
WITHIN = (torch.arange(TIME)[None] < LENGTHS[:, None]).double()


def cross(x, y, **options):
    soft = y.dim() == 3
    return F.cross_entropy(x.movedim(-1, 1), y.movedim(-1, 1) if soft else y, **options)


def masked(flags, per):
    """The mean of what counts; flags [batch, time], terms [batch, time] or [batch, time, classes]."""

    def loss(x, y):
        terms = per(x, y)
        weights = flags if terms.dim() == 2 else flags[..., None].expand_as(terms)
        return (terms * weights).sum() / weights.sum()

    return loss


def each(function, **options):
    return lambda x, y: function(x, y, reduction="none", **options)


WEIGHT = torch.tensor(CLASS_WEIGHTS).double()
ROWS = [
    ("crossEntropy", {}, "tokens", "", cross),
    ("crossEntropy", {}, "soft", "", cross),
    ("crossEntropy", {"ignoreIndex": 0}, "tokens", "", lambda x, y: cross(x, y, ignore_index=0)),
    ("crossEntropy", {"ignoreIndex": 0, "labelSmoothing": 0.1}, "tokens", "", lambda x, y: cross(x, y, ignore_index=0, label_smoothing=0.1)),
    ("crossEntropy", {"ignoreIndex": 0, "classWeights": CLASS_WEIGHTS}, "tokens", "", lambda x, y: cross(x, y, ignore_index=0, weight=WEIGHT)),
    ("crossEntropy", {}, "tokens", "mask", masked(MASK, each(cross))),
    ("crossEntropy", {"labelSmoothing": 0.2}, "tokens", "within", masked(WITHIN, each(cross, label_smoothing=0.2))),
    ("crossEntropy", {}, "soft", "mask", masked(MASK, each(cross))),
]
ELEMENTWISE = [
    ("meanSquaredError", {}, F.mse_loss),
    ("meanAbsoluteError", {}, F.l1_loss),
    ("huberLoss", {}, F.huber_loss),
    ("huberLoss", {"delta": 0.4}, F.huber_loss),
    ("smoothL1", {"beta": 0.4}, F.smooth_l1_loss),
    ("binaryCrossEntropy", {}, F.binary_cross_entropy_with_logits),
]
for name, options, function in ELEMENTWISE:
    labels = "soft" if name == "binaryCrossEntropy" else "real"
    for kind, flags in [("", torch.ones(BATCH, TIME).double()), ("mask", MASK), ("within", WITHIN)]:
        ROWS.append((name, options, labels, kind, masked(flags, each(function, **options))))

REDUCTIONS = [
    ("crossEntropy", {}, "tokens", cross, {}),
    ("crossEntropy", {}, "soft", cross, {}),
    ("crossEntropy", {"ignoreIndex": 0, "labelSmoothing": 0.1}, "tokens", cross, {"ignore_index": 0, "label_smoothing": 0.1}),
    ("crossEntropy", {"classWeights": CLASS_WEIGHTS}, "tokens", cross, {"weight": WEIGHT}),
    *((name, options, "soft" if name == "binaryCrossEntropy" else "real", function, options) for name, options, function in ELEMENTWISE),
]


def reduced(function, options, kind, flags):
    def loss(x, y):
        terms = function(x, y, reduction="none", **options)
        terms = terms * (flags if terms.dim() == 2 else flags[..., None])
        return terms.sum() if kind == "sum" else terms

    return (lambda x, y: function(x, y, reduction=kind, **options)) if flags is None else loss


for name, options, kind, function, torch_options in REDUCTIONS:
    for reduction in ["sum", "none"]:
        for mask, flags in [("", None), ("within", WITHIN)]:
            ROWS.append((name, {**options, "reduction": reduction}, kind, mask, reduced(function, torch_options, reduction, flags)))


def rows():
    labels = {"tokens": TOKENS, "soft": SOFT, "real": REAL}
    for name, options, kind, mask, function in ROWS:
        x = OUTPUTS.clone().requires_grad_()
        value = function(x, labels[kind])
        value.sum().backward()
        yield {"loss": name, "options": options, "labels": kind, "mask": mask, "value": value.detach() if value.dim() else value.item(), "gradient": x.grad}


def plain(value):
    if isinstance(value, torch.Tensor):
        return [float(f"{number:.9g}") for number in value.flatten().tolist()]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


golden = {
    "torch": torch.__version__.split("+")[0],
    "outputs": OUTPUTS,
    "tokens": TOKENS,
    "soft": SOFT,
    "real": REAL,
    "mask": MASK,
    "within": WITHIN,
    "lengths": LENGTHS,
    "rows": list(rows()),
}
file = Path(__file__).parent / "losses.json"
file.write_text(json.dumps(plain(golden), separators=(",", ":")) + "\n")
print(file.name, file.stat().st_size, "bytes")
