"""Golden values of updates and losses from PyTorch: python3 test/golden/make-optimizer-golden.py

Writes optimizers.json: weights, ten steps of gradients, and for each optimizer the weights after the first step and the last; what clipping makes
of the first step's gradients; an average of weights; and losses with their gradients. Lion and Yogi are written out here (Chen et al. 2023,
https://arxiv.org/abs/2302.06675, algorithm 2): PyTorch has none. So is decoupled weight decay where PyTorch has it for Adam alone.
"""
import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

SHAPES = {"conv/kernel": [2, 2, 1, 3], "conv/bias": [3], "bn/gamma": [3], "fc/kernel": [3, 4]}
STEPS = 10
LR = 0.05
generator = torch.Generator().manual_seed(6)


def normal(*shape):
    """Numbers of float32, to compute with in float64: so the results are the same on every machine."""
    return torch.randn(*shape, generator=generator).double()


WEIGHTS = {name: normal(*shape) for name, shape in SHAPES.items()}
GRADIENTS = [{name: normal(*shape) for name, shape in SHAPES.items()} for _ in range(STEPS)]


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * torch.sign(beta1 * mean + (1 - beta1) * p.grad))
                mean.copy_(beta2 * mean + (1 - beta2) * p.grad)


class Yogi(torch.optim.Optimizer):
    """Zaheer et al. 2018, with the corrections of section 12.10 of the book."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-3, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state.update(t=0, v=torch.zeros_like(p), s=torch.zeros_like(p))
                state["t"] += 1
                g = p.grad + group["weight_decay"] * p
                state["v"].copy_(beta1 * state["v"] + (1 - beta1) * g)
                state["s"].add_((1 - beta2) * torch.sign(g * g - state["s"]) * g * g)
                v, s = state["v"] / (1 - beta1 ** state["t"]), state["s"] / (1 - beta2 ** state["t"])
                p.sub_(group["lr"] * v / (torch.sqrt(s) + group["eps"]))


SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
RMSPROP, ADAGRAD = torch.optim.RMSprop, torch.optim.Adagrad

# deepend's options, PyTorch's optimizer, and its arguments; of those, decay is decoupled and by hand, groups go by names.
CASES = [
    ({"name": "sgd"}, SGD, {}),
    ({"name": "sgd", "weightDecay": 0.1}, SGD, {"weight_decay": 0.1}),
    ({"name": "sgd", "momentum": 0.9}, SGD, {"momentum": 0.9}),
    ({"name": "sgd", "momentum": 0.9, "weightDecay": 0.1}, SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    ({"name": "sgd", "momentum": 0.9, "weightDecay": 0.1, "decoupled": True}, SGD, {"momentum": 0.9, "decay": 0.1}),
    ({"name": "sgd", "momentum": 0.9, "nesterov": True, "weightDecay": 0.1}, SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ({"name": "adam"}, ADAM, {}),
    ({"name": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weightDecay": 0.1}, ADAM, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ({"name": "adam", "weightDecay": 0.1, "decoupled": True}, ADAM, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ({"name": "adamw"}, ADAMW, {}),
    ({"name": "adamw", "weightDecay": 0.3}, ADAMW, {"weight_decay": 0.3}),
    ({"name": "rmsprop"}, RMSPROP, {}),
    ({"name": "rmsprop", "momentum": 0.9, "weightDecay": 0.1}, RMSPROP, {"momentum": 0.9, "weight_decay": 0.1}),
    ({"name": "rmsprop", "centered": True, "alpha": 0.9, "epsilon": 1e-3}, RMSPROP, {"centered": True, "alpha": 0.9, "eps": 1e-3}),
    ({"name": "rmsprop", "centered": True, "momentum": 0.5}, RMSPROP, {"centered": True, "momentum": 0.5}),
    ({"name": "rmsprop", "weightDecay": 0.1, "decoupled": True}, RMSPROP, {"decay": 0.1}),
    ({"name": "adagrad"}, ADAGRAD, {}),
    ({"name": "adagrad", "epsilon": 1e-2, "weightDecay": 0.1}, ADAGRAD, {"eps": 1e-2, "weight_decay": 0.1}),
    ({"name": "lion"}, Lion, {}),
    ({"name": "lion", "beta1": 0.95, "beta2": 0.98, "weightDecay": 0.1}, Lion, {"betas": (0.95, 0.98), "weight_decay": 0.1}),
    (
        {"name": "sgd", "momentum": 0.9, "weightDecay": 0.1, "excludeFromDecay": "norm-and-bias", "groups": [{"params": "fc", "lrScale": 3, "weightDecay": 0.2}]},
        SGD,
        {"momentum": 0.9, "weight_decay": 0.1, "groups": {"conv/bias": {"weight_decay": 0}, "bn/gamma": {"weight_decay": 0}, "fc/kernel": {"lr": 3 * LR, "weight_decay": 0.2}}},
    ),
    (
        {"name": "adamw", "weightDecay": 0.1, "groups": [{"params": ["*/kernel"], "lrScale": 0.5}, {"params": "fc/*", "lrScale": 7}]},
        ADAMW,
        {"weight_decay": 0.1, "groups": {name: {"lr": 0.5 * LR} for name in ("conv/kernel", "fc/kernel")}},
    ),
    # Adam's corrections go by the steps that a parameter had.
    ({"name": "adam"}, ADAM, {"absent": {"fc/kernel": [0, 1, 2], "conv/bias": [6]}}),
    ({"name": "adadelta"}, torch.optim.Adadelta, {}),
    ({"name": "adadelta", "rho": 0.8, "epsilon": 1e-3, "weightDecay": 0.1}, torch.optim.Adadelta, {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ({"name": "adamax"}, torch.optim.Adamax, {}),
    ({"name": "adamax", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weightDecay": 0.1}, torch.optim.Adamax, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ({"name": "nadam"}, torch.optim.NAdam, {}),
    ({"name": "nadam", "momentumDecay": 0.1, "weightDecay": 0.1, "decoupled": True}, torch.optim.NAdam, {"momentum_decay": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ({"name": "nadam"}, torch.optim.NAdam, {"absent": {"fc/kernel": [0, 1, 2], "conv/bias": [6]}}),
    ({"name": "yogi"}, Yogi, {}),
    ({"name": "yogi", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-2, "weightDecay": 0.1}, Yogi, {"betas": (0.8, 0.95), "eps": 1e-2, "weight_decay": 0.1}),
]


def train(make, decay=0, groups={}, absent={}, **arguments):
    """The weights after the first step and the last."""
    params = {name: nn.Parameter(value.clone()) for name, value in WEIGHTS.items()}
    optimizer = make([{"params": [p], **groups.get(name, {})} for name, p in params.items()], lr=LR, **arguments)
    seen = []
    for i, gradients in enumerate(GRADIENTS):
        for name, p in params.items():
            p.grad = None if i in absent.get(name, []) else gradients[name].clone()
            p.data.mul_(1 - LR * decay)
        optimizer.step()
        seen.append({name: p.detach().clone() for name, p in params.items()})
    return {"first": seen[0], "last": seen[-1], **({"absent": absent} if absent else {})}


def clipped(max_norm=None, limit=None):
    params = [nn.Parameter(torch.zeros(shape).double()) for shape in SHAPES.values()]
    for p, gradient in zip(params, GRADIENTS[0].values()):
        p.grad = gradient.clone()
    if limit:
        nn.utils.clip_grad_value_(params, limit)
        return {"limit": limit, "gradients": dict(zip(SHAPES, (p.grad for p in params)))}
    norm = nn.utils.clip_grad_norm_(params, max_norm)
    return {"maxNorm": max_norm, "norm": norm.item(), "gradients": dict(zip(SHAPES, (p.grad for p in params)))}


def averaged(decay):
    """The average over ten steps of SGD."""
    net = nn.ParameterDict({name.replace("/", "_"): nn.Parameter(value.clone()) for name, value in WEIGHTS.items()})
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for gradients in GRADIENTS:
        for name, gradient in gradients.items():
            net[name.replace("/", "_")].data.sub_(LR * gradient)
        average.update_parameters(net)
    return {"decay": decay, "last": {name: average.module[name.replace("/", "_")].detach() for name in SHAPES}}


OUTPUTS = 2 * normal(6, 5)
INDICES = torch.tensor([0, 3, 1, 4, 4, 2])
SOFT = torch.softmax(normal(6, 5), 1)
REAL = normal(6, 5)
BITS = torch.tensor([[1, 0, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.float64)
CLASS_WEIGHTS = [0.5, 1, 2, 0.25, 3]


def cross_entropy(smoothing=0.0, weights=None):
    weight = torch.tensor(weights, dtype=torch.float64) if weights else None
    options = {**({"labelSmoothing": smoothing} if smoothing else {}), **({"classWeights": weights} if weights else {})}
    return {"options": options}, lambda x, y: F.cross_entropy(x, y, weight=weight, label_smoothing=smoothing)


def losses():
    crosses = [cross_entropy(*options) for options in [(), (0.1,), (0.0, CLASS_WEIGHTS), (0.2, CLASS_WEIGHTS)]]
    rows = [({"loss": "crossEntropy", **row, "labels": labels}, f) for row, f in crosses for labels in ("indices", "soft")]
    rows.append(({"loss": "meanSquaredError", "labels": "real"}, F.mse_loss))
    rows += [({"loss": "binaryCrossEntropy", "labels": labels}, F.binary_cross_entropy_with_logits) for labels in ("bits", "soft")]
    labels = {"indices": INDICES, "soft": SOFT, "real": REAL, "bits": BITS}
    for row, f in rows:
        x = OUTPUTS.clone().requires_grad_()
        value = f(x, labels[row["labels"]])
        value.backward()
        yield {**row, "value": value.item(), "gradient": x.grad}


def plain(value):
    """Tensors as flat lists of numbers to nine digits, which tell all of float32 apart."""
    if isinstance(value, torch.Tensor):
        return [float(f"{number:.9g}") for number in value.flatten().tolist()]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


golden = {
    "torch": torch.__version__.split("+")[0],
    "lr": LR,
    "shapes": SHAPES,
    "weights": WEIGHTS,
    "gradients": GRADIENTS,
    "optimizers": [{"options": options, **train(make, **arguments)} for options, make, arguments in CASES],
    "clipping": [clipped(max_norm=1.5), clipped(max_norm=100), clipped(limit=0.7)],
    "average": averaged(0.8),
    "outputs": OUTPUTS,
    "labels": {"indices": INDICES, "soft": SOFT, "real": REAL, "bits": BITS},
    "losses": list(losses()),
}
file = Path(__file__).parent / "optimizers.json"
file.write_text(json.dumps(plain(golden), separators=(",", ":")) + "\n")
print(file.name, file.stat().st_size, "bytes")
