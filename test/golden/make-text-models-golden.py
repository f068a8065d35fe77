"""Writes text-models.json: what the book's own classes and nanoGPT compute, for
test/text/models-golden.test.ts.

    python3 test/golden/make-text-models-golden.py D2L_EN D2L_ZH NANOGPT

NANOGPT is the folder of karpathy/nanoGPT, of which model.py is imported. D2L_EN and D2L_ZH are the folders of the book's two repositories: d2l/torch.py is imported from each
with stand-ins for what it imports and needs not, and classes that stand only in chapters are read
from the chapters' cells. Weights are those of test/helpers/fill.ts, by deepend's names.

For each row: inputs, outputs, and of each parameter's gradient of sum(outputs * sin(1, 2, ...)) its
norm and its product with sin(1, 2, ...).
"""
import ast
import importlib.util
import json
import math
import pathlib
import re
import sys
import types
from unittest import mock

import torch
from torch import nn

import filling

torch.set_num_threads(1)
EN, ZH, NANO = (pathlib.Path(folder) for folder in sys.argv[1:4])
ABSENT = [
    "torchvision", "torchvision.transforms", "PIL", "PIL.Image", "pandas", "requests", "IPython", "IPython.display",
    "matplotlib", "matplotlib.pyplot", "matplotlib_inline", "matplotlib_inline.backend_inline", "scipy", "scipy.spatial", "gym",
]


def load(file, name):
    for module in ABSENT:
        sys.modules.setdefault(module, mock.MagicMock(name=module))
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


en, zh = load(EN / "d2l" / "torch.py", "d2l_en"), load(ZH / "d2l" / "torch.py", "d2l_zh")
nano = load(NANO / "model.py", "nanogpt")


def chapter(book, folder, file):
    """What the PyTorch cells of a chapter define."""
    names = {**vars(book), "d2l": book}
    text = (folder / file).read_text()
    for cell in re.findall(r"```\{\.python \.input[^\n]*\}\n(.*?)```", text, re.S):
        if re.match(r"(%%|#@)tab [^\n]*pytorch", cell) and re.search(r"^(class|def) ", cell, re.M):
            tree = ast.parse(re.sub(r"^%%tab[^\n]*", "", cell))
            tree.body = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
            exec(compile(tree, file, "exec"), names)
    return types.SimpleNamespace(**names)


ATTENTION = "book/chapter_attention-mechanisms-and-transformers"
APPLICATIONS = "book/chapter_natural-language-processing-applications"
bahdanau = chapter(en, EN, f"{ATTENTION}/bahdanau-attention.md")
transformer = chapter(en, EN, f"{ATTENTION}/transformer.md")
vision = chapter(en, EN, f"{ATTENTION}/vision-transformer.md")
seq2seq = chapter(zh, ZH, "book/chapter_recurrent-modern/seq2seq.md")
sentiment = chapter(en, EN, f"{APPLICATIONS}/sentiment-analysis-rnn.md")
cnn = chapter(en, EN, f"{APPLICATIONS}/sentiment-analysis-cnn.md")
inference = chapter(en, EN, f"{APPLICATIONS}/natural-language-inference-attention.md")

PARTS = {"W_q": 0, "W_k": 1, "W_v": 2}


def ours(name):
    """deepend's name, and which third of that weight it is."""
    name = name.replace("blks.block", "blks.").replace("rnn.rnn.", "rnn.")
    found = re.fullmatch(r"(.*attention\d?)\.(W_[qkv])\.(weight|bias)", name)
    if found and "in_proj" not in name and found[1] not in ours.additive:
        return f"{found[1]}.in_proj_{found[3]}", PARTS[found[2]]
    return re.sub(r"(attention\d?)\.W_o\.", r"\1.out_proj.", name), None


ours.additive = set()


def key(name, shape):
    if len(shape) > 1:
        return f"{name}/kernel"
    return f"{name}/gamma" if name.endswith("weight") else f"{name}/bias"


def named(module):
    """Of each parameter: deepend's name, its shape there, which third of it, and how to turn it."""
    ours.additive = {n for n, m in module.named_modules() if type(m).__name__ == "AdditiveAttention"}
    for name, parameter in module.named_parameters():
        mine, part = ours(name)
        shape = list(parameter.shape)
        if part is not None:
            shape[0] *= 3
        yield mine, shape, part, parameter


@torch.no_grad()
def fill(module):
    for name, shape, part, parameter in named(module):
        whole = filling.values(key(name, shape), tuple(shape))
        parameter.copy_(whole if part is None else whole.chunk(3)[part])


def rounded(tensor):
    return [float(f"{value:.6g}") for value in tensor.detach().double().flatten().tolist()]


def described(tensor):
    kind = "float32" if tensor.is_floating_point() else "int32"
    values = rounded(tensor) if kind == "float32" else tensor.flatten().tolist()
    return {"shape": list(tensor.shape), "dtype": kind, "values": values}


def waves(tensor, place=1):
    return torch.sin(torch.arange(place, place + tensor.numel(), dtype=torch.float32)).reshape(tensor.shape)


def digest(gradient):
    return [float(f"{value:.6g}") for value in (gradient.norm().item(), (gradient * waves(gradient)).sum().item())]


def case(name, js, module, inputs, call=None, train=True):
    """js: [class, arguments]. The inputs are tensors, or numbers that `call` reads."""
    module.train(train)
    run = lambda: call(module, *inputs) if call else module(*inputs)
    with torch.no_grad():
        run()  # lazy layers get their sizes
    fill(module)
    outputs = run()
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    place, loss = 1, 0
    for y in outputs:
        loss, place = loss + (y * waves(y, place)).sum(), place + y.numel()
    gradients, thirds = {}, {}
    entries = [entry for entry in named(module) if entry[3].requires_grad]
    found = torch.autograd.grad(loss, [parameter for *_, parameter in entries], allow_unused=True)
    for (mine, _, part, parameter), gradient in zip(entries, found):
        gradient = torch.zeros_like(parameter) if gradient is None else gradient
        if part is None:
            gradients[mine] = digest(gradient)
        else:
            thirds.setdefault(mine, {})[part] = gradient
    for mine, parts in thirds.items():
        gradients[mine] = digest(torch.cat([parts[i] for i in range(3)]))
    return {
        "name": name, "class": js[0], "arguments": js[1:], "training": train,
        "inputs": [described(x) for x in inputs],
        "outputs": [described(y) for y in outputs],
        "gradients": dict(sorted(gradients.items())),
    }


def ids(rows, columns, size, start=0):
    return torch.tensor([[(7 * i + 3 * j * j + start) % size for j in range(columns)] for i in range(rows)])


def floats(*shape, name="x"):
    return torch.from_numpy(2 * filling.mix(math.prod(shape), name) - 1).reshape(shape)


def language_model(cell, js, **options):
    layer = getattr(nn, cell.upper())(9, 5, **options)
    state = [floats(options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1), 2, 5, name=f"state {i}") for i in range(2 if cell == "lstm" else 1)]

    def call(net, x, *given):
        y, after = net(x, given if cell == "lstm" else given[0])
        y = y.reshape(x.shape[1], x.shape[0], -1).transpose(0, 1)
        return [y, *(after if cell == "lstm" else [after])]

    settings = {"vocabSize": 9, "hidden": 5, "cell": cell, **js}
    title = " ".join(f"{name} {value}" for name, value in js.items())
    return case(f"LanguageModel {cell} {title}".strip(), ["LanguageModel", settings], zh.RNNModel(layer, 9), [ids(2, 4, 9), *state], call)


def rows():
    yield language_model("rnn", {})
    yield language_model("gru", {"layers": 2}, num_layers=2)
    yield language_model("lstm", {"layers": 2, "bidirectional": True}, num_layers=2, bidirectional=True)
    scratch = en.RNNLMScratch(en.RNNScratch(9, 5), 9)
    yield case("RNNLMScratch", ["RNNLMScratch", {"rnn": [9, 5], "vocabSize": 9}], scratch, [ids(2, 4, 9)])
    lengths = torch.tensor([2, 4])
    queries, keys, values = floats(2, 3, 6, name="q"), floats(2, 4, 2, name="k"), floats(2, 4, 3, name="v")
    yield case("AdditiveAttention", ["AdditiveAttention", 5, {"keySize": 2, "querySize": 6}], en.AdditiveAttention(5, 0), [queries, keys, values, lengths])
    encoder = lambda book: book.Seq2SeqEncoder(9, 4, 6, 2)
    pair = lambda decoder: {"encoder": ["Seq2SeqEncoder", SIZES], "decoder": [decoder, {**SIZES, "vocabSize": 8}]}
    SIZES = {"vocabSize": 9, "embedSize": 4, "hidden": 6, "layers": 2}
    source, target = ids(2, 4, 9), ids(2, 3, 8, 2)
    first = lambda net, *inputs: net(*inputs)[0]
    yield case("Seq2Seq", ["EncoderDecoder", pair("Seq2SeqDecoder")], zh.EncoderDecoder(encoder(zh), seq2seq.Seq2SeqDecoder(8, 4, 6, 2)), [source, target, lengths], first)
    yield case(
        "Bahdanau", ["EncoderDecoder", pair("Seq2SeqAttentionDecoder")],
        en.EncoderDecoder(encoder(en), bahdanau.Seq2SeqAttentionDecoder(8, 4, 6, 2)), [source, target, lengths],
    )
    BLOCK = {"hidden": 8, "ffnHidden": 10, "heads": 2}
    yield case("TransformerEncoderBlock", ["TransformerEncoderBlock", {**BLOCK, "bias": True}], en.TransformerEncoderBlock(8, 10, 2, 0, True), [floats(2, 4, 8), lengths])
    STACK = {**BLOCK, "layers": 2}
    net = en.EncoderDecoder(en.TransformerEncoder(9, 8, 10, 2, 2, 0), transformer.TransformerDecoder(8, 8, 10, 2, 2, 0))
    js = {"encoder": ["TransformerEncoder", {"vocabSize": 9, **STACK}], "decoder": ["TransformerDecoder", {"vocabSize": 8, **STACK}]}
    yield case("Transformer", ["EncoderDecoder", js], net, [source, target, lengths])
    segments, positions = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]]), torch.tensor([[1, 2], [3, 0]])
    yield case("BERTModel", ["BERTModel", {"vocabSize": 9, **STACK, "maxLen": 6}], en.BERTModel(9, 8, 10, 2, 2, 0, max_len=6), [source, segments, lengths, positions])
    yield case("TextCNN", ["TextCNN", {"vocabSize": 9, "embedSize": 3, "kernelSizes": [2, 3], "numChannels": [4, 5], "dropout": 0}], without_dropout(cnn.TextCNN(9, 3, [2, 3], [4, 5])), [ids(2, 5, 9)])
    yield case("BiRNN", ["BiRNN", {"vocabSize": 9, "embedSize": 3, "hidden": 4, "layers": 2}], sentiment.BiRNN(9, 3, 4, 2), [ids(2, 5, 9)])
    decomposable = inference.DecomposableAttention(range(9), 3, 4, 3, 6, 8)
    yield case(
        "DecomposableAttention", ["DecomposableAttention", {"vocabSize": 9, "embedSize": 3, "hidden": 4}], decomposable,
        [ids(2, 4, 9), ids(2, 3, 9, 1)], lambda net, a, b: net([a, b]), train=False,
    )
    vit = vision.ViT(img_size=8, patch_size=4, num_hiddens=8, mlp_num_hiddens=10, num_heads=2, num_blks=2, emb_dropout=0, blk_dropout=0, num_classes=3)
    yield case(
        "ViT", ["ViT", {"imageSize": 8, "patchSize": 4, **STACK, "numClasses": 3, "dropout": 0, "embDropout": 0, "channels": 2}], vit,
        [floats(2, 8, 8, 2)], lambda net, x: net(x.movedim(-1, 1)),
    )


    for bias in (True, False):
        settings = nano.GPTConfig(block_size=6, vocab_size=9, n_layer=2, n_head=2, n_embd=8, dropout=0, bias=bias)
        js = {"vocabSize": 9, "blockSize": 6, "layers": 2, "heads": 2, "hidden": 8, "bias": bias}
        name = "GPT" if bias else "GPT without biases"
        yield case(name, ["GPT", js], nano.GPT(settings), [ids(2, 5, 9)], lambda net, x: net(x, x)[0])


def without_dropout(net):
    net.dropout = nn.Dropout(0)
    net.constant_embedding.requires_grad_(False)  # as the book does before training
    return net


def losses():
    """The book's two losses of BERT, and its masked loss of translation."""
    logits, labels = floats(2, 3, 5, name="mlm"), ids(2, 3, 5)
    nsp, answer = floats(2, 2, name="nsp"), torch.tensor([1, 0])
    net = lambda *_: (None, logits, nsp)
    given = [logits, labels, nsp, answer]
    found = en._get_batch_loss_bert(net, nn.CrossEntropyLoss(), 5, None, None, torch.tensor([3, 2]), None, torch.ones(2, 3), labels, answer)
    lengths = torch.tensor([2, 3])
    masked = en.MaskedSoftmaxCELoss()(logits, labels, lengths)
    softmax = en.masked_softmax(logits.clone(), lengths)
    return {
        "inputs": [described(x) for x in given], "bert": [value.item() for value in found],
        "lengths": lengths.tolist(), "masked": described(masked), "softmax": described(softmax),
    }


path = pathlib.Path(__file__).with_name("text-models.json")
lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows())
path.write_text(f'{{"losses":{json.dumps(losses(), separators=(",", ":"))},\n"cases":[\n{lines}\n]}}\n')
print(f"{path.name}: {path.stat().st_size >> 10} KB")
