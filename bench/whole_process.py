#!/usr/bin/env python3
"""Whole-process figures of `rouage analyze` on synthetic films: cold start, peak memory, scaling with cores, flatness over
many films; each compressed syntax beside the uncompressed one. Needs DCMTK's tools and a built build/release/rouage.

    bench/whole_process.py [--films 200]
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUAGE = ROOT / "build" / "release" / "rouage"


def run(*arguments):
    """Seconds, and the largest resident set of the program or a child of its (KiB)."""
    started = time.perf_counter()
    process = subprocess.run(["/usr/bin/time", "-f", "%M", str(ROUAGE), *map(str, arguments)], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(process.stderr)
    return seconds, int(process.stderr.strip().splitlines()[-1])


def median(values):
    return sorted(values)[len(values) // 2]


def cold_start(folder, film):
    seconds, peaks = [], []
    for i in range(5):
        s, peak = run("analyze", film, "--out", folder / f"cold{i}")
        seconds.append(s)
        peaks.append(peak)
    return {"cold_start_s": round(median(seconds), 3), "peak_mib": round(max(peaks) / 1024, 1)}


def many(folder, film, count):
    films = folder / "many"
    films.mkdir()
    data = film.read_bytes()
    for i in range(count):
        (films / f"{i:05}.dcm").write_bytes(data)
    rows = []
    for jobs in sorted({1, os.cpu_count() or 1}):
        seconds, peak = run("analyze", films, "--jobs", jobs, "--threads", 1, "--out", folder / f"many{jobs}")
        rows.append({"films": count, "jobs": jobs, "films_per_s": round(count / seconds, 2), "peak_mib": round(peak / 1024, 1)})
    return rows


def syntaxes(folder, film):
    made = {"uncompressed": film}
    for name, command in {"deflated": ["dcmconv", "+td"], "rle": ["dcmcrle"], "jpeg_lossless": ["dcmcjpeg", "+e1"],
                          "jpeg_ls": ["dcmcjpls"], "jpeg_2000": ["gdcmconv", "--j2k"]}.items():
        if shutil.which(command[0]):
            target = folder / f"{name}.dcm"
            if subprocess.run([*command, str(film), str(target)], capture_output=True).returncode == 0:
                made[name] = target
    rows = {}
    for round_ in range(3):  # interleaved, so that noise hits all alike
        for name, path in made.items():
            s, _ = run("analyze", path, "--no-pictures", "--out", folder / f"s-{name}-{round_}")
            rows.setdefault(name, []).append(s)
    base = median(rows["uncompressed"])
    return {name: {"s": round(median(v), 3), "ratio": round(median(v) / base, 2)} for name, v in rows.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=200)
    films = parser.parse_args().films
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        small, large = folder / "film1024.dcm", folder / "film3000.dcm"
        run("phantom", "film", "--out", small, "--noise", 2, "--effusion", "left")
        run("phantom", "film", "--out", large, "--noise", 2, "--columns", 2500, "--rows", 3000)
        report = {"machine": os.uname().machine, "cores": os.cpu_count(), "film_1024": cold_start(folder, small),
                  "film_2500x3000": cold_start(folder / "l", large) if (folder / "l").mkdir() is None else None,
                  "syntaxes_1024": syntaxes(folder, small), "many": many(folder, small, films)}
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
