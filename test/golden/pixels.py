"""Images for golden transforms: the bytes floor(256 · mix) of test/helpers/fill.ts, as PIL has them."""
import math

import numpy as np
import torch

torch.library.register_fake = lambda *a, **k: (lambda f: f)  # lets torchvision load beside a torch without its operators

from PIL import Image  # noqa: E402


def mix(count, name):
    with np.errstate(over="ignore"):
        start = np.uint32(sum(map(ord, name))) * np.uint32(2654435761)
        h = (start + np.arange(count, dtype=np.uint32)) * np.uint32(2246822519)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(3266489917)
        h = h ^ (h >> np.uint32(13))
    return h.astype(np.float64) / 2**32


def pixels(shape, name):
    """uint8 [height, width, channels]."""
    return np.floor(256 * mix(math.prod(shape), name).astype(np.float32)).astype(np.uint8).reshape(shape)


def image(shape, name):
    array = pixels(shape, name)
    return Image.fromarray(array.squeeze(2) if shape[2] == 1 else array)
