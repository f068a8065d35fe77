"""Converts torchvision's weights to a safetensors file that deepend's loadWeights reads.

    pip install torch torchvision safetensors
    python3 convert-torchvision.py resnet18 resnet18.safetensors                  # torchvision's own weights
    python3 convert-torchvision.py resnet18 mine.safetensors --weights mine.pth   # a state_dict of yours

Every model of deepend's zoo has torchvision's names, which stay as they are. The exceptions are the Vision Transformers (`vit_b_16`, ...): they get
timm's names, as deepend's VisionTransformer has them. The state_dict is loaded into the model first, so that torchvision renames what old files of
its own name otherwise (DenseNet), and a file of another model is refused.
"""
import argparse
import re

# A pattern of torchvision's names, and what replaces it.
VIT = [
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
]


def renamed(name, rules):
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def convert(model, state):
    """A state_dict with the names that loadWeights takes; batch normalization's counters are left out."""
    rules = VIT if model.startswith("vit_") else []
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    return {renamed(name, rules): tensor.detach().cpu().contiguous().clone() for name, tensor in kept.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="torchvision's name of the model, such as efficientnet_b0")
    parser.add_argument("output", help="the safetensors file to write")
    parser.add_argument("--weights", default="DEFAULT", help="a file with a state_dict (.pth), or torchvision's name of its weights; DEFAULT: its best")
    parser.add_argument("--num-classes", type=int, default=1000, help="number of classes of the state_dict in the file")
    args = parser.parse_args()
    import torch
    import torchvision
    from safetensors.torch import save_file

    if args.weights.endswith((".pth", ".pt", ".bin")):
        extra = {"aux_logits": False, "init_weights": False} if args.model == "googlenet" else {}
        net = torchvision.models.get_model(args.model, weights=None, num_classes=args.num_classes, **extra)
        net.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True))
    else:
        net = torchvision.models.get_model(args.model, weights=args.weights)
    tensors = convert(args.model, net.state_dict())
    save_file(tensors, args.output, metadata={"format": "pt"})
    print(f"{args.output}: {len(tensors)} tensors of {args.model}")


if __name__ == "__main__":
    main()
