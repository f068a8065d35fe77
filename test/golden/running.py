"""Runs a net of PyTorch and keeps what test/models compares: in float64, so that the values are the same on every machine, and once more in float32,
whose distance from them tells whether a comparison makes sense at all."""
import copy
import json
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

import filling

DIGITS = 7
# A quarter of what the tests allow: PyTorch's own rounding must leave room for another's.
LIMITS = {"logits": 2.5e-5, "trainingLogits": 2.5e-5, "losses": 2.5e-5, "gradients": 2.5e-3, "trainedLogits": 2.5e-4}
# A ReLU at zero that rounds to the other side changes a deep net's gradient by a thousandth, and a sum of steps by as much: so the loss falls by
# about this share of it a step, and no faster.
FALL = 0.01


def infer(net, x):
    net.eval()
    with torch.no_grad():
        return net(x)


def normalizations(net):
    """The first, a middle and the last batch normalization by name."""
    norms = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return {name: m for name, m in (norms[i] for i in sorted({0, len(norms) // 2, len(norms) - 1}))} if norms else {}


def spread(items, most=32):
    """Some items from first to last; all, if they are few."""
    count = min(len(items), most)
    return [items[i * (len(items) - 1) // max(count - 1, 1)] for i in range(count)]


def learning_rate(net, x, y, fall):
    """One digit of that which lowers the loss by the share `fall` of it, to first order."""
    loss = F.cross_entropy(net.train()(x), y)
    loss.backward()
    square = sum((p.grad**2).sum().item() for p in net.parameters())
    return float(f"{fall * loss.item() / square:.0e}")


def train(net, x, y, lr, steps):
    """Losses of SGD steps; of the first one the logits, the norm of each parameter's gradient, and what it moved statistics to."""
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    losses, first = [], {}
    for step in range(steps):
        optimizer.zero_grad()
        logits = net(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        if step == 0:
            first["trainingLogits"] = logits.detach()
            first["gradients"] = {name: p.grad.norm().item() for name, p in spread(list(net.named_parameters()))}
        optimizer.step()
        if step == 0:
            norms = normalizations(net)
            first["runningMean"] = {name: m.running_mean[:16].tolist() for name, m in norms.items()}
            first["runningVar"] = {name: m.running_var[:16].tolist() for name, m in norms.items()}
        losses.append(loss.item())
    return {**first, "losses": torch.tensor(losses, dtype=torch.float64)}


def values(net, x, y, spec, pick):
    result = {"logits": infer(net, x)[:, ::pick]}
    if spec["steps"]:
        result |= train(net, x, y, spec["lr"], spec["steps"])
        result["trainedLogits"] = infer(net, x)
    return result


def distance(exact, rounded):
    """The largest difference over the largest value; of gradients, each over its own norm and a hundredth of the largest: that of a bias before
    a batch normalization is 0 but for rounding."""
    if isinstance(exact, dict):
        largest = max(exact.values())
        return max(abs(exact[name] - rounded[name]) / (exact[name] + 1e-2 * largest) for name in exact)
    return ((exact - rounded).abs().max() / exact.abs().max()).item()


def run(spec, nets, pick=1, checked=tuple(LIMITS)):
    """A run's golden values. Its `id`, `options` and `shape` (NHWC) say which net; it takes `steps` steps; every pick-th logit is kept.

    Raises ArithmeticError where float32 is too far from float64 for a comparison.
    """
    batch, height, width, channels = spec["shape"]
    classes = spec.get("numClasses", 10)
    torch.manual_seed(0)
    net = nets[spec["id"]](channels, (height, width), classes, **spec.get("options", {})).float()
    x, y = filling.images(spec["shape"], spec["id"]), filling.labels(batch, classes)
    filling.fill(net, x)
    if spec["steps"]:
        spec = {**spec, "lr": learning_rate(copy.deepcopy(net).double(), x.double(), y, spec.get("fall", FALL))}
    exact, rounded = values(copy.deepcopy(net).double(), x.double(), y, spec, pick), values(net, x, y, spec, pick)
    errors = {key: distance(exact[key], rounded[key].double() if torch.is_tensor(rounded[key]) else rounded[key]) for key in checked if key in exact}
    fall = f"{spec['lr']}: {exact['losses'][0]:.4f} → {exact['losses'][-1]:.4f}, " if spec["steps"] else ""
    print(f"{title(spec)}: {fall}" + ", ".join(f"{key} {error:.1e}" for key, error in errors.items()), flush=True)
    bad = [f"{key} {error:.1e}, limit {LIMITS[key]:.1e}" for key, error in errors.items() if not error <= LIMITS[key]]
    if bad:
        raise ArithmeticError(f"{title(spec)}: float32 strays from float64: {'; '.join(bad)}; take another size or a smaller lr")
    return {**spec, **{key: value.tolist() if torch.is_tensor(value) else value for key, value in exact.items()}}


def title(spec):
    return f"{spec['id']} {json.dumps(spec.get('options', {}))} {spec['shape']}"


def short(value):
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [short(v) for v in value]
    return {k: short(v) for k, v in value.items()} if isinstance(value, dict) else value


def dump(value, depth, indent=""):
    """JSON with a line for each entry down to `depth`."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value)
    inner = indent + " "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(k)}: {dump(v, depth - 1, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + dump(v, depth - 1, inner) for v in value) + f"\n{indent}]"


def write(name, golden, depth=3):
    target = pathlib.Path(__file__).with_name(name)
    target.write_text(dump(short(golden), depth) + "\n")
    print(f"wrote {target.name} ({target.stat().st_size} bytes)")
