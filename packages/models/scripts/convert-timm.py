"""Converts weights of timm's models to a safetensors file that deepend's loadWeights reads.

    pip install torch timm safetensors
    python3 convert-timm.py vit_small_patch16_224 vit_s_16.safetensors                      # timm's own weights
    python3 convert-timm.py vit_small_patch16_224 mine.safetensors --weights mine.pth       # a state_dict of yours

The names of timm's EfficientNets and ConvNeXts become torchvision's, which deepend's zoo has. Its Vision Transformers keep their names, which are
those of deepend's VisionTransformer, and so do its ResNets, whose names are torchvision's.
"""
import argparse
import re

# The parts of an EfficientNet's block, timm's name and torchvision's: of the first stage, which does not expand, and of the others.
FIRST = {"conv_dw": "0.0", "bn1": "0.1", "se.conv_reduce": "1.fc1", "se.conv_expand": "1.fc2", "conv_pw": "2.0", "bn2": "2.1"}
OTHERS = {
    **{"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1"},
    **{"se.conv_reduce": "2.fc1", "se.conv_expand": "2.fc2", "conv_pwl": "3.0", "bn3": "3.1"},
}
ENDS = {"conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.8.0", "bn2": "features.8.1", "classifier": "classifier.1"}


def efficientnet(name):
    module, _, kind = name.rpartition(".")
    block = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(.+)", module)
    if not block:
        return f"{ENDS[module]}.{kind}"
    stage, place, part = block.groups()
    return f"features.{int(stage) + 1}.{place}.block.{(FIRST if stage == '0' else OTHERS)[part]}.{kind}"


# A stage of timm's ConvNeXt is two modules of torchvision's: the downsampling, if it has one, and the blocks.
CONVNEXT = [
    (r"^stem\.(\d)\.", r"features.0.\1."),
    (r"^stages\.(\d)\.downsample\.(\d)\.", lambda m: f"features.{2 * int(m[1])}.{m[2]}."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.", lambda m: f"features.{2 * int(m[1]) + 1}.{m[2]}."),
    (r"\.conv_dw\.", ".block.0."),
    (r"(?<!head)\.norm\.", ".block.2."),
    (r"\.mlp\.fc1\.", ".block.3."),
    (r"\.mlp\.fc2\.", ".block.5."),
    (r"\.gamma$", ".layer_scale"),
    (r"^head\.norm\.", "classifier.0."),
    (r"^head\.fc\.", "classifier.2."),
]


def convnext(name):
    for pattern, replacement in CONVNEXT:
        name = re.sub(pattern, replacement, name)
    return name


def unchanged(name):
    return name


FAMILIES = {"efficientnet_b0": efficientnet, "convnext_tiny": convnext, "resnet": unchanged, "vit_": unchanged}


def convert(model, state):
    """A state_dict with the names that loadWeights takes; batch normalization's counters are left out."""
    family = next((rename for prefix, rename in FAMILIES.items() if model.startswith(prefix)), None)
    if family is None:
        raise SystemExit(f"convert-timm: expected a model whose name begins with {', '.join(FAMILIES)}, got {model}")
    result = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        values = tensor.detach().cpu()
        if name.endswith(".gamma"):  # torchvision's layer scale is [channels, 1, 1]
            values = values.reshape(-1, 1, 1)
        result[family(name)] = values.contiguous().clone()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="timm's name of the model, such as vit_small_patch16_224.augreg_in1k")
    parser.add_argument("output", help="the safetensors file to write")
    parser.add_argument("--weights", help="a file with a state_dict (.pth); default: timm's own weights")
    parser.add_argument("--num-classes", type=int, default=1000, help="number of classes of the state_dict in the file")
    args = parser.parse_args()
    import timm
    import torch
    from safetensors.torch import save_file

    if args.weights:
        net = timm.create_model(args.model, num_classes=args.num_classes)
        net.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True))
    else:
        net = timm.create_model(args.model, pretrained=True)
    tensors = convert(args.model, net.state_dict())
    save_file(tensors, args.output, metadata={"format": "pt"})
    print(f"{args.output}: {len(tensors)} tensors of {args.model}")


if __name__ == "__main__":
    main()
