"""Writes the model package: model.onnx, guided.onnx, weights.bin, golden.json, calibration.png, model.yaml, README.md.

    python3 export.py --nets build/train/fold?.pt --figures build/train/figures --folder models/rouage-chest --version 1.0.0

Everything is made and checked in a temporary folder beside the target, then renamed file by file (model.yaml last).
"""
import argparse
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from card import card_text
from check_guided import check
from data import AGE_OFFSET, AGE_SCALE, FINDINGS
from ensemble import load_ensemble
from onnx_graphs import write

LIMIT_BYTES = 30 * 2 ** 20
HEADER = """format: rouage-model/1
name: rouage-chest
version: {version}
maker: Rouage
licence: "code and weights: the licence of this repository; training data: NIH Clinical Center ChestX-ray14 (Wang et al., CVPR 2017), free use with citation; Kermany et al. 2018 (CC BY 4.0), pretraining only"
intended_use: "Decision support and research on frontal chest radiographs of adults: findings, a remarkable/unremarkable score, projection, sex and age estimates. Preliminary; each result is to be reviewed by a physician. Not for children, lateral films or triage without review."
cog: chest
engine: onnx
eligibility: {{modality: [CR, DX, SC, OT], body_part: CHEST, view: [PA, AP], minimum_age_a: 18}}
input: {{name: image, size: {size}, axes: NCYX, resize: squeeze_area, normalisation: film_standardise, clip: 4.0}}
graph: {{file: model.onnx, features: features, logits: logits, head_weight: head_weight, head_bias: head_bias}}
guided: {{file: guided.onnx, image: image, target: target, gradient: guided_gradient}}
outputs:
"""


def number(v) -> str:
    return "null" if v is None else (f"{v:.6g}" if isinstance(v, float) else str(v))


def model_yaml(figures: dict, version: str, hashes: dict) -> str:
    lines = [HEADER.format(version=version, size=figures["size"]).rstrip("\n")]
    kinds = {"remarkable": "score", "view_ap": "view", "sex_male": "sex"}
    for i, label in enumerate(figures["outputs"]):
        if label == "estimated_age":
            scale, offset = figures["calibration"][label]
            lines.append(f'  - {{index: {i}, label: {label}, kind: age, unit: a, scale: {number(scale)}, offset: {number(offset)}, '
                         f'uncertainty_sd: {number(round(figures["age"]["sd_calibration"], 2))}, set_on: "{figures["age"]["set_on"]}"}}')
            continue
        a, b = figures["calibration"][label]
        points = ", ".join(f'{{name: {p["name"]}, threshold: {number(p["threshold"])}, sensitivity: {number(round(p["sensitivity"], 4))}, '
                           f'specificity: {number(round(p["specificity"], 4))}, positives: {p["positives"]}, negatives: {p["negatives"]}, set_on: "{p["set_on"]}"}}'
                           for p in figures["operating_points"][label])
        lines.append(f'  - {{index: {i}, label: {label}, kind: {kinds.get(label, "finding")}, calibration: {{method: platt, a: {number(a)}, b: {number(b)}, '
                     f'set_on: "{figures["set_on"][label]}"}}, operating_points: [{points}]}}')
    lines.append("performance:")
    for r in figures["performance"]:
        lines.append("  - {" + ", ".join(f'{k}: {number(r[k])}' for k in ("figure", "label")) + f', stratum: "{r["stratum"]}", ' +
                     ", ".join(f'{k}: {number(r[k])}' for k in ("value", "lower", "upper", "n", "positives")) + f', data: "{r["data"]}"}}')
    lines += ["files:"] + [f"  {name}: {digest}" for name, digest in hashes.items()]
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--nets", type=Path, nargs="+", required=True)
    p.add_argument("--figures", type=Path, required=True)
    p.add_argument("--folder", type=Path, required=True)
    p.add_argument("--version", required=True)
    p.add_argument("--plan", type=Path, help="JSON with what was run and how long it took, quoted by the card")
    a = p.parse_args()
    figures = json.loads((a.figures / "figures.json").read_text())
    a.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=a.folder.parent))
    try:
        ensemble = load_ensemble(a.nets)
        write(ensemble, figures["size"], work)
        report = check(a.nets, figures["size"], work)
        print({k: f"{v:.1e}" for k, v in report.items()})
        shutil.copy(a.figures / "calibration.png", work)
        hashes = {n: hashlib.sha256((work / n).read_bytes()).hexdigest() for n in ("model.onnx", "guided.onnx", "weights.bin")}
        (work / "model.yaml").write_text(model_yaml(figures, a.version, hashes))
        plan = json.loads(a.plan.read_text()) if a.plan else {}
        (work / "README.md").write_text(card_text(figures, a.version, report, ensemble, plan, sum(f.stat().st_size for f in work.iterdir())))
        total = sum(f.stat().st_size for f in work.iterdir())
        if total > LIMIT_BYTES:
            raise SystemExit(f"the package has {total} bytes, more than {LIMIT_BYTES}")
        for name in ("weights.bin", "guided.onnx", "model.onnx", "golden.json", "calibration.png", "README.md", "model.yaml"):
            os.chmod(work / name, 0o644)
            os.replace(work / name, a.folder / name)
        print(f"{a.folder}: {total / 2 ** 20:.1f} MiB")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
