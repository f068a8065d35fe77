"""Writes gpt-run.json: how nanoGPT's model learns The Time Machine, for test/text/gpt-run.test.ts.

    python3 test/golden/make-gpt-run-golden.py NANOGPT TIME_MACHINE

NANOGPT is the folder of karpathy/nanoGPT, TIME_MACHINE the book's timemachine.txt. Weights are a quarter of those of
test/helpers/fill.ts; batches are the sequential partition without an offset.
"""
import collections
import importlib.util
import json
import pathlib
import re
import sys

import torch
from torch.nn import functional

import filling

torch.set_num_threads(2)
BATCH, STEPS, NUM_BATCHES, NUM_TEST = 16, 32, 150, 10
spec = importlib.util.spec_from_file_location("nanogpt", pathlib.Path(sys.argv[1]) / "model.py")
nano = importlib.util.module_from_spec(spec)
sys.modules["nanogpt"] = nano
spec.loader.exec_module(nano)

text = pathlib.Path(sys.argv[2]).read_text()
characters = [c for line in text.splitlines() for c in re.sub("[^A-Za-z]+", " ", line).strip().lower()]
counts = sorted(collections.Counter(characters).items(), key=lambda pair: pair[1], reverse=True)
index = {token: i + 1 for i, (token, _) in enumerate(counts)}  # 0 is the unknown token
corpus = torch.tensor([index[c] for c in characters])


def batches(tokens):
    """The book's seq_data_iter_sequential, without an offset."""
    count = (len(tokens) - 1) // BATCH * BATCH
    x, y = tokens[:count].reshape(BATCH, -1), tokens[1 : count + 1].reshape(BATCH, -1)
    return [(x[:, i : i + STEPS].contiguous(), y[:, i : i + STEPS].contiguous()) for i in range(0, x.shape[1] // STEPS * STEPS, STEPS)]


length = BATCH * STEPS * NUM_BATCHES + 1
train, test = corpus[:length], corpus[length : length + BATCH * STEPS * NUM_TEST + 1]
settings = nano.GPTConfig(block_size=STEPS, vocab_size=len(index) + 1, n_layer=2, n_head=4, n_embd=64, dropout=0, bias=True)
net = nano.GPT(settings)
for name, weight in net.named_parameters():
    one = "gamma" if name.endswith("weight") else "bias"
    kind = "kernel" if weight.dim() > 1 else one
    values = filling.values(f"{name}/{kind}", tuple(weight.shape)).reshape(weight.shape)
    weight.data.copy_(values if kind == "gamma" else values / 4)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)


def loss_of(x, y):
    logits, _ = net(x, y)  # with targets it gives the logits of all positions
    return functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def evaluate():
    with torch.no_grad():
        return sum(loss_of(x, y).item() for x, y in batches(test)) / NUM_TEST


losses = []
before = evaluate()
for x, y in batches(train):
    loss = loss_of(x, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
golden = {
    "torch": torch.__version__,
    "sizes": {"batchSize": BATCH, "numSteps": STEPS, "numTrain": len(train), "numTest": len(test), "vocabSize": len(index) + 1},
    "before": before,
    "first": losses[0],
    "mean": sum(losses) / len(losses),
    "test": evaluate(),
}
pathlib.Path(__file__).with_name("gpt-run.json").write_text(json.dumps(golden, indent=1) + "\n")
print(before, losses[0], losses[-1], golden["test"])
