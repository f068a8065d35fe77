"""What torchvision's nets make of state dicts: python3 test/export/torchvision-read.py CASES.json prints {id: {logits, metadata}} as JSON.

A case: id, file, images, shape, numClasses. Weights are loaded strictly: every name and shape must be the module's.
"""
import json
import sys

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file

library = torch.library.Library("torchvision", "DEF")  # operations that a torchvision without its own library lacks, and names
for name in ["nms", "qnms"]:
    try:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass  # it has them
import torchvision

answers = {}
for case in json.load(open(sys.argv[1])):
    net = torchvision.models.get_model(case["id"], weights=None, num_classes=case["numClasses"])
    net.load_state_dict(load_file(case["file"]), strict=True)
    images = torch.from_numpy(np.fromfile(case["images"], dtype="<f4").reshape(case["shape"])).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = net.eval()(images).flatten().tolist()
    with safetensors.safe_open(case["file"], "pt") as file:
        answers[case["id"]] = {"logits": logits, "metadata": file.metadata()}
print(json.dumps(answers))
