"""Golden values of a generative adversarial network from PyTorch: python3 test/golden/make-gan-golden.py

Writes gan.json: the book's two networks of section 20.1 with fixed weights, four batches of data and noise, and the losses of the book's update_D and update_G
(its sums over the batch, Adam) in four steps.
"""
import json
from pathlib import Path

import torch
from torch import nn

generator = torch.Generator().manual_seed(5)
BATCH, STEPS, LR_D, LR_G = 8, 4, 0.05, 0.005


def normal(*shape):
    return torch.randn(*shape, generator=generator).double()


net_G = nn.Sequential(nn.Linear(2, 2)).double()
net_D = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1)).double()
with torch.no_grad():
    for weight in [*net_D.parameters(), *net_G.parameters()]:
        weight.copy_(0.3 * normal(*weight.shape))


def listed(tensor):
    return {"shape": list(tensor.shape), "values": [round(value, 8) for value in tensor.flatten().tolist()]}


start = {name: {key: listed(value) for key, value in net.state_dict().items()} for name, net in (("D", net_D), ("G", net_G))}
data = normal(STEPS, BATCH, 2) @ torch.tensor([[1, 2], [-0.1, 0.5]]).double() + torch.tensor([1, 2]).double()
noise = normal(STEPS, BATCH, 2)
loss = nn.BCEWithLogitsLoss(reduction="sum")
trainer_D = torch.optim.Adam(net_D.parameters(), lr=LR_D)
trainer_G = torch.optim.Adam(net_G.parameters(), lr=LR_G)
losses = []
for real, z in zip(data, noise):
    trainer_D.zero_grad()
    logits, fake = net_D(real), net_D(net_G(z).detach())
    loss_D = (loss(logits, torch.ones_like(logits)) + loss(fake, torch.zeros_like(fake))) / 2
    loss_D.backward()
    trainer_D.step()
    trainer_G.zero_grad()
    fake = net_D(net_G(z))
    loss_G = loss(fake, torch.ones_like(fake))
    loss_G.backward()
    trainer_G.step()
    losses.append([round(loss_D.item(), 7), round(loss_G.item(), 7)])

golden = {
    "madeBy": "test/golden/make-gan-golden.py",
    "lr": {"D": LR_D, "G": LR_G},
    "state": start,
    "data": listed(data),
    "noise": listed(noise),
    "losses": losses,
}
path = Path(__file__).parent / "gan.json"
path.write_text(json.dumps(golden) + "\n")
print(f"wrote {path}")
