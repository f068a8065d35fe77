"""Golden values of the book's optimizers: python3 test/golden/make-book-optimizers-golden.py

Writes book-optimizers.json: weights [2, 1] and a bias [1], five steps of gradients, and what each optimizer of chapter 12 (zh 11) of Dive into
Deep Learning makes of them, by the formulas of sections 12.4 to 12.10 with the book's constants, in float64. Needs numpy.
"""
import json
from pathlib import Path

import numpy as np

STEPS = 5
rng = np.random.default_rng(12)
SHAPES = [(2, 1), (1,)]
WEIGHTS = [rng.normal(size=shape).round(4) for shape in SHAPES]
GRADIENTS = [[rng.normal(size=shape).round(4) for shape in SHAPES] for _ in range(STEPS)]


def sgd(p, g, s, t):
    p -= 0.05 * g


def momentum(p, g, s, t):
    s["v"] = 0.9 * s["v"] + g
    p -= 0.005 * s["v"]


def adagrad(p, g, s, t):
    s["s"] += g**2
    p -= 0.1 * g / np.sqrt(s["s"] + 1e-6)


def rmsprop(p, g, s, t):
    s["s"] = 0.9 * s["s"] + 0.1 * g**2
    p -= 0.01 * g / np.sqrt(s["s"] + 1e-6)


def adadelta(p, g, s, t):
    s["s"] = 0.9 * s["s"] + 0.1 * g**2
    step = np.sqrt(s["delta"] + 1e-5) / np.sqrt(s["s"] + 1e-5) * g
    p -= step
    s["delta"] = 0.9 * s["delta"] + 0.1 * step**2


def adam_step(p, s, t, epsilon):
    p -= 0.01 * (s["v"] / (1 - 0.9**t)) / (np.sqrt(s["s"] / (1 - 0.999**t)) + epsilon)


def adam(p, g, s, t):
    s["v"] = 0.9 * s["v"] + 0.1 * g
    s["s"] = 0.999 * s["s"] + 0.001 * g**2
    adam_step(p, s, t, 1e-6)


def yogi(p, g, s, t):
    s["v"] = 0.9 * s["v"] + 0.1 * g
    s["s"] = s["s"] + 0.001 * np.sign(g**2 - s["s"]) * g**2
    adam_step(p, s, t, 1e-3)


def run(rule):
    weights = [w.copy() for w in WEIGHTS]
    states = [{name: np.zeros_like(w) for name in ("v", "s", "delta")} for w in weights]
    for t, gradients in enumerate(GRADIENTS, 1):
        for p, g, s in zip(weights, gradients, states):
            rule(p, g, s, t)
    return [w.ravel().round(9).tolist() for w in weights]


flat = lambda tensors: [x.ravel().tolist() for x in tensors]
RULES = [sgd, momentum, adagrad, rmsprop, adadelta, adam, yogi]
golden = {
    "madeBy": "test/golden/make-book-optimizers-golden.py",
    "weights": flat(WEIGHTS),
    "gradients": [flat(step) for step in GRADIENTS],
    "after": {rule.__name__: run(rule) for rule in RULES},
}
(Path(__file__).parent / "book-optimizers.json").write_text(json.dumps(golden) + "\n")
