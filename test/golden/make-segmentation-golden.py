"""Golden values for segmentation and style transfer from PyTorch: python3 test/golden/make-segmentation-golden.py

Writes segmentation.json: images [1, height, width, channels] enlarged by the book's transposed convolutions with bilinear kernels (section 14.11), and the book's
Gram matrix and losses of style transfer (section 14.12) with the gradient of their weighted sum.
"""
import json
from pathlib import Path

import torch
from torch import nn

generator = torch.Generator().manual_seed(7)


def normal(*shape):
    return torch.randn(*shape, generator=generator).double()


def listed(tensor, *order):
    tensor = tensor.detach().permute(*order) if order else tensor.detach()
    return {"shape": list(tensor.shape), "values": [float(f"{value:.7g}") for value in tensor.flatten().tolist()]}


def bilinear_kernel(channels, size):
    """The book's bilinear_kernel."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    rows, columns = torch.arange(size).reshape(-1, 1), torch.arange(size).reshape(1, -1)
    kernel = (1 - torch.abs(rows - center) / factor) * (1 - torch.abs(columns - center) / factor)
    weight = torch.zeros((channels, channels, size, size))
    weight[range(channels), range(channels), :, :] = kernel
    return weight.double()


NHWC = (0, 2, 3, 1)
enlarged = []
for size, stride, padding in ((4, 2, 1), (3, 2, 1), (8, 4, 2)):
    layer = nn.ConvTranspose2d(2, 2, size, stride=stride, padding=padding, bias=False).double()
    layer.weight.data.copy_(bilinear_kernel(2, size))
    x = normal(1, 2, 4, 5)
    enlarged.append({"size": size, "stride": stride, "padding": padding, "x": listed(x, *NHWC), "y": listed(layer(x), *NHWC), "weight": listed(layer.weight)})


def gram(X):
    channels, n = X.shape[1], X.numel() // X.shape[1]
    X = X.reshape((channels, n))
    return torch.matmul(X, X.T) / (channels * n)


def tv_loss(Y):
    return 0.5 * (torch.abs(Y[:, :, 1:, :] - Y[:, :, :-1, :]).mean() + torch.abs(Y[:, :, :, 1:] - Y[:, :, :, :-1]).mean())


y_hat = normal(1, 3, 5, 4).requires_grad_()
y, style = normal(1, 3, 5, 4), normal(1, 3, 6, 7)
content_loss = torch.square(y_hat - y).mean()
style_loss = torch.square(gram(y_hat) - gram(style)).mean()
tv = tv_loss(y_hat)
(1 * content_loss + 1e4 * style_loss + 10 * tv).backward()
golden = {
    "madeBy": "test/golden/make-segmentation-golden.py",
    "enlarged": enlarged,
    "style": {
        "yHat": listed(y_hat, *NHWC),
        "y": listed(y, *NHWC),
        "style": listed(style, *NHWC),
        "gram": listed(gram(y_hat)),
        "contentLoss": content_loss.item(),
        "styleLoss": style_loss.item(),
        "tvLoss": tv.item(),
        "gradient": listed(y_hat.grad, *NHWC),
    },
}
path = Path(__file__).parent / "segmentation.json"
path.write_text(json.dumps(golden) + "\n")
print(f"wrote {path}")
