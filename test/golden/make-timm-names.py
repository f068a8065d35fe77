"""Writes timm-names.json: the names of weights that the scripts of packages/models/scripts convert, for test/models/convert-scripts.test.ts.

    pip install torch torchvision timm
    python3 test/golden/make-timm-names.py
"""
import torch

import torchvision_nets
from running import write


def names(state):
    return [name for name in state if not name.endswith("num_batches_tracked")]


import timm  # noqa: E402

with torch.device("meta"):
    made = {
        "convert-timm": {id: names(timm.create_model(id).state_dict()) for id in ("efficientnet_b0", "convnext_tiny", "vit_small_patch16_224")},
        "convert-torchvision": {"vit_b_16": names(torchvision_nets.models.vit_b_16().state_dict())},
    }
write("timm-names.json", {"madeBy": f"test/golden/make-timm-names.py, timm {timm.__version__}, torchvision {torchvision_nets.VERSION}", **made}, depth=2)
