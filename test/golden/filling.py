"""Weights and images that PyTorch and test/helpers/fill.ts make alike, so that a net is the same in both without a file of weights."""
import math

import numpy as np
import torch
from torch import nn

CHUNK = 1 << 22  # numbers at a time: VGG's first linear layer has 103 million


def numbers(count, start):
    """`count` numbers in [0, 1): a 32-bit mix of index and start, the constants are xxHash's."""
    result = np.empty(count, np.float32)
    begin = np.uint32(start * 2654435761 % 2**32)
    for first in range(0, count, CHUNK):
        with np.errstate(over="ignore"):
            index = np.arange(first, min(first + CHUNK, count), dtype=np.uint32)
            h = (begin + index) * np.uint32(2246822519)
            h = (h ^ (h >> np.uint32(15))) * np.uint32(3266489917)
            h = h ^ (h >> np.uint32(13))
        result[first : first + CHUNK] = h.astype(np.float64) / 2**32
    return result


def mix(count, name):
    return numbers(count, sum(map(ord, name)))


def hashed(name):
    """FNV-1a: names of the same letters in another order have other numbers."""
    h = 2166136261
    for character in name:
        h = (h ^ ord(character)) * 16777619 % 2**32
    return h


def scale(name, shape):
    """The middle and the half width of a weight's numbers."""
    kind = name.rsplit("/", 1)[-1]
    if name.endswith(".bn3/gamma"):  # a bottleneck's last: at full size gradients grow by half from block to block, and rounding with them
        return 0.25, 0.05
    if kind == "gamma":
        return 1, 0.2
    if kind == "moving_variance":
        return 1, 0.5
    if kind == "moving_mean":
        return 0, 0.2
    if not kind.endswith("kernel"):
        return 0, 0.1
    outputs = shape[-1] * shape[-2] if kind == "depthwise_kernel" else shape[-1]
    return 0, math.sqrt(6 / (math.prod(shape) / outputs))  # He et al. 2015: nets without normalization keep their signal


def values(name, shape):
    """What the weight of that TensorFlow.js name and shape has, float32."""
    middle, half = scale(name, shape)
    result = numbers(math.prod(shape), hashed(name))
    for first in range(0, len(result), CHUNK):
        spread = 2 * result[first : first + CHUNK] - 1
        result[first : first + CHUNK] = middle + half * spread.astype(np.float64)
    return torch.from_numpy(result.reshape(shape))


def images(shape, name):
    """`[batch, channels, height, width]`: noise times 4×4 squares of other brightness, so that places and images differ."""
    batch, height, width, channels = shape
    squares = mix(batch * 16 * channels, f"{name} squares").reshape(batch, 4, 4, channels)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    noise = mix(math.prod(shape), name).reshape(shape)
    return torch.tensor(noise * squares[:, rows][:, :, columns]).permute(0, 3, 1, 2).contiguous()


def labels(batch, classes):
    return torch.tensor([(7 * i + 3) % classes for i in range(batch)])


def flattened(net, x):
    """For each linear layer behind a flattened image of more than one pixel: that image's (channels, height, width)."""
    seen, found, hooks = {"image": tuple(x.shape[1:])}, {}, []

    def look(module, inputs, output):
        if isinstance(module, nn.Linear):
            image = seen.pop("image", None)
            if image and math.prod(image[1:]) > 1 and math.prod(image) == module.in_features:
                found[module] = image
        elif output.dim() == 4:
            seen["image"] = tuple(output.shape[1:])

    for module in net.modules():
        if not list(module.children()):
            hooks.append(module.register_forward_hook(look))
    net.eval()
    with torch.no_grad():
        net(x[:1])
    for hook in hooks:
        hook.remove()
    return found


@torch.no_grad()
def fill(net, x):
    """Gives a float32 net its golden weights, by the names of its modules; x tells where images are flattened."""
    rows = flattened(net, x)
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            fill_conv(module, name)
        elif isinstance(module, nn.Linear):
            kernel = values(f"{name}/kernel", (module.in_features, module.out_features))
            if module in rows:  # TensorFlow.js flattens height, width, channels; PyTorch channels, height, width
                c, h, w = rows[module]
                kernel = kernel.reshape(h, w, c, -1).permute(2, 0, 1, 3).reshape(c * h * w, -1)
            module.weight.copy_(kernel.T)
        elif isinstance(module, nn.LayerNorm):
            module.weight.copy_(values(f"{name}/gamma", tuple(module.weight.shape)))
            module.bias.copy_(values(f"{name}/beta", tuple(module.bias.shape)))
            continue
        elif hasattr(module, "layer_scale"):  # a depthwise 1×1 convolution in TensorFlow.js
            channels = module.layer_scale.numel()
            module.layer_scale.copy_(values(f"{name}.layer_scale/depthwise_kernel", (1, 1, channels, 1)).reshape(-1, 1, 1))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            for attribute, kind in names.items():
                tensor = getattr(module, attribute)
                tensor.copy_(values(f"{name}/{kind}", tuple(tensor.shape)))
            continue
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"{name}: no rule for the weights of a {type(module).__name__}")
        if getattr(module, "bias", None) is not None:
            module.bias.copy_(values(f"{name}/bias", tuple(module.bias.shape)))
    return net


def fill_conv(module, name):
    """HWIO kernels become PyTorch's OIHW; a depthwise one is [height, width, channels, 1] in TensorFlow.js."""
    o, i, h, w = module.weight.shape
    if module.groups > 1 and module.groups == module.in_channels == o:
        module.weight.copy_(values(f"{name}/depthwise_kernel", (h, w, o, 1)).permute(2, 3, 0, 1))
    else:
        module.weight.copy_(values(f"{name}/kernel", (h, w, i, o)).permute(3, 2, 0, 1))
