"""Golden values of Gaussian processes: python3 test/golden/make-gp-golden.py

Writes gaussian-process.json: six noisy points and the posterior at four others by the formulas of section 18.3 of Dive into Deep Learning, with
numpy's inverse. Needs numpy.
"""
import json
from pathlib import Path

import numpy as np

LS, NOISE = 0.7, 0.25
rng = np.random.default_rng(18)
x = np.sort(rng.uniform(0, 5, size=6)).round(3)
y = (np.sin(x) + 0.3 * rng.normal(size=6)).round(3)
test = np.array([-1.0, 0.5, 2.5, 7.0])


def kernel(a, b):
    return np.exp(-((a[:, None] - b[None, :]) ** 2) / (2 * LS))


K = kernel(x, x) + NOISE**2 * np.eye(len(x))
inverse = np.linalg.inv(K)
cross = kernel(test, x)
golden = {
    "madeBy": "test/golden/make-gp-golden.py",
    "options": {"ls": LS, "noise": NOISE},
    "x": x.tolist(),
    "y": y.tolist(),
    "test": test.tolist(),
    "mean": (cross @ inverse @ y).tolist(),
    "cov": (kernel(test, test) - cross @ inverse @ cross.T).tolist(),
    "logMarginalLikelihood": float(-(y @ inverse @ y + np.linalg.slogdet(K)[1] + len(x) * np.log(2 * np.pi)) / 2),
}
(Path(__file__).parent / "gaussian-process.json").write_text(json.dumps(golden) + "\n")
