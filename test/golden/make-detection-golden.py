"""Writes detection.json: what the book's own functions of chapter 14 (zh 13) and pycocotools compute, for
test/vision/*.test.ts.

    pip install torch numpy pycocotools
    python3 test/golden/make-detection-golden.py D2L_EN

D2L_EN is the folder of the book's repository: d2l/torch.py is imported with stand-ins for what it
imports and needs not, and TinySSD is read from the chapter's cells. Its weights are those of
test/helpers/fill.ts, by deepend's names. The labels of `multibox_target` have no padding: for a row
of -1 the book's function labels an anchor, deepend's does not.
"""
import ast
import contextlib
import importlib.util
import io
import json
import pathlib
import re
import sys
from unittest import mock

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import filling

torch.set_num_threads(1)
BOOK = pathlib.Path(sys.argv[1])
ABSENT = [
    "torchvision", "torchvision.transforms", "PIL", "PIL.Image", "pandas", "requests", "IPython", "IPython.display",
    "matplotlib", "matplotlib.pyplot", "matplotlib_inline", "matplotlib_inline.backend_inline", "scipy", "scipy.spatial", "gym",
]
SIZES = [[0.2, 0.272], [0.37, 0.447], [0.54, 0.619], [0.71, 0.79], [0.88, 0.961]]


def load_book():
    for module in ABSENT:
        sys.modules.setdefault(module, mock.MagicMock(name=module))
    spec = importlib.util.spec_from_file_location("d2l_en", BOOK / "d2l" / "torch.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["d2l_en"] = module
    spec.loader.exec_module(module)
    return module


d2l = load_book()


def chapter(file, **given):
    """What the PyTorch cells of a chapter define."""
    names = {**vars(d2l), "d2l": d2l, **given}
    for cell in re.findall(r"```\{\.python \.input[^\n]*\}\n(.*?)```", (BOOK / file).read_text(), re.S):
        if re.match(r"(%%|#@)tab pytorch", cell) and re.search(r"^(class|def) ", cell, re.M):
            tree = ast.parse(re.sub(r"^%.*$", "", cell, flags=re.M))
            tree.body = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
            exec(compile(tree, file, "exec"), names)
    return names


def rounded(values):
    tensors = values if torch.is_tensor(values) else torch.tensor([float(value.detach() if torch.is_tensor(value) else value) for value in values])
    return [float(f"{value:.7g}") for value in tensors.detach().double().flatten().tolist()]


def numbers(count, name):
    return torch.from_numpy(filling.mix(count, name))


def boxes(count, name, size=0.4):
    at, span = numbers(2 * count, name).reshape(count, 2) * (1 - size), numbers(2 * count, name + " size").reshape(count, 2)
    return torch.cat([at, at + 0.02 + (size - 0.02) * span], 1)


def basics():
    a, b = boxes(5, "a"), boxes(4, "b")
    data = torch.zeros(1, 1, 3, 5)
    anchors = d2l.multibox_prior(data, [0.3, 0.6], [1, 2, 0.5])
    truths = boxes(4, "truths", 0.9)  # large, so that no two anchors cover one of them wholly, which would be a tie
    assigned = d2l.assign_anchor_to_bbox(truths, anchors[0], "cpu")
    offsets = 2 * numbers(5 * 4, "offsets").reshape(5, 4) - 1
    return {
        "a": rounded(a), "b": rounded(b),
        "center": rounded(d2l.box_corner_to_center(a)), "iou": rounded(d2l.box_iou(a, b)),
        "anchors": rounded(anchors), "truths": rounded(truths), "assigned": assigned.tolist(),
        "assigned04": d2l.assign_anchor_to_bbox(truths, anchors[0], "cpu", 0.4).tolist(),
        "offsets": rounded(d2l.offset_boxes(a[:4], b)),
        "moves": rounded(offsets), "moved": rounded(d2l.offset_inverse(a, offsets)),
    }


def target():
    """The anchors and labels of the chapter's example, and those of two images of two objects."""
    anchors = torch.tensor([[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98], [0.66, 0.45, 0.8, 0.8], [0.57, 0.3, 0.92, 0.9]])
    truth = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
    other = torch.tensor([[2, 0.1, 0.2, 0.35, 0.42], [0, 0.6, 0.3, 0.9, 0.95]])
    labels = torch.stack([truth, other])
    offsets, masks, classes = d2l.multibox_target(anchors.unsqueeze(0), labels)
    return {
        "boxes": rounded(anchors), "labels": rounded(labels),
        "offsets": rounded(offsets), "masks": rounded(masks), "classes": classes.tolist(),
    }


def suppressed():
    candidates, scores = boxes(60, "nms"), numbers(60, "scores")
    kept = {str(threshold): d2l.nms(candidates, scores, threshold).tolist() for threshold in (0.1, 0.3, 0.5, 0.7)}
    return {"boxes": rounded(candidates), "scores": rounded(scores), "kept": kept}


def detection():
    """Two images, of which the first is the chapter's example."""
    anchors = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91], [0.55, 0.2, 0.9, 0.88]])
    probs = torch.tensor([[[0.0] * 4, [0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.9]], [[0.2, 0.995, 0.1, 0.4], [0.5, 0.003, 0.1, 0.3], [0.3, 0.002, 0.8, 0.3]]])
    offsets = torch.cat([torch.zeros(1, 16), 2 * numbers(16, "moves").reshape(1, 16) - 1])
    rows = d2l.multibox_detection(probs, offsets, anchors.unsqueeze(0), nms_threshold=0.5)
    return {"anchors": rounded(anchors), "probs": rounded(probs), "offsets": rounded(offsets), "rows": rounded(rows)}


def waves(tensor):
    return torch.sin(torch.arange(1, 1 + tensor.numel(), dtype=torch.float32)).reshape(tensor.shape)


def digest(tensor):
    """Norm, product with sin(1, 2, ...), and the first values."""
    return rounded([tensor.norm(), (tensor * waves(tensor)).sum(), *tensor.detach().flatten()[:6]])


def ours(name):
    for book, mine in ("blk", "blocks"), ("cls", "classHeads"), ("bbox", "boxHeads"):
        name = re.sub(rf"^{book}_(\d)", rf"{mine}.\1", name)
    return name


def tiny_ssd():
    names = chapter("chapter_computer-vision/ssd.md", sizes=SIZES, ratios=[[1, 2, 0.5]] * 5, num_anchors=4)
    names["cls_loss"] = torch.nn.CrossEntropyLoss(reduction="none")
    names["bbox_loss"] = torch.nn.L1Loss(reduction="none")
    net = names["TinySSD"](num_classes=2)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            kind = "kernel" if parameter.dim() > 1 else "gamma" if name.endswith("weight") else "bias"
            parameter.copy_(filling.values(f"{ours(name)}/{kind}", tuple(parameter.shape)))
    x = numbers(2 * 3 * 64 * 64, "image").reshape(2, 3, 64, 64)
    labels = torch.tensor([[[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]], [[1, 0.2, 0.3, 0.5, 0.5], [0, 0.6, 0.3, 0.9, 0.95]]])
    anchors, classes, offsets = net(x)
    offset_labels, masks, class_labels = d2l.multibox_target(anchors, labels)
    loss = names["calc_loss"](classes, class_labels, offsets, offset_labels, masks).mean()
    loss.backward()
    gradients = {ours(name): digest(parameter.grad) for name, parameter in net.named_parameters()}
    net.eval()
    _, eval_classes, eval_offsets = net(x)
    return {
        "labels": rounded(labels), "anchors": digest(anchors), "classes": digest(classes), "offsets": digest(offsets),
        "evalClasses": digest(eval_classes), "evalOffsets": digest(eval_offsets), "loss": loss.item(), "gradients": gradients,
    }


def coco():
    """mAP of noisy detections of three classes, of which the last has no truths; also ties of scores."""
    truths, found, images = [], [], []
    for image in range(9):
        own = boxes(4, f"truth {image}")
        labels = [int(2 * value) for value in numbers(4, f"label {image}")]
        noise = (numbers(16, f"noise {image}").reshape(4, 4) - 0.5) * 0.06
        near = own + noise
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2] + 0.01)
        extra = boxes(3, f"extra {image}")
        scores = [round(float(value), 1 if image % 2 else 4) for value in numbers(7, f"score {image}")]
        guesses = [*labels[:3], 1 - labels[3], *[int(3 * value) for value in numbers(3, f"guess {image}")]]
        truths.append({"boxes": [rounded(box) for box in own], "labels": labels})
        found.append({"boxes": [rounded(box) for box in torch.cat([near, extra])], "labels": guesses, "scores": scores})
        images.append({"id": image + 1})
    return {"truths": truths, "detections": found, **evaluate(images, truths, found)}


def evaluate(images, truths, found):
    wide = lambda box: [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    annotations, results = [], []
    for image, (truth, guess) in enumerate(zip(truths, found)):
        for box, label in zip(truth["boxes"], truth["labels"]):
            w = wide(box)
            annotations.append({"id": len(annotations) + 1, "image_id": image + 1, "category_id": label + 1, "bbox": w, "area": w[2] * w[3], "iscrowd": 0})
        for box, label, score in zip(guess["boxes"], guess["labels"], guess["scores"]):
            results.append({"image_id": image + 1, "category_id": label + 1, "bbox": wide(box), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": i + 1} for i in range(3)]}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][:, :, :, 0, 2]  # [thresholds, recalls, classes]
    per_class = [float(values[values > -1].mean()) if (values > -1).any() else None for values in np.moveaxis(precision, 2, 0)]
    return {"map": float(run.stats[0]), "map50": float(run.stats[1]), "map75": float(run.stats[2]), "perClass": per_class, "recall": float(run.stats[8])}


made = {
    "madeBy": "test/golden/make-detection-golden.py",
    "basics": basics(), "target": target(), "nms": suppressed(), "detection": detection(), "tinySsd": tiny_ssd(), "coco": coco(),
}
target_file = pathlib.Path(__file__).with_name("detection.json")
target_file.write_text(json.dumps(made) + "\n")
