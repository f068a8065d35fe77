"""Writes modules.json: what PyTorch's modules compute, for test/nn/golden.test.ts; and
tagger.safetensors with tagger.json, a checkpoint and its outputs, for test/nn/checkpoint.test.ts.

    python3 test/golden/make-modules-golden.py

For each row: the state dict, inputs, outputs, and the gradients of sum(outputs * weights) for all
parameters and float inputs, where weights are sin(1), sin(2), ... over all outputs. Images and
sequences of convolutions are channels-last here, as deepend has them.
"""
import json
import pathlib
import struct

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(0)
torch.set_num_threads(1)


def rounded(tensor):
    return [float(f"{value:.6g}") for value in tensor.detach().double().flatten().tolist()]


def described(tensor):
    values = tensor.flatten().tolist() if tensor.dtype != torch.float32 else rounded(tensor)
    kind = {torch.float32: "float32", torch.int64: "int32", torch.bool: "bool"}[tensor.dtype]
    return {"shape": list(tensor.shape), "dtype": kind, "values": [float(value) for value in values]}


def last(x):
    """Channels from PyTorch's second axis to the last."""
    return x.movedim(1, -1)


def case(name, js, module, inputs, call=None, channels=False, train=True, options=None):
    """js: [class, arguments]; call: how PyTorch is called, with the inputs as leaves."""
    module.train(train)
    for parameter in module.parameters():
        if parameter.dim() < 2:  # biases of 0 and scales of 1 would hide mistakes
            parameter.data = torch.randn_like(parameter) * 0.5
    state = {key: described(value.clone()) for key, value in module.state_dict().items()}
    leaves = [x.clone().requires_grad_() if x.dtype == torch.float32 else x for x in inputs]
    given = [x.movedim(-1, 1) if channels else x for x in leaves]
    outputs = call(module, *given) if call else module(*given)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if channels:
        outputs = [last(y) if y.dim() > 2 else y for y in outputs]
    place, loss = 1, 0
    for y in outputs:
        weights = torch.sin(torch.arange(place, place + y.numel(), dtype=torch.float32))
        loss, place = loss + (y * weights.reshape(y.shape)).sum(), place + y.numel()
    named = [(key, value) for key, value in module.named_parameters() if value.requires_grad]
    floats = [(i, x) for i, x in enumerate(leaves) if x.requires_grad]
    wanted = [x for _, x in floats] + [value for _, value in named]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    gradients = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, gradients)]
    after = {key: described(value) for key, value in module.state_dict().items()}
    return {
        "name": name,
        "class": js[0],
        "arguments": js[1:],
        "training": train,
        "options": options or {},
        "state": state,
        "inputs": [described(x) for x in inputs],
        "outputs": [described(y) for y in outputs],
        "inputGradients": {str(i): described(g) for (i, _), g in zip(floats, gradients)},
        "gradients": {key: described(g) for (key, _), g in zip(named, gradients[len(floats):])},
        "changed": {key: value for key, value in after.items() if value != state[key]},
    }


def recurrent(kind, js_options, torch_options, lengths=None, with_state=False):
    size, hidden, time, batch = 3, 4, 5, 2
    module = getattr(nn, kind)(size, hidden, **torch_options)
    first = torch_options.get("batch_first", False)
    x = torch.randn(*((batch, time) if first else (time, batch)), size)
    count = torch_options.get("num_layers", 1) * (2 if torch_options.get("bidirectional") else 1)
    states = [torch.randn(count, batch, hidden) for _ in range(2 if kind == "LSTM" else 1)]
    inputs = [x, *(states if with_state else [])]

    def call(module, x, *given):
        state = (given if kind == "LSTM" else given[0]) if given else None
        if lengths:
            packed = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
            output, end = module(packed, state)
            output, _ = pad_packed_sequence(output, batch_first=first, total_length=time)
        else:
            output, end = module(x, state)
        return [output, *(end if kind == "LSTM" else [end])]

    details = [*js_options.items(), *([("lengths", lengths)] if lengths else [])]
    name = " ".join([kind, *[f"{key} {value}" for key, value in details]])
    name += " with a state" if with_state else ""
    options = {"lengths": lengths} if lengths else {}
    return case(name, [kind, size, hidden, js_options], module, inputs, call, options=options)


def attention(name, js_options, torch_options, masks=None, features=(4, 4, 4), **call_options):
    dim, heads, batch, queries, keys = 4, 2, 2, 3, 5
    module = nn.MultiheadAttention(dim, heads, **torch_options)
    first = torch_options.get("batch_first", False)
    sizes = [(time, batch) if not first else (batch, time) for time in (queries, keys, keys)]
    inputs = [torch.randn(*size, width) for size, width in zip(sizes, features)]
    masks = masks or {}
    weights = call_options.get("needWeights", False)

    def call(module, q, k, v):
        output, drawn = module(
            q, k, v, key_padding_mask=masks.get("keyPaddingMask"), attn_mask=masks.get("attnMask"),
            need_weights=weights, average_attn_weights=call_options.get("averageAttnWeights", True),
        )
        return [output, drawn] if weights else [output]

    options = {**call_options, **{key: described(mask) for key, mask in masks.items()}}
    js = ["MultiheadAttention", dim, heads, js_options]
    return case(f"MultiheadAttention {name}", js, module, inputs, call, options=options)


def image(*shape):
    return torch.randn(*shape)


def rows():
    r = torch.randn
    yield case("Linear", ["Linear", 3, 4], nn.Linear(3, 4), [r(2, 5, 3)])
    yield case("Linear without bias", ["Linear", 3, 2, {"bias": False}], nn.Linear(3, 2, bias=False), [r(4, 3)])
    ids = torch.tensor([[1, 4, 1], [0, 2, 4]])
    yield case("Embedding", ["Embedding", 5, 3], nn.Embedding(5, 3), [ids])
    yield case("Embedding with padding", ["Embedding", 5, 3, {"paddingIdx": 1}], nn.Embedding(5, 3, padding_idx=1), [ids])
    for js, options in [
        ({}, {}),
        ({"stride": 2, "padding": 1}, dict(stride=2, padding=1)),
        ({"stride": [2, 1], "padding": [0, 2], "bias": False}, dict(stride=(2, 1), padding=(0, 2), bias=False)),
        ({"dilation": 2, "padding": "same"}, dict(dilation=2, padding="same")),
        ({"groups": 2}, dict(groups=2)),
        ({"groups": 4, "padding": 1}, dict(groups=4, padding=1)),
    ]:
        yield case(f"Conv2d {js}", ["Conv2d", 4, 4, [3, 2], js], nn.Conv2d(4, 4, (3, 2), **options), [image(2, 6, 5, 4)], channels=True)
    yield case("Conv1d", ["Conv1d", 2, 3, 3, {"stride": 2, "padding": 1}], nn.Conv1d(2, 3, 3, stride=2, padding=1), [r(2, 7, 2)], channels=True)
    yield case("Conv1d dilated", ["Conv1d", 2, 4, 2, {"dilation": 2, "groups": 2}], nn.Conv1d(2, 4, 2, dilation=2, groups=2), [r(2, 6, 2)], channels=True)
    yield case("ConvTranspose2d", ["ConvTranspose2d", 2, 3, 3], nn.ConvTranspose2d(2, 3, 3), [image(2, 3, 4, 2)], channels=True)
    yield case(
        "ConvTranspose2d with stride",
        ["ConvTranspose2d", 2, 3, 4, {"stride": 2, "padding": 1, "outputPadding": 1}],
        nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, output_padding=1), [image(1, 3, 2, 2)], channels=True,
    )
    yield case("LayerNorm", ["LayerNorm", [3, 4]], nn.LayerNorm([3, 4]), [r(2, 3, 4)])
    yield case("LayerNorm without affine", ["LayerNorm", 4, {"elementwiseAffine": False, "epsilon": 0.1}], nn.LayerNorm(4, eps=0.1, elementwise_affine=False), [r(2, 3, 4)])
    yield case("GroupNorm", ["GroupNorm", 2, 4], nn.GroupNorm(2, 4), [image(2, 3, 2, 4)], channels=True)
    yield case("BatchNorm1d", ["BatchNorm1d", 3], nn.BatchNorm1d(3), [r(5, 3)])
    yield case("BatchNorm1d of sequences", ["BatchNorm1d", 3, {"momentum": None}], nn.BatchNorm1d(3, momentum=None), [r(2, 4, 3)], channels=True)
    yield case("BatchNorm2d", ["BatchNorm2d", 3, {"momentum": 0.3}], nn.BatchNorm2d(3, momentum=0.3), [image(2, 3, 2, 3)], channels=True)
    norm = nn.BatchNorm2d(3)
    norm.running_mean, norm.running_var = r(3), torch.rand(3) + 0.5
    yield case("BatchNorm2d in eval", ["BatchNorm2d", 3], norm, [image(2, 3, 2, 3)], channels=True, train=False)
    yield case("BatchNorm2d without statistics", ["BatchNorm2d", 3, {"trackRunningStats": False, "affine": False}], nn.BatchNorm2d(3, track_running_stats=False, affine=False), [image(2, 3, 2, 3)], channels=True, train=False)
    for js, options in [
        ([2], dict(kernel_size=2)),
        ([3, {"stride": 2, "padding": 1}], dict(kernel_size=3, stride=2, padding=1)),
        ([[3, 2], {"stride": 2, "ceilMode": True}], dict(kernel_size=(3, 2), stride=2, ceil_mode=True)),
        ([3, {"stride": 2, "padding": 1, "ceilMode": True}], dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    ]:
        yield case(f"MaxPool2d {js}", ["MaxPool2d", *js], nn.MaxPool2d(**options), [image(2, 6, 7, 2)], channels=True)
        yield case(f"AvgPool2d {js}", ["AvgPool2d", *js], nn.AvgPool2d(**options), [image(2, 6, 7, 2)], channels=True)
    yield case("AvgPool2d without padding's zeros", ["AvgPool2d", 3, {"stride": 2, "padding": 1, "ceilMode": True, "countIncludePad": False}], nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), [image(1, 6, 7, 2)], channels=True)
    for size in (1, [2, 3], [4, 7]):
        yield case(f"AdaptiveAvgPool2d {size}", ["AdaptiveAvgPool2d", size], nn.AdaptiveAvgPool2d(size), [image(2, 5, 4, 2)], channels=True)
    for js, options in [
        ({"scaleFactor": 2}, dict(scale_factor=2)),
        ({"size": [5, 3]}, dict(size=(5, 3))),
        ({"scaleFactor": 2, "mode": "bilinear"}, dict(scale_factor=2, mode="bilinear")),
        ({"size": [5, 7], "mode": "bilinear", "alignCorners": True}, dict(size=(5, 7), mode="bilinear", align_corners=True)),
    ]:
        yield case(f"Upsample {js}", ["Upsample", js], nn.Upsample(**options), [image(1, 3, 4, 2)], channels=True)
    yield case("Flatten", ["Flatten"], nn.Flatten(), [image(2, 3, 2, 4)], channels=True)
    for js, module in [
        (["ReLU"], nn.ReLU()), (["Tanh"], nn.Tanh()), (["Sigmoid"], nn.Sigmoid()), (["SiLU"], nn.SiLU()), (["Softplus"], nn.Softplus()),
        (["LeakyReLU", 0.2], nn.LeakyReLU(0.2)), (["GELU"], nn.GELU()), (["GELU", {"approximate": "tanh"}], nn.GELU(approximate="tanh")),
        (["Softmax"], nn.Softmax(dim=-1)), (["Softmax", 1], nn.Softmax(dim=1)), (["LogSoftmax", 0], nn.LogSoftmax(dim=0)), (["Identity"], nn.Identity()),
        (["Dropout", 0], nn.Dropout(0)),
    ]:
        yield case(" ".join(map(str, js)), js, module, [2 * r(2, 3, 4)])
    for kind in ("RNN", "GRU", "LSTM"):
        yield recurrent(kind, {}, {})
        yield recurrent(kind, {"numLayers": 2, "bidirectional": True}, dict(num_layers=2, bidirectional=True), with_state=True)
        yield recurrent(kind, {"batchFirst": True, "bias": False}, dict(batch_first=True, bias=False), with_state=True)
        yield recurrent(kind, {"bidirectional": True, "batchFirst": True}, dict(bidirectional=True, batch_first=True), lengths=[3, 5], with_state=True)
    yield recurrent("RNN", {"nonlinearity": "relu", "numLayers": 2}, dict(nonlinearity="relu", num_layers=2))
    padding = torch.tensor([[False, False, False, True, True], [False] * 5])
    causal = torch.triu(torch.ones(3, 5, dtype=torch.bool), 1)
    yield attention("of queries, keys and values", {}, {})
    yield attention("batch first, without bias", {"batchFirst": True, "bias": False}, dict(batch_first=True, bias=False))
    yield attention("of other features", {"kdim": 3, "vdim": 6}, dict(kdim=3, vdim=6), features=(4, 3, 6))
    yield attention("with padded keys", {"batchFirst": True}, dict(batch_first=True), {"keyPaddingMask": padding})
    yield attention("with a mask", {}, {}, {"attnMask": causal}, needWeights=True)
    yield attention("with both masks", {}, {}, {"attnMask": causal, "keyPaddingMask": padding}, needWeights=True, averageAttnWeights=False)
    yield attention("with an added mask by head", {}, {}, {"attnMask": r(4, 3, 5)})
    for js, options in [
        ({"dropout": 0, "dimFeedforward": 6}, dict(dropout=0, dim_feedforward=6)),
        ({"dropout": 0, "dimFeedforward": 6, "normFirst": True, "activation": "gelu", "batchFirst": True, "bias": False},
         dict(dropout=0, dim_feedforward=6, norm_first=True, activation="gelu", batch_first=True, bias=False)),
    ]:
        first = options.get("norm_first", False)
        yield case(f"TransformerEncoderLayer{' norm first' if first else ''}", ["TransformerEncoderLayer", 4, 2, js], nn.TransformerEncoderLayer(4, 2, **options), [r(2, 3, 4)])
        yield case(f"TransformerDecoderLayer{' norm first' if first else ''}", ["TransformerDecoderLayer", 4, 2, js], nn.TransformerDecoderLayer(4, 2, **options), [r(2, 3, 4), r(2, 3, 4)])
    generator = torch.get_rng_state()  # rows that came later leave the checkpoint below as it is
    for kind in ("RNN", "GRU", "LSTM"):
        states = [r(2, 4) for _ in range(2 if kind == "LSTM" else 1)]
        call = (lambda cell, x, h, c: cell(x, (h, c))) if kind == "LSTM" else None
        yield case(f"{kind}Cell", [f"{kind}Cell", 3, 4], getattr(nn, f"{kind}Cell")(3, 4), [r(2, 3), *states], call=call)
        yield case(f"{kind}Cell from zeros, without bias", [f"{kind}Cell", 3, 4, {"bias": False}], getattr(nn, f"{kind}Cell")(3, 4, bias=False), [r(2, 3)])
    yield case("RNNCell relu", ["RNNCell", 3, 4, {"nonlinearity": "relu"}], nn.RNNCell(3, 4, nonlinearity="relu"), [r(2, 3), r(2, 4)])
    torch.set_rng_state(generator)


path = pathlib.Path(__file__).with_name("modules.json")
lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows())
path.write_text(f"[\n{lines}\n]\n")
print(f"{path}: {path.stat().st_size >> 10} KB")


class Tagger(nn.Module):
    """An embedding, two layers of GRU in both directions, batch normalization, a linear layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 3)
        self.rnn = nn.GRU(3, 4, num_layers=2, bidirectional=True)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 2)

    def forward(self, ids):  # [time, batch] -> [time, batch, 2] and the GRU's state
        output, state = self.rnn(self.embedding(ids))
        return self.head(self.norm(output.flatten(0, 1))).reshape(*ids.shape, 2), state


def write_safetensors(file, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


tagger = Tagger()
ids = torch.tensor([[1, 4], [0, 2], [5, 5], [3, 0]])
tagger(ids)  # moves the running statistics
tagger.eval()
write_safetensors(path.with_name("tagger.safetensors"), tagger.state_dict())
outputs = [described(y) for y in tagger(ids)]
path.with_name("tagger.json").write_text(json.dumps({"ids": described(ids), "outputs": outputs}) + "\n")
