"""PyTorch's side of models.ts: the same models, inputs, labels and losses.

MODELS has for each name a function of nothing that makes the model, and a function of a batch size that makes inputs and labels.
"""
import torch
from torch import nn
from torch.nn import functional as F


def integers(*shape, count):
    return ((7 * torch.arange(torch.Size(shape).numel()) + 3) % count).reshape(shape)


class GruLanguageModel(nn.Module):
    """Dive into Deep Learning, section 9.5."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(28, 256)
        self.head = nn.Linear(256, 28)

    def forward(self, tokens):
        states, _ = self.rnn(F.one_hot(tokens, 28).to(torch.float32))
        return self.head(states)


class LstmLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 128)
        self.rnn = nn.LSTM(128, 256, num_layers=2)
        self.head = nn.Linear(256, 1000)

    def forward(self, tokens):
        states, _ = self.rnn(self.embedding(tokens))
        return self.head(states)


class EncoderClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(256, 4, dim_feedforward=1024, dropout=0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4)
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


class Gpt(nn.Module):
    def __init__(self, time=256):
        super().__init__()
        self.tokens = nn.Embedding(65, 384)
        self.positions = nn.Parameter(0.02 * torch.randn(time, 384))
        layer = nn.TransformerEncoderLayer(384, 6, 4 * 384, dropout=0, activation="gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 6, norm=nn.LayerNorm(384), enable_nested_tensor=False)
        self.head = nn.Linear(384, 65, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(time))

    def forward(self, ids):
        return self.head(self.blocks(self.tokens(ids) + self.positions, mask=self.mask, is_causal=True))


def fully_convolutional():
    """Section 14.11."""
    torch.library.register_fake = lambda *_, **__: lambda form: form  # operators that a CPU build of another version lacks
    import torchvision

    trunk = list(torchvision.models.resnet18().children())[:-2]
    return nn.Sequential(*trunk, nn.Conv2d(512, 21, 1), nn.ConvTranspose2d(21, 21, 64, padding=16, stride=32))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def tokens(*shape, count):
    return integers(*shape, count=count), integers(*shape, count=count)


MODELS = {
    "gru_lm": (GruLanguageModel, lambda batch: tokens(35, batch, count=28)),
    "lstm_lm": (LstmLanguageModel, lambda batch: tokens(64, batch, count=1000)),
    "encoder": (EncoderClassifier, lambda batch: (torch.rand(batch, 128, 256), integers(batch, count=10))),
    "gpt": (Gpt, lambda batch: tokens(batch, 256, count=65)),
    "fcn": (fully_convolutional, lambda batch: (torch.rand(batch, 3, 96, 128), integers(batch, 96, 128, count=21))),
    "mlp": (mlp, lambda batch: (torch.rand(batch, 1, 28, 28), integers(batch, count=10))),
}
MODELS["mlp_module"] = MODELS["mlp"]


def loss_of(outputs, labels):
    """The mean over all positions. Classes are the last axis, but of images, [batch, classes, height, width], the second."""
    if outputs.dim() == 4:
        return F.cross_entropy(outputs, labels)
    return F.cross_entropy(outputs.flatten(0, -2), labels.flatten())
