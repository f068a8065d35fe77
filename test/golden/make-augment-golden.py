"""Golden RandAugment and TrivialAugmentWide from torchvision: python3 test/golden/make-augment-golden.py writes test/golden/augment.json.

Images are PIL's; random numbers are scripted, the same that the tests hand to deepend's.
"""
import base64
import hashlib
import json
import math
import pathlib
from unittest import mock

import numpy as np
import PIL
import torch
from pixels import image, mix
import torchvision
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
GRAY, RGB = (9, 6, 1), (32, 24, 3)  # equalize needs more than 255 pixels to do anything
DRAWS = 8


def scripted(draws):
    numbers = iter(draws)

    def randint(high, size, **_):
        return torch.tensor([math.floor(high * next(numbers))])

    return mock.patch.object(torch, "randint", randint)


def result(shape, transform, draws):
    with scripted(draws):
        bytes_ = np.ascontiguousarray(np.asarray(transform(image(shape, "transforms")))).tobytes()
    # The pixels themselves of the small images; of the large ones a hash keeps the file small.
    return {"bytes": base64.b64encode(bytes_).decode()} if shape == GRAY else {"sha256": hashlib.sha256(bytes_).hexdigest()}


def operations():
    """TrivialAugmentWide: each operation, at several magnitudes and with both signs."""
    cases = []
    for shape in (GRAY, RGB):
        for op in range(14):
            for bin_, sign, mode in [(0, 0, "nearest"), (7, 1, "nearest"), (16, 0, "bilinear"), (22, 1, "bilinear"), (30, 0, "nearest")]:
                draws = [(op + 0.5) / 14, (bin_ + 0.5) / 31, (sign + 0.5) / 2]
                transform = T.TrivialAugmentWide(interpolation=MODES[mode], fill=[128] * shape[2])
                cases.append({"shape": shape, "op": op, "draws": draws, "interpolation": mode, **result(shape, transform, draws)})
    return cases


def rand_augments():
    cases = []
    runs = [(2, 9, 31), (3, 4, 11), (1, 30, 31), (2, 1, 2)]
    script = mix(len(runs) * 8 * DRAWS, "augment").reshape(len(runs), 8, DRAWS)
    for (ops, magnitude, bins), rows in zip(runs, script):
        for draws in rows:
            draws = [round(float(each), 3) for each in draws]
            transform = T.RandAugment(ops, magnitude, bins)
            options = {"numOps": ops, "magnitude": magnitude, "numMagnitudeBins": bins}
            cases.append({"shape": RGB, "options": options, "draws": draws, **result(RGB, transform, draws)})
    return cases


def magnitudes():
    """All bins of every operation of RandAugment that has magnitudes, for an image of 32 × 24."""
    space = T.RandAugment()._augmentation_space(31, (32, 24))
    return [{"op": list(space).index(name), "values": values.tolist()} for name, (values, _) in space.items() if values.ndim]


def text(cases):
    return "[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]"


golden = {"operations": operations(), "randAugments": rand_augments(), "magnitudes": magnitudes()}
target = pathlib.Path(__file__).with_name("augment.json")
made_by = f"test/golden/make-augment-golden.py, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
parts = [f' "madeBy": {json.dumps(made_by)}', *(f' "{name}": {text(cases)}' for name, cases in golden.items())]
target.write_text("{\n" + ",\n".join(parts) + "\n}\n")
print(f"wrote {target} ({target.stat().st_size} bytes)")
