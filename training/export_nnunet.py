#!/usr/bin/env python3
"""Exports a trained nnU-Net v2 model as ONNX, in the environment that trained it.

    python3 export_nnunet.py MODEL_FOLDER [--out FOLDER] [--folds 0 1 2 3 4] [--checkpoint checkpoint_final.pth]
    rouage model import nnunet FOLDER --out PACKAGE

`rouage model import nnunet MODEL_FOLDER` reads checkpoints of PlainConvUNet and ResidualEncoderUNet by itself; this script is for
every other net, and for trainers that build a net of their own. It writes fold_N/model.onnx (opset 13, input `input`
[n, channels, patch], output `logits` [n, classes, patch]), inference.json, and copies of plans.json and dataset.json.
Each fold is run once by PyTorch and once by ONNX Runtime, where that is installed, and refused when they disagree.
"""
import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

OPSET = 13


class FullResolution(torch.nn.Module):
    """A net that answers with several resolutions answers with the first, which is the full one."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        y = self.net(x)
        return y[0] if isinstance(y, (list, tuple)) else y


def export_module(net, channels, patch, path):
    """Writes an evaluated module as ONNX. patch: sizes, slowest axis first. Returns the answer to a fixed random patch and that patch."""
    module = FullResolution(net).eval().float().cpu()
    example = torch.randn([1, channels, *patch], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = module(example)
        torch.onnx.export(module, example, str(path), opset_version=OPSET, input_names=["input"], output_names=["logits"],
                          dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}}, do_constant_folding=True)
    return example, logits


def check_with_runtime(path, example, logits, tolerance=1e-3):
    """Largest difference between ONNX Runtime and PyTorch, or None where the runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    difference = float(abs(session.run(["logits"], {"input": example.numpy()})[0] - logits.numpy()).max())
    if not difference <= tolerance * max(1.0, float(logits.abs().max())):
        raise SystemExit(f"{path}: ONNX Runtime and PyTorch differ by {difference}")
    return difference


def write_inference(path, configuration, axes, trainer):
    axes = None if axes is None else [int(a) for a in axes]
    path.write_text(json.dumps({"configuration": configuration, "inference_allowed_mirroring_axes": axes, "trainer": trainer}) + "\n")


def folds_of(folder, wanted, checkpoint):
    """Names as nnU-Net takes them: those asked for, else every fold_* but fold_all that has the checkpoint."""
    if wanted:
        return [str(f) for f in wanted]
    there = sorted(p.parent.name[len("fold_"):] for p in folder.glob(f"fold_*/{checkpoint}"))
    return [f for f in there if f != "all"]


def load_fold(folder, fold, checkpoint):
    """The trained net of one fold, built by nnU-Net itself. Returns net, channels, patch, configuration, axes, trainer."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), use_mirroring=False)
    predictor.initialize_from_trained_model_folder(str(folder), use_folds=(fold if fold == "all" else int(fold),), checkpoint_name=checkpoint)
    net = predictor.network
    net = getattr(net, "_orig_mod", net)
    net.load_state_dict(predictor.list_of_parameters[0])
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels

    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    channels = determine_num_input_channels(plans, configuration, predictor.dataset_json)
    saved = torch.load(folder / f"fold_{fold}" / checkpoint, map_location="cpu", **({"weights_only": False} if torch.__version__ >= "2.4" else {}))
    return (net, channels, configuration.patch_size, saved["init_args"]["configuration"],
            saved.get("inference_allowed_mirroring_axes"), saved["trainer_name"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_folder", type=Path)
    parser.add_argument("--out", type=Path, help="default: into the model folder itself")
    parser.add_argument("--folds", nargs="*", help="numbers, or all")
    parser.add_argument("--checkpoint", default="checkpoint_final.pth")
    arguments = parser.parse_args()
    folder, out = arguments.model_folder, arguments.out or arguments.model_folder
    folds = folds_of(folder, arguments.folds, arguments.checkpoint)
    if not folds:
        sys.exit(f"{folder}: no fold has {arguments.checkpoint}")
    for n, fold in enumerate(folds):
        net, channels, patch, configuration, axes, trainer = load_fold(folder, fold, arguments.checkpoint)
        path = out / f"fold_{fold}" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        difference = check_with_runtime(path, *export_module(net, channels, patch, path))
        print(path, "not compared: onnxruntime is not installed" if difference is None else f"differs by {difference:.2g}")
        if n == 0:  # as nnU-Net: the first fold speaks for all
            write_inference(out / "inference.json", configuration, axes, trainer)
    for name in ("plans.json", "dataset.json"):
        if out != folder:
            shutil.copy(folder / name, out / name)


if __name__ == "__main__":
    main()
