"""Write model.yaml and the card README.md from WORK/figures.json and the exported model: package.py --out DIR --version 1.0.0."""
import argparse
import hashlib
import json
from pathlib import Path

from export import write
from films import FOLDS, WORK
from made_cases import UNCERTAIN
from net import LABELS, SIZE
from sharpness import LONGEST_PX, MINIMUM_MATRIX_PX, STEPS

LICENCE = ("code and weights: the licence of this repository; training data: NIH Clinical Center ChestX-ray14 (Wang et al., CVPR 2017), "
           "free use with citation; Kermany et al. 2018 (CC BY 4.0); TotalSegmentator example CT and MR (Apache-2.0)")
USE = ("Decides from the pixels whether a picture is an adult's frontal chest film that the chest cog may read: upright, not mirrored, "
       "whole thorax, one film, right polarity, sharp. A refusal says why. It finds no disease and does not replace the header's age, "
       "view and laterality.")
ASPECT = {"minimum": 0.55, "maximum": 1.8}
TITLES = {"nih_adult": "NIH adults, 512 px", "nih_adult_PA": "of these PA", "nih_adult_AP": "of these AP", "nih64": "NIH adults, 64 px",
          "nih_minor": "NIH under 18 years, 512 px (not adults: no claim)", "nih_1024": "NIH at 1024 px, patients unseen",
          "nih_1024_seen": "NIH at 1024 px, patients seen in training", "jsrt": "JSRT", "covid": "COVID films (figures of papers)",
          "actualmed": "Actualmed", "figure1": "Figure 1", "siim_dicom": "SIIM DICOM film (NIH)"}


def number(v: float) -> str:
    return f"{v:.6g}"


def stated(f: dict) -> str:
    return f"NIH, Kermany and painted pictures of the patients of fold {f['fold']} of {FOLDS} (sha256), unseen in training"


def yaml_text(f: dict, digest: str, version: str, provisional: bool) -> str:
    on = stated(f)
    rows = []
    for i, k in enumerate(LABELS):
        case = [c for c in f["cases"] if c["reason"] == k and c["set"] in ("nih", "kermany", "painted") and c["case"] not in UNCERTAIN]
        n = sum(c["n"] for c in case)
        sensitivity = sum(c["named"] * c["n"] for c in case) / n
        good = sum(r["n"] for r in f["false_refusals"] if r["stratum"] in ("nih_adult", "nih64"))
        a, b = f["fit"]["platt"][k]
        rows.append(f"  - {{index: {i}, label: {k}, kind: refusal, calibration: {{method: platt, a: {number(a)}, b: {number(b)}, set_on: \"{on}\"}}, "
                    f"operating_points: [{{name: refuse, threshold: {f['probability_cut'][k]:.7g}, sensitivity: {sensitivity:.4f}, "
                    f"specificity: {f['specificity'][k]:.4f}, positives: {n}, negatives: {good}, set_on: \"{on}; figures cross-fitted\"}}]}}")
    blurs = [c for c in f["cases"] if c["reason"] == "blurred"]
    n = sum(c["n"] for c in blurs)
    good = next(r for r in f["false_refusals"] if r["stratum"] == "nih_adult")
    sharp_false = good["reasons"].get("blurred", 0) / good["n"]
    performance = [f"  - {{figure: false_refusal_rate, stratum: {r['stratum']}, value: {r['value']:.4f}, lower: {r['lower']:.4f}, "
                   f"upper: {r['upper']:.4f}, n: {r['n']}, data: \"{r['patients']} patients unseen in training\"}}"
                   for r in f["false_refusals"] if r["stratum"] not in ("nih_1024_seen",)]
    performance += [f"  - {{figure: sensitivity, stratum: \"{c['set']} {c['case']}\", value: {c['value']:.4f}, lower: {c['lower']:.4f}, "
                    f"upper: {c['upper']:.4f}, n: {c['n']}, data: \"refused for any reason; named {c['reason']}: {c['named']:.4f}\"}}"
                    for c in f["cases"]]
    return "\n".join([
        "format: rouage-model/1", "name: rouage-chest-gate", f"version: {version}", "maker: Rouage", f'licence: "{LICENCE}"',
        f'intended_use: "{"PROVISIONAL, figures not final. " if provisional else ""}{USE}"', "cog: chest", "engine: onnx",
        "eligibility: {modality: [CR, DX, SC, OT], body_part: CHEST, view: [PA, AP], minimum_age_a: 18}",
        f"input: {{name: image, size: {SIZE}, axes: NCYX, resize: squeeze_area, normalisation: film_standardise, clip: 4.0}}",
        "graph: {file: model.onnx, logits: logits}", "outputs:", *rows,
        f"sharpness: {{size: {LONGEST_PX}, threshold: {f['fit']['sharpness']:.5f}, refuse: below, formula: \"{STEPS}\", "
        f"sensitivity: {sum(c['named'] * c['n'] for c in blurs) / n:.4f}, specificity: {1 - sharp_false:.4f}, positives: {n}, "
        f"negatives: {good['n']}, minimum_matrix_px: {MINIMUM_MATRIX_PX}, below_minimum: \"warn low_resolution\", "
        "set_on: \"NIH adult films of unseen patients against Gaussian blur of 1 to 2.5 % and motion of 3 and 5 % of the width\"}",
        f"aspect: {{minimum: {ASPECT['minimum']}, maximum: {ASPECT['maximum']}, meaning: \"columns / rows; outside: refuse as not_chest\"}}",
        "performance:", *performance, f"files: {{model.onnx: {digest}}}", ""])


def table(head, rows) -> str:
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(map(str, r)) + " |" for r in rows])


def percent(v) -> str:
    return f"{100 * v:.1f}"


def interval(r) -> str:
    return f"{percent(r['value'])} ({percent(r['lower'])}-{percent(r['upper'])})"


def card(f: dict, digest: str, version: str, notes: dict) -> str:
    reasons = list(LABELS) + ["blurred"]
    good = table(["films", "films, patients", "refused %", "by reason (films)"],
                 [[TITLES[r["stratum"]], f"{r['n']}, {r['patients']}", interval(r),
                   ", ".join(f"{k} {n}" for k, n in sorted(r["reasons"].items(), key=lambda kv: -kv[1])) or "-"] for r in f["false_refusals"]])
    made = table(["set", "case", "n", "refused %", "named right %"],
                 [[c["set"], c["case"], c["n"], interval(c), percent(c["named"])] for c in f["cases"]])
    confusion = table(["set: case"] + reasons, [[f"{c['set']}: {c['case']}"] + [f"{100 * v:.0f}" for v in c["speaks"]] for c in f["cases"]])
    cuts = table(["reason", "Platt a", "Platt b", "threshold on probability"],
                 [[k, number(f["fit"]["platt"][k][0]), number(f["fit"]["platt"][k][1]), f"{f['probability_cut'][k]:.4g}"] for k in LABELS])
    refused = "\n".join(f"- {r['file']} ({r['set']} {r['view']}): {', '.join(r['reasons'])}" for r in f["refused_good"]
                        if r["set"] in ("nih", "nih64", "jsrt"))
    s = f["sharpness"]
    sharp = "; ".join(f"{g} 1 % quantile {v[0]:.2f}, median {v[1]:.2f}" for g, v in s["groups"].items())
    blurs = "; ".join(f"{c} {v:.2f}" for c, v in s["blurs"].items())
    steps = "\n".join(p.strip() for p in STEPS.replace(" 2. ", "\n2. ").replace(" 3. ", "\n3. ").replace(" 4. ", "\n4. ").replace(
        " 5. ", "\n5. ").replace(" 6. ", "\n6. ").replace(" 7. ", "\n7. ").split("\n"))
    accepted = ", ".join(f"`{p}`" for p in f["accepted_samples"]) or "none"
    template = (Path(__file__).parent / "card_template.md").read_text()
    values = dict(version=version, size=SIZE, good=good, made=made, confusion=confusion, cuts=cuts, refused=refused or "- none", sharp=sharp,
                  blurs=blurs, steps=steps, accepted=accepted, sharp_cut=f"{f['fit']['sharpness']:.3f}", digest=digest, on=stated(f),
                  minimum=ASPECT["minimum"], maximum=ASPECT["maximum"], folds=FOLDS, fold=f["fold"], checkpoints=f["checkpoints"],
                  resubstitution=percent(f["resubstitution_false_refusals"]), **notes)
    for k, v in values.items():
        template = template.replace("{{" + k + "}}", str(v))
    return template


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--out", type=Path, required=True)
    a.add_argument("--version", default="1.0.0")
    a.add_argument("--figures", default="figures.json")
    a.add_argument("--provisional", action="store_true")
    a.add_argument("--training", default="", help="one line for the card: epochs, time, machine")
    a = a.parse_args()
    f = json.loads((WORK / a.figures).read_text())
    digest = hashlib.sha256((a.out / "model.onnx").read_bytes()).hexdigest()
    status = "**Provisional: formats are final, figures and weights are not.**" if a.provisional else ""
    write(a.out / "model.yaml", yaml_text(f, digest, a.version, a.provisional).encode())
    write(a.out / "README.md", card(f, digest, a.version, {"status": status, "training": a.training}).encode())


if __name__ == "__main__":
    main()
