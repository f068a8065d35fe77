"""Golden resizes from torchvision on PIL images: python3 test/golden/make-resize-golden.py writes test/golden/resize.json.

Small results are kept whole, others by their SHA-256 and first row; float images by their float32 bits.
"""
import base64
import hashlib
import json
import pathlib

import numpy as np
import PIL
from PIL import Image
from pixels import image, mix
import torchvision
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC, "nearest": InterpolationMode.NEAREST}
CASES = [  # height, width, channels, size: of the shorter side, or [height, width]
    *[(28, 28, channels, size) for channels in (1, 3) for size in (32, 64, 96, 224)],
    (28, 28, 1, [14, 14]),
    (28, 28, 1, [20, 20]),
    (28, 28, 1, [10, 40]),
    (28, 28, 1, [28, 9]),
    (28, 28, 1, [9, 28]),
    (9, 5, 3, [4, 11]),
    (9, 5, 3, [1, 1]),
    (3, 4, 3, [13, 2]),
    (31, 2, 1, [7, 2]),
    (150, 113, 3, 64),
    (75, 201, 1, 33),
]
FLOATS = [(6, 5, [3, 9]), (5, 7, [8, 3])]  # height, width, size
WHOLE = 320  # bytes


def bytes_of(array):
    raw = array.tobytes()
    if len(raw) <= WHOLE:
        return {"bytes": base64.b64encode(raw).decode()}
    return {"sha256": hashlib.sha256(raw).hexdigest(), "row": base64.b64encode(array[0].tobytes()[:WHOLE]).decode()}


def run(height, width, channels, size, mode):
    resized = np.asarray(resize(image((height, width, channels), "resize"), size, MODES[mode], antialias=True))
    to = list(resized.shape[:2])
    return {"shape": [height, width, channels], "size": size, "to": to, "interpolation": mode, **bytes_of(resized)}


def run_float(height, width, size, mode):
    """One channel of float32, which Pillow calls mode F."""
    values = Image.fromarray(mix(height * width, "resize").astype(np.float32).reshape(height, width))
    resized = np.asarray(resize(values, size, MODES[mode], antialias=True))
    return {"shape": [height, width, 1], "to": size, "interpolation": mode, "values": base64.b64encode(resized.tobytes()).decode()}


def text(cases):
    return "[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]"


target = pathlib.Path(__file__).with_name("resize.json")
made_by = f"test/golden/make-resize-golden.py, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"
cases = text([run(*case, mode) for mode in MODES for case in CASES])
floats = text([run_float(*case, mode) for mode in MODES for case in FLOATS])
target.write_text(f'{{\n "madeBy": {json.dumps(made_by)},\n "cases": {cases},\n "floats": {floats}\n}}\n')
print(f"wrote {target} ({target.stat().st_size} bytes)")
