#!/usr/bin/python3
"""Durable receive including the index, beside `storescp --fork` (which neither syncs nor indexes) and Orthanc.

    bench/gateway_receive.py [--rounds 5] [--images 500] [--associations 1,4,8] [--flushing] [--json]

Interleaved rounds in one run: in each round every receiver takes the same 525 KB CT slices once with each number of
associations, into a fresh folder, from DCMTK's storescu (one process an association), all with TCP_NODELAY=1. A receiver is measured when
the machine has come to rest after its start (Rouage's worker loads its models then, Orthanc its plugins). Medians, all
values beside them. What counts is images a second from the first sender's start to the last one's end. Every run checks
that all images were acknowledged, and Rouage's that they are in its index. --flushing adds the same storescp made to
flush each file (fsync before fclose, by a preloaded library): what durability alone costs on this disk.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "app" / "gateway"))
sys.dont_write_bytecode = True

import peers  # noqa: E402
import samples  # noqa: E402
from gateway import LOOPBACK, Gateway, work_folder  # noqa: E402


class Rouage:
    def __init__(self, folder):
        folder.mkdir(parents=True)
        (folder / "rules.toml").write_text('[[rule]]\nname = "none"\ncog = "chest"\nwhen.manufacturer = "nobody"\n')
        self.gateway = Gateway(folder, {"route": {"rules": str(folder / "rules.toml")}, "log": {"level": "warning"}})
        self.gateway.start()
        self.port = self.gateway.dimse_port

    def received(self):
        return self.gateway.json("/api/status")["store"]["instances"]

    def stop(self):
        self.gateway.stop()


class StoreScp:
    def __init__(self, folder):
        self.scp = peers.StoreScp(folder, "ROUAGE", options=()).start()
        self.port = self.scp.port

    def received(self):
        return len(self.scp.files())

    def stop(self):
        self.scp.stop()


class FlushingStoreScp(StoreScp):
    LIBRARY = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int fclose(FILE* file) {
  int (*next)(FILE*) = (int (*)(FILE*))dlsym(RTLD_NEXT, "fclose");
  if ((fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY && (fflush(file) != 0 || fsync(fileno(file)) != 0)) _exit(9);
  return next(file);
}
"""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        library = folder.parent / "flushing.so"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=self.LIBRARY, text=True, check=True)
        os.environ["LD_PRELOAD"] = str(library)
        try:
            super().__init__(folder / "received")
        finally:
            del os.environ["LD_PRELOAD"]


class Orthanc:
    def __init__(self, folder):
        self.orthanc = peers.Orthanc(folder).start(1)
        self.port = self.orthanc.dicom_port

    def received(self):
        return self.orthanc.get("/statistics")["CountInstances"]

    def stop(self):
        self.orthanc.stop()


RECEIVERS = {"rouage": Rouage, "storescp --fork": StoreScp, "orthanc": Orthanc}


def send(port, groups):
    """Seconds until the last of the senders has ended."""
    started = time.monotonic()
    senders = [subprocess.Popen(["storescu", "-aec", "ROUAGE", LOOPBACK, str(port), *map(str, group)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for group in groups]
    for sender in senders:
        error = sender.communicate(timeout=300)[1]
        if sender.returncode != 0:
            raise SystemExit(f"storescu ended with {sender.returncode}: {error.decode(errors='replace')[:500]}")
    return time.monotonic() - started


def busy_ticks():
    """(busy, all) of all cores since the machine's start."""
    numbers = [int(n) for n in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4], sum(numbers)


def rest(most_s=20):
    """Until the machine was idle for half a second (at most 5 % busy), or most_s have passed."""
    ends = time.monotonic() + most_s
    while time.monotonic() < ends:
        before = busy_ticks()
        time.sleep(0.5)
        after = busy_ticks()
        if after[0] - before[0] <= 0.05 * (after[1] - before[1]):
            return


def measure(kind, folder, files, associations):
    receiver = RECEIVERS[kind](folder)
    try:
        os.sync()
        rest()
        seconds = send(receiver.port, [files[i::associations] for i in range(associations)])
        if receiver.received() != len(files):
            raise SystemExit(f"{kind} has {receiver.received()} of {len(files)} images")
        return len(files) / seconds
    finally:
        receiver.stop()
        shutil.rmtree(folder, ignore_errors=True)


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--associations", default="1,4,8")
    parser.add_argument("--flushing", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts = [int(n) for n in arguments.associations.split(",")]
    if arguments.flushing:
        RECEIVERS["storescp flushing"] = FlushingStoreScp
    kinds = [k for k in RECEIVERS if k != "orthanc" or peers.orthanc_installed()]
    folder = work_folder("bench-receive")
    files = [s.path for s in samples.ct_series(folder / "ct", "bench", arguments.images, pixels=512)]
    rates = {}
    for round_ in range(arguments.rounds):
        for count in counts:
            for kind in kinds[round_ % len(kinds):] + kinds[:round_ % len(kinds)]:  # nobody is always first
                rate = measure(kind, folder / "run", files, count)
                rates.setdefault((kind, count), []).append(rate)
                print(f"round {round_ + 1}, {count} associations, {kind}: {rate:.0f} images/s", file=sys.stderr, flush=True)
    rows = []
    for count in counts:
        row = {"associations": count}
        for kind in kinds:
            row[kind] = round(median(rates[kind, count]), 1)
            row[kind + " all"] = [round(v, 1) for v in rates[kind, count]]
        row["of storescp"] = round(row["rouage"] / row["storescp --fork"], 2)
        if "orthanc" in kinds:
            row["of orthanc"] = round(row["rouage"] / row["orthanc"], 2)
        rows.append(row)
    if arguments.json:
        print(json.dumps({"cores": os.cpu_count(), "images": arguments.images, "rounds": arguments.rounds, "rows": rows}))
    else:
        for row in rows:
            print(row)


if __name__ == "__main__":
    main()
