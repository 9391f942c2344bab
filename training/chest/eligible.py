"""Which of the NIH films the eligibility check lets through: `rouage analyze` on all of them -> CSV file,eligible,reasons.

    python3 eligible.py --rouage build/release/rouage --out build/train/eligible.csv
"""
import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

from data import CXR, NIH, read_manifest


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rouage", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    wanted = {str(CXR / r["file"]): r["file"] for r in read_manifest() if r["from"] in NIH}
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([a.rouage, "analyze", *sorted(wanted), "--as-film", "--table", CXR / "manifest.csv", "--no-pictures", "--json", "--out", folder],
                             stdout=subprocess.PIPE, text=True)
    if run.returncode not in (0, 1):
        raise SystemExit(f"rouage analyze ended with {run.returncode}")
    rows = {}
    for line in run.stdout.splitlines():
        document = json.loads(line)
        if document["input"] in wanted:
            rows[wanted[document["input"]]] = [document["status"] == "done", "|".join(r["code"] for r in document["reasons"])]
    if len(rows) != len(wanted):
        raise SystemExit(f"{len(rows)} answers for {len(wanted)} films")
    with open(a.out, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["file", "eligible", "reasons"])
        w.writerows([name, int(ok), reasons] for name, (ok, reasons) in sorted(rows.items()))
    print(f"{sum(ok for ok, _ in rows.values())} of {len(rows)} films eligible")


if __name__ == "__main__":
    main()
