"""Golden values of nn.functional from PyTorch: python3 test/golden/make-functional-golden.py

Writes functional.json: for each case the inputs, the outputs, and the gradients of the inputs for the loss Σ sin(i + 1) · output[i], where i counts
the numbers of all outputs. Data is channels last and filters are in TensorFlow.js's layout, as deepend's functions take them.
"""
import torch
from torch import nn
from torch.nn import functional as F

from running import write

generator = torch.Generator().manual_seed(19)


def normal(*shape):
    return torch.round(torch.randn(*shape, generator=generator).double() * 64) / 64


def plain(tensor):
    shape = list(tensor.shape)
    if tensor.dtype in (torch.int64, torch.int32, torch.bool):
        return {"shape": shape, "dtype": "bool" if tensor.dtype == torch.bool else "int32", "values": tensor.int().flatten().tolist()}
    return {"shape": shape, "dtype": "float32", "values": [float(f"{v:.7g}") for v in tensor.detach().flatten().tolist()]}


def case(run, inputs, compute, **options):
    """`compute` takes the inputs by name and gives a list of outputs."""
    inputs = {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in inputs.items()}
    outputs = compute(**inputs)
    flat = torch.cat([o.flatten() for o in outputs])
    (flat * torch.sin(torch.arange(len(flat)).double() + 1)).sum().backward()
    return {"run": run, "options": options, "inputs": {k: plain(v) for k, v in inputs.items()}, "outputs": [plain(o) for o in outputs],
            "gradients": {k: plain(v.grad) for k, v in inputs.items() if v.grad is not None}}


def recurrent(cell, time=4, batch=3, size=2, hidden=5, lengths=None, reverse=False, bias=True):
    gates = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}[cell]
    inputs = {"x": normal(time, batch, size), "h0": normal(batch, hidden), "weightIh": normal(gates * hidden, size), "weightHh": normal(gates * hidden, hidden) / 2}
    if cell == "lstm":
        inputs["c0"] = normal(batch, hidden)
    if bias:
        inputs |= {"biasIh": normal(gates * hidden), "biasHh": normal(gates * hidden)}
    if lengths:
        inputs["lengths"] = torch.tensor(lengths)

    def compute(x, h0, weightIh, weightHh, c0=None, biasIh=None, biasHh=None, lengths=None):
        """Both directions, so that PyTorch goes backwards too; the other one's numbers are left out."""
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}.get(cell, nn.RNN)
        extra = {} if cell in ("gru", "lstm") else {"nonlinearity": cell}
        module = kind(size, hidden, bias=bias, bidirectional=True, **extra).double()
        names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        mine = [weightIh, weightHh, biasIh, biasHh]
        params = {f"{n}_l0{s}": v for s in ("", "_reverse") for n, v in zip(names, mine) if v is not None}
        states = torch.stack([h0, h0])
        state = (states, torch.stack([c0, c0])) if cell == "lstm" else states
        data = x if lengths is None else nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, last = torch.func.functional_call(module, params, (data, state))
        if lengths is not None:
            output, _ = nn.utils.rnn.pad_packed_sequence(output, total_length=time)
        output = output[..., hidden:] if reverse else output[..., :hidden]
        last = last if cell == "lstm" else [last]
        return [output, *(s[1 if reverse else 0] for s in last)]

    return case("recurrent", inputs, compute, cell=cell, reverse=reverse)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


CASES = {
    "linear": case("linear", {"x": normal(2, 3, 4), "weight": normal(5, 4), "bias": normal(5)}, lambda x, weight, bias: [F.linear(x, weight, bias)]),
    "linear without bias": case("linear", {"x": normal(4), "weight": normal(3, 4)}, lambda x, weight: [F.linear(x, weight)]),
    "embedding": case("embedding", {"ids": torch.tensor([[0, 2, 2], [4, 2, 0]]), "weight": normal(5, 6)}, lambda ids, weight: [F.embedding(ids, weight)]),
    "embedding with padding": case("embedding", {"ids": torch.tensor([1, 0, 1]), "weight": normal(3, 2)},
                                   lambda ids, weight: [F.embedding(ids, weight, padding_idx=1)], paddingIdx=1),
    "layerNorm": case("layerNorm", {"x": normal(2, 3, 7), "weight": normal(7), "bias": normal(7)},
                      lambda x, weight, bias: [F.layer_norm(x, [7], weight, bias)], normalizedShape=[7]),
    "layerNorm of two axes": case("layerNorm", {"x": normal(2, 3, 4)}, lambda x: [F.layer_norm(x, [3, 4], eps=0.1)], normalizedShape=[3, 4], epsilon=0.1),
    "gelu": case("gelu", {"x": normal(2, 9)}, lambda x: [F.gelu(x)]),
    "gelu by tanh": case("gelu", {"x": normal(2, 9)}, lambda x: [F.gelu(x, approximate="tanh")], approximate="tanh"),
    "silu": case("silu", {"x": normal(2, 9)}, lambda x: [F.silu(x)]),
    "softmax": case("softmax", {"x": normal(2, 3, 4)}, lambda x: [F.softmax(x, 1)], axis=1),
    "softmax with mask": case("softmax", {"x": normal(3, 4), "mask": torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]]).bool()},
                              lambda x, mask: [F.softmax(x.masked_fill(~mask, -torch.inf), -1)]),
    "attention": case("attention", {"q": normal(2, 2, 3, 4), "k": normal(2, 2, 5, 4), "v": normal(2, 2, 5, 3)},
                      lambda q, k, v: [F.scaled_dot_product_attention(q, k, v)]),
    "causal attention": case("attention", {"q": normal(1, 2, 4, 3), "k": normal(1, 2, 4, 3), "v": normal(1, 2, 4, 3)},
                             lambda q, k, v: [F.scaled_dot_product_attention(q, k, v, is_causal=True)], causal=True),
    "masked attention": case("attention", {"q": normal(2, 1, 2, 3), "k": normal(2, 1, 3, 3), "v": normal(2, 1, 3, 3),
                                           "mask": torch.tensor([[[[1, 1, 0]]], [[[0, 1, 1]]]]).bool()},
                             lambda q, k, v, mask: [F.scaled_dot_product_attention(q, k, v, attn_mask=mask)]),
    "attention with added scores": case("attention", {"q": normal(2, 1, 2, 3), "k": normal(2, 1, 3, 3), "v": normal(2, 1, 3, 3), "mask": normal(2, 3)},
                                        lambda q, k, v, mask: [F.scaled_dot_product_attention(q, k, v, attn_mask=mask)]),
    "conv2d": case("conv2d", {"x": normal(2, 5, 6, 3), "filter": normal(3, 2, 3, 4), "bias": normal(4)},
                   lambda x, filter, bias: [nhwc(F.conv2d(nchw(x), filter.permute(3, 2, 0, 1), bias, stride=2, padding=1))], stride=2, padding=1),
    "conv2d in groups": case("conv2d", {"x": normal(1, 4, 4, 4), "filter": normal(3, 3, 2, 4)},
                             lambda x, filter: [nhwc(F.conv2d(nchw(x), filter.permute(3, 2, 0, 1), groups=2))], groups=2),
    "conv1d": case("conv1d", {"x": normal(2, 7, 3), "filter": normal(3, 3, 2), "bias": normal(2)},
                   lambda x, filter, bias: [F.conv1d(x.permute(0, 2, 1), filter.permute(2, 1, 0), bias, padding=1).permute(0, 2, 1)], padding=1),
    "convTranspose2d": case("convTranspose2d", {"x": normal(2, 3, 4, 3), "filter": normal(4, 4, 2, 3), "bias": normal(2)},
                            lambda x, filter, bias: [nhwc(F.conv_transpose2d(nchw(x), filter.permute(3, 2, 0, 1), bias, stride=2, padding=1))], stride=2, padding=1),
    "convTranspose2d with more pixels": case("convTranspose2d", {"x": normal(1, 3, 2, 2), "filter": normal(3, 3, 2, 2)},
                                             lambda x, filter: [nhwc(F.conv_transpose2d(nchw(x), filter.permute(3, 2, 0, 1), stride=2, output_padding=1))],
                                             stride=2, outputPadding=1),
    "upsampleBilinear": case("upsampleBilinear", {"x": normal(2, 3, 4, 2)},
                             lambda x: [nhwc(F.interpolate(nchw(x), size=(7, 6), mode="bilinear", align_corners=False))], size=[7, 6]),
    "tanh": recurrent("tanh"),
    "relu backwards without biases": recurrent("relu", reverse=True, bias=False),
    "gru": recurrent("gru"),
    "gru of lengths": recurrent("gru", lengths=[2, 4, 1]),
    "gru of lengths backwards": recurrent("gru", lengths=[2, 4, 1], reverse=True),
    "lstm": recurrent("lstm"),
    "lstm backwards without biases": recurrent("lstm", reverse=True, bias=False),
    "lstm of lengths": recurrent("lstm", lengths=[3, 1, 4]),
    "lstm of lengths backwards": recurrent("lstm", lengths=[3, 1, 4], reverse=True),
    "convTranspose2d of a large stride": case("convTranspose2d", {"x": normal(2, 2, 2, 2), "filter": normal(10, 9, 1, 2), "bias": normal(1)},
                                              lambda x, filter, bias: [nhwc(F.conv_transpose2d(nchw(x), filter.permute(3, 2, 0, 1), bias, stride=8, padding=3))], stride=8, padding=3),
    "convTranspose2d of a stride above the kernel": case("convTranspose2d", {"x": normal(1, 2, 1, 2), "filter": normal(3, 8, 1, 2)},
                                                         lambda x, filter: [nhwc(F.conv_transpose2d(nchw(x), filter.permute(3, 2, 0, 1), stride=8, output_padding=7))],
                                                         stride=8, outputPadding=7),
}

write("functional.json", CASES, depth=1)
