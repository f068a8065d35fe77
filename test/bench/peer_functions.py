"""Functions with the gradients of all their inputs, as in functions.ts: name -> shapes of the inputs, channels first, and the function."""
import torch
from torch.nn import functional as F


def transposed(kernel, stride, padding):
    shapes = [(16, 21, 12, 16), (21, 21, kernel, kernel), (21,)]
    return shapes, lambda x, w, b: F.conv_transpose2d(x, w, b, stride=stride, padding=padding)


FUNCTIONS = {
    "conv1d": ([(32, 256, 128), (256, 256, 3), (256,)], lambda x, w, b: F.conv1d(x, w, b, padding=1)),
    "conv_transpose2d_4": transposed(4, 2, 1),
    "conv_transpose2d_64": transposed(64, 32, 16),
    "upsample": ([(16, 64, 48, 64)], lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
}


def function_step(name, memory):
    shapes, run = FUNCTIONS[name]
    inputs = [torch.rand(shape) * 2 - 1 for shape in shapes]
    inputs = [(x.contiguous(memory_format=memory) if x.dim() == 4 else x).requires_grad_() for x in inputs]
    dy = torch.ones_like(run(*inputs))

    def step():
        run(*inputs).backward(dy)
        for x in inputs:
            x.grad = None

    step()
    return step
