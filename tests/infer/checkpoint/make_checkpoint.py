"""Real torch checkpoints in nnU-Net's form, with an input and the answer of the same module.

make_checkpoint.py CASES.json OUT: for each case OUT/NAME/plans.json, dataset.json, fold_N/checkpoint_final.pth, input.npy,
fold_N.npy (logits). A case says which net (torch_unets.UNet), how it is saved, and how the plans are written."""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from torch_unets import UNet, randomise  # noqa: E402


def architecture(net):
    d = net["d"]
    arguments = {"n_stages": len(net["features"]), "features_per_stage": net["features"], "conv_op": f"torch.nn.modules.conv.Conv{d}d",
                 "kernel_sizes": net["kernels"], "strides": net["strides"],
                 "n_blocks_per_stage" if net.get("residual") else "n_conv_per_stage": net["blocks"],
                 "n_conv_per_stage_decoder": net["decoder"], "conv_bias": net["bias"],
                 "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{d}d",
                 "norm_op_kwargs": {"eps": net.get("eps", 1e-5), "affine": net.get("affine", True)},
                 "dropout_op": None, "dropout_op_kwargs": None,
                 "nonlin": "torch.nn.ReLU" if net.get("relu") else "torch.nn.LeakyReLU",
                 "nonlin_kwargs": {"inplace": True, **({"negative_slope": net["slope"]} if "slope" in net else {})}}
    name = "ResidualEncoderUNet" if net.get("residual") else "PlainConvUNet"
    return {"network_class_name": "dynamic_network_architectures.architectures.unet." + name, "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def old_style(net):
    return {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": net["features"][0], "unet_max_num_features": max(net["features"]),
            "n_conv_per_stage_encoder": net["blocks"], "n_conv_per_stage_decoder": net["decoder"],
            "conv_kernel_sizes": net["kernels"], "pool_op_kernel_sizes": net["strides"]}


def state_of(module, case):
    state = OrderedDict((case.get("prefix", "") + k, v) for k, v in module.state_dict().items())
    if case.get("single_names"):
        state = OrderedDict((k, v) for k, v in state.items() if ".all_modules." not in k and "decoder.encoder." not in k)
    if "dtype" in case:
        state = OrderedDict((k, v.to(getattr(torch, case["dtype"]))) for k, v in state.items())
    if case.get("strided"):  # every second element of a larger storage, axes stored in reverse
        for k, v in list(state.items()):
            wide = torch.full([*reversed(v.shape)][:-1] + [2 * v.shape[0]] if v.dim() else [2], 7.0)
            view = wide.permute(*reversed(range(wide.dim())))[::2]
            view.copy_(v)
            state[k] = view
    if case.get("shared"):  # all weights are views of one storage, with an offset
        flat = torch.cat([torch.zeros(3)] + [v.reshape(-1) for v in state.values()])
        at = 3
        for k, v in list(state.items()):
            state[k] = flat[at:at + v.numel()].view(v.shape)
            at += v.numel()
    for k in case.get("drop", []):
        del state[k]
    for k, shape in case.get("add", {}).items():
        state[k] = torch.zeros(shape)
    for k in case.get("alter", []):
        state[k] = state[k].clone() + 1
    for k in case.get("spoil", []):
        state[k] = state[k].clone()
        state[k].view(-1)[0] = float("nan")
    return state


def checkpoint(module, case, plans, dataset):
    optimizer = torch.optim.SGD(module.parameters(), 1e-2, momentum=0.99, nesterov=True)
    sum(p.sum() for p in module.parameters()).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    held = {"network_weights": state_of(module, case), "optimizer_state": optimizer.state_dict(),
            "grad_scaler_state": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 7},
            "logging": {"mean_fg_dice": [np.float64(0.5), 0.75], "ema_fg_dice": [0.1] * 1000, "dice_per_class_or_region": [[np.float32(0.5)], np.zeros(3)],
                        "epoch_start_timestamps": [1.7e9, 1.8e9]},
            "_best_ema": np.float64(0.875), "current_epoch": np.int64(1000),
            "init_args": {"plans": plans, "configuration": case["configuration"], "fold": 0, "dataset_json": dataset,
                          "unpack_dataset": True, "device": torch.device("cuda")},
            "trainer_name": case.get("trainer", "nnUNetTrainer")}
    if case.get("mirroring", "absent") != "absent":
        axes = case["mirroring"]
        held["inference_allowed_mirroring_axes"] = None if axes is None else tuple(np.int64(a) if case.get("numpy_axes") else a for a in axes)
    return held


def make(case, out):
    net = case["net"]
    own = {"patch_size": case["patch"], "spacing": [1.0] * net["d"], **(old_style(net) if case.get("old") else {"architecture": architecture(net)}),
           **case.get("configuration_keys", {})}
    plans = case.get("plans") or {"dataset_name": "Dataset999_Test", "transpose_forward": [0, 1, 2], "configurations": {case["configuration"]: own}}
    dataset = case.get("dataset") or {"channel_names": {str(i): f"c{i}" for i in range(net["channels"])}, "file_ending": ".nii.gz",
                                      "labels": {"background": 0, **{f"organ{i}": i for i in range(1, net["classes"])}}}
    out.mkdir(parents=True, exist_ok=True)
    if not case.get("plans_inside_only"):
        (out / "plans.json").write_text(json.dumps(plans))
        (out / "dataset.json").write_text(json.dumps(dataset))
    x = torch.randn([1, net["channels"], *case["patch"]], generator=torch.Generator().manual_seed(5))
    np.save(out / "input.npy", x.numpy())
    for fold in case.get("folds", [0]):
        module = randomise(UNet(net), 100 if fold == "all" else 100 + fold)
        held = checkpoint(module, case, plans, dataset)  # its optimiser takes a step, so the reference comes after
        if "dtype" in case:
            module = module.to(getattr(torch, case["dtype"])).float()
        with torch.no_grad():
            np.save(out / f"fold_{fold}.npy", module(x).numpy())
        (out / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(held, out / f"fold_{fold}" / case.get("file", "checkpoint_final.pth"), pickle_protocol=case.get("protocol", 2),
                   _use_new_zipfile_serialization=not case.get("legacy"))


if __name__ == "__main__":
    for one in json.loads(Path(sys.argv[1]).read_text()):
        make(one, Path(sys.argv[2]) / one["name"])
