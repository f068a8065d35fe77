"""Golden resizes from Pillow: python3 test/golden/make-resize-golden.py writes test/golden/resize.json.

The images are the bytes floor(256 · mix) of test/helpers/fill.ts.
"""
import base64
import json
import pathlib

import numpy as np
import PIL
from PIL import Image

CASES = [  # height, width, channels, to height, to width
    (28, 28, 1, 14, 14),
    (28, 28, 1, 20, 20),
    (28, 28, 1, 64, 64),
    (28, 28, 1, 10, 40),
    (9, 5, 3, 4, 11),
    (9, 5, 3, 1, 1),
    (3, 4, 3, 13, 2),
    (31, 2, 1, 7, 2),
]


def mix(count, name):
    with np.errstate(over="ignore"):
        start = np.uint32(sum(map(ord, name))) * np.uint32(2654435761)
        h = (start + np.arange(count, dtype=np.uint32)) * np.uint32(2246822519)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(3266489917)
        h = h ^ (h >> np.uint32(13))
    return h.astype(np.float64) / 2**32


def run(height, width, channels, to_height, to_width):
    pixels = np.floor(256 * mix(height * width * channels, "resize").astype(np.float32)).astype(np.uint8)
    image = Image.fromarray(pixels.reshape(height, width, channels).squeeze(2) if channels == 1 else pixels.reshape(height, width, channels))
    resized = np.asarray(image.resize((to_width, to_height), Image.Resampling.BILINEAR))
    return {"shape": [height, width, channels], "to": [to_height, to_width], "bytes": base64.b64encode(resized.tobytes()).decode()}


target = pathlib.Path(__file__).with_name("resize.json")
golden = {"madeBy": f"test/golden/make-resize-golden.py, Pillow {PIL.__version__}", "cases": [run(*case) for case in CASES]}
target.write_text(json.dumps(golden, indent=1) + "\n")
print(f"wrote {target} ({target.stat().st_size} bytes)")
