"""Golden transforms from torchvision: python3 test/golden/make-transforms-golden.py writes test/golden/transforms.json.

Images are PIL's. Random transforms get scripted draws: numbers in [0, 1), the same that the tests hand to deepend's.
"""
import base64
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
from torchvision.transforms import functional as F

MODES = {"bilinear": InterpolationMode.BILINEAR, "nearest": InterpolationMode.NEAREST}
GRAY, RGB = (9, 6, 1), (7, 10, 3)


def encoded(values):
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def changed(shape, change, **options):
    result = np.asarray(change(image(shape, "transforms")))
    return {"shape": shape, **options, "to": list(result.shape[:2]), "bytes": encoded(result)}


def rotations():
    angles = [0, 13.7, -45, 90, 180, 200.5, 359]
    fills = {0: 0, 0.5: 128}  # ours in units of floats, PIL's in bytes
    return [
        changed(shape, lambda x: F.rotate(x, angle, MODES[mode], fill=[fills[fill]] * shape[2]), angle=angle, interpolation=mode, fill=fill)
        for shape in (GRAY, RGB)
        for mode in MODES
        for angle, fill in [(angle, 0.5 if angle > 100 else 0) for angle in angles]
    ]


def jitters():
    cases = []
    for shape in (GRAY, RGB):
        for brightness, contrast, first in [(0.3, 1, False), (1.6, 1, False), (1, 0.45, False), (1, 1.9, True), (1, 0, True), (0.7, 1.4, False), (0.7, 1.4, True)]:
            steps = [lambda x: F.adjust_brightness(x, brightness), lambda x: F.adjust_contrast(x, contrast)]

            def both(x):
                for step in reversed(steps) if first else steps:
                    x = step(x)
                return x

            cases.append(changed(shape, both, brightness=brightness, contrast=contrast, contrastFirst=first))
    return cases


def float_jitters():
    """torchvision's for tensors, of floats."""
    cases = []
    for shape in (GRAY, RGB):
        x = torch.from_numpy(mix(math.prod(shape), "transforms").astype(np.float32).reshape(shape)).permute(2, 0, 1)
        for brightness, contrast in [(1.6, 1), (1, 0.45)]:
            result = F.adjust_contrast(F.adjust_brightness(x, brightness), contrast)
            cases.append({"shape": shape, "brightness": brightness, "contrast": contrast, "values": encoded(result.permute(1, 2, 0).numpy())})
    return cases


def center_crops():
    sizes = [(4, 4), (5, 3), (9, 6), (12, 3), (3, 11), (14, 15)]
    return [changed(shape, lambda x: F.center_crop(x, size), size=size) for shape in (GRAY, RGB) for size in sizes]


def normalized():
    cases = []
    for shape, mean, std in [(GRAY, [0.286], [0.353]), (RGB, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]:
        result = F.normalize(F.to_tensor(image(shape, "transforms")), mean, std).permute(1, 2, 0).numpy()
        cases.append({"shape": shape, "mean": mean, "std": std, "values": encoded(result)})
    return cases


def scripted(draws):
    """Patches torch so that each random number is the next of `draws`."""
    numbers = iter(draws)

    def uniform(tensor, low=0, high=1):
        return tensor.fill_(float(low + (high - low) * next(numbers)))

    def randint(low, high, size=None):
        return torch.tensor([low + math.floor((high - low) * next(numbers))])

    return mock.patch.multiple(torch, randint=randint), mock.patch.object(torch.Tensor, "uniform_", uniform)


SIZES = [(28, 28), (375, 500), (40, 9), (5, 60), (3, 3), (1, 200)]
RUNS = 4  # of each size
DRAWS = 22  # that a run may take: ten tries of two, and a place


def boxes(params, image_of):
    """Rectangles for many scripted draws: [top, left, height, width]."""
    script = mix(len(SIZES) * RUNS * DRAWS, "draws").astype(np.float32).reshape(-1, DRAWS)
    cases = []
    for index, draws in enumerate(script):
        height, width = SIZES[index // RUNS]
        integers, uniforms = scripted(float(each) for each in draws)
        with integers, uniforms:
            box = [int(each) for each in params(image_of(height, width))[:4]]
        cases.append({"size": [height, width], "box": box})
    return cases


def resized_crops():
    """Of one box, the picture itself: crop and resize together."""
    box = (2, 1, 5, 6)
    return [
        changed(RGB, lambda x: F.resized_crop(x, *box, (8, 4), MODES[mode], antialias=True), box=box, size=(8, 4), interpolation=mode)
        for mode in MODES
    ]


def random_crops():
    cases = []
    for shape, size, padding in [(GRAY, (4, 3), 0), (GRAY, (4, 3), 2), (RGB, (8, 12), 3)]:
        for draws in [(0, 0), (0.999, 0.999), (0.4, 0.7)]:
            integers, _ = scripted(draws)
            with integers:
                cases.append(changed(shape, T.RandomCrop(size, padding=padding, fill=128), size=size, padding=padding, fill=0.5, draws=draws))
    return cases


def text(cases):
    return "[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]"


golden = {
    "rotations": rotations(),
    "jitters": jitters(),
    "floatJitters": float_jitters(),
    "centerCrops": center_crops(),
    "randomCrops": random_crops(),
    "normalized": normalized(),
    "resizedCrops": resized_crops(),
    "cropBoxes": boxes(
        lambda x: T.RandomResizedCrop.get_params(x, [0.08, 1.0], [3 / 4, 4 / 3]), lambda h, w: PIL.Image.new("L", (w, h))
    ),
    "erasingBoxes": boxes(
        lambda x: T.RandomErasing.get_params(x, (0.02, 0.33), (0.3, 3.3), value=[0.0]), lambda h, w: torch.zeros(1, h, w)
    ),
}
target = pathlib.Path(__file__).with_name("transforms.json")
made_by = f"test/golden/make-transforms-golden.py, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
parts = [f' "madeBy": {json.dumps(made_by)}', *(f' "{name}": {text(cases)}' for name, cases in golden.items())]
target.write_text("{\n" + ",\n".join(parts) + "\n}\n")
print(f"wrote {target} ({target.stat().st_size} bytes)")
