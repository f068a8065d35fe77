"""Learning rates of PyTorch's schedulers, update by update: python3 test/golden/make-schedules-golden.py

Writes test/golden/schedules.json. "make" and "options" say which of deepend's schedules a row stands for; "lrs" has a rate for each update, or for
each epoch where PyTorch's scheduler goes by epochs. The book's schedulers are written here from its formulas (Dive into Deep Learning, 12.11).
"""
import math

import torch
from torch.optim import lr_scheduler as schedulers

from running import write

LR = 0.4


def rates(make, count, lr=LR):
    """The rate of each of `count` updates."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    found = [lr_of(optimizer)]
    for _ in range(count - 1):
        optimizer.step()
        scheduler.step()
        found.append(lr_of(optimizer))
    return found


def lr_of(optimizer):
    return optimizer.param_groups[0]["lr"]


def by_epoch(make, options, scheduler, epochs=10):
    return {"make": make, "options": {"lr": LR, **options}, "every": "epoch", "numEpochs": epochs, "stepsPerEpoch": 3, "lrs": rates(scheduler, epochs)}


def by_step(make, options, scheduler, epochs=5, steps=7):
    return {"make": make, "options": options, "every": "step", "numEpochs": epochs, "stepsPerEpoch": steps, "lrs": rates(scheduler, epochs * steps)}


def one_cycle(options, **torchs):
    return by_step("oneCycle", options, lambda o: schedulers.OneCycleLR(o, total_steps=35, **torchs))


def plateau(options, values, **torchs):
    """The rate after each epoch's value."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, **torchs)
    found = []
    for value in values:
        scheduler.step(value)
        found.append(lr_of(optimizer))
    return {"options": {"lr": LR, **options}, "values": values, "lrs": found}


def book_cosine(epoch, final, last, warm=0, begin=0.0):
    if epoch < warm:
        return begin + (LR - begin) * epoch / warm
    return final + (LR - final) * (1 + math.cos(math.pi * (epoch - warm) / (last - warm))) / 2


FALLING = [1.0, 0.8, 0.79999, 0.9, 0.8, 0.81, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.699, 0.7, 0.7, 0.7, 0.7]
RISING = [0.5, 0.6, 0.60001, 0.55, 0.61, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]

golden = {
    "schedules": [
        by_epoch("step", {"stepSize": 3}, lambda o: schedulers.StepLR(o, 3)),
        by_epoch("step", {"stepSize": 2, "gamma": 0.5}, lambda o: schedulers.StepLR(o, 2, gamma=0.5)),
        by_epoch("multiStep", {"milestones": [2, 5, 8], "gamma": 0.3}, lambda o: schedulers.MultiStepLR(o, [2, 5, 8], gamma=0.3)),
        by_epoch("cosine", {}, lambda o: schedulers.CosineAnnealingLR(o, 10)),
        by_epoch("cosine", {"finalLr": 0.01, "epochs": 12}, lambda o: schedulers.CosineAnnealingLR(o, 12, eta_min=0.01)),
        by_step("cosine", {"lr": LR, "finalLr": 0.01, "by": "step"}, lambda o: schedulers.CosineAnnealingLR(o, 35, eta_min=0.01)),
        by_epoch("polynomial", {}, lambda o: schedulers.PolynomialLR(o, 10)),
        by_epoch("polynomial", {"power": 2, "epochs": 6}, lambda o: schedulers.PolynomialLR(o, 6, power=2.0)),
        by_epoch("factor", {"factor": 0.7}, lambda o: schedulers.ExponentialLR(o, 0.7)),
        one_cycle({"maxLr": 0.8}, max_lr=0.8),
        one_cycle({"maxLr": 0.8, "anneal": "linear", "pctStart": 0.45, "divFactor": 10, "finalDivFactor": 100}, max_lr=0.8, anneal_strategy="linear", pct_start=0.45, div_factor=10, final_div_factor=100),
        one_cycle({"maxLr": 0.8, "threePhase": True, "pctStart": 0.4}, max_lr=0.8, three_phase=True, pct_start=0.4),
    ],
    "plateau": [
        plateau({"monitor": "testLoss", "patience": 1}, FALLING, patience=1),
        plateau({"monitor": "testLoss", "patience": 2, "factor": 0.5, "cooldown": 2, "minLr": 0.08}, FALLING, patience=2, factor=0.5, cooldown=2, min_lr=0.08),
        plateau({"monitor": "testLoss", "patience": 0, "factor": 0.5, "cooldown": 3}, FALLING, patience=0, factor=0.5, cooldown=3),
        plateau({"monitor": "testAcc", "patience": 0, "threshold": 0.005, "thresholdMode": "abs"}, RISING, mode="max", patience=0, threshold=0.005, threshold_mode="abs"),
        plateau({"monitor": "testAcc", "patience": 1, "threshold": 0.01}, RISING, mode="max", patience=1, threshold=0.01),
    ],
    "book": {
        # The book multiplies before it gives the first rate.
        "factor": {"lr": LR, "factor": 0.5, "stopFactorLr": 0.02, "lrs": [max(0.02, LR * 0.5 ** (t + 1)) for t in range(8)]},
        "cosine": {"lr": LR, "finalLr": 0.01, "numEpochs": 20, "lrs": [book_cosine(t, 0.01, 20) for t in range(20)]},
        "warmUp": {"lr": LR, "finalLr": 0.01, "numEpochs": 20, "epochs": 5, "from": 0.02, "lrs": [book_cosine(t, 0.01, 20, 5, 0.02) for t in range(20)]},
    },
}
write("schedules.json", golden, depth=2)
