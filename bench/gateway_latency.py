#!/usr/bin/python3
"""Last image in to result at the destination, for films, while a hospital's mixture of studies comes in.

    bench/gateway_latency.py [--minutes 10] [--per-hour 400,1600] [--ct-share 0.15] [--slices 200] [--json]

The clock of a film starts when its C-STORE is acknowledged and ends when the destination (an SCP of this script, which keeps
nothing) has its first and its last result object; both are given. CT series are load: no cog looks at them. Arrivals are a
Poisson process drawn from --seed. Sender, gateway, cogs and destination share the machine's cores.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "app" / "gateway"))
sys.dont_write_bytecode = True

import samples  # noqa: E402
from gateway import LOOPBACK, Gateway, wait_for, work_folder  # noqa: E402
from raw_dimse import EXPLICIT, Association, Receiver  # noqa: E402

SENDERS = 4


class Templates:
    """Objects whose UIDs are replaced by others of the same length: making one costs a copy."""

    def __init__(self, folder, slices, film_pixels):
        self.films = [samples.film(folder, f"template-{i}", seed=i, pixels=film_pixels) for i in range(4)]
        self.slices = samples.ct_series(folder / "ct", "template-ct", slices, pixels=512)

    def study(self, name, ct):
        """(study UID, [(SOP class, SOP instance, dataset)])."""
        sources = self.slices if ct else [self.films[zlib.crc32(name.encode()) % len(self.films)]]
        study, series = samples.uid(name, "study"), samples.uid(name, "series")
        objects = []
        for source in sources:
            instance = samples.uid(name, source.instance)
            data = samples.dataset_bytes(source.bytes)
            head = data[:4096]
            for old, new in ((source.study, study), (source.series, series), (source.instance, instance)):
                head = head.replace(old.encode(), new.encode())
            objects.append((source.sop_class, instance, head + data[4096:]))
        return study, objects


def quantiles(values):
    if not values:
        return {"n": 0}
    ordered = sorted(values)
    return {"n": len(ordered), **{f"p{q}": round(ordered[min(len(ordered) - 1, q * len(ordered) // 100)], 3) for q in (50, 95, 99)},
            "max": round(ordered[-1], 3)}


class Load:
    def __init__(self, gateway, templates, per_hour, minutes, ct_share, seed):
        self.gateway, self.templates = gateway, templates
        draw = random.Random(seed)
        self.plan, due = [], 0.0
        while due < minutes * 60:
            self.plan.append((due, draw.random() < ct_share, f"{per_hour}-{seed}-{len(self.plan)}-{time.time_ns()}"))
            due += draw.expovariate(per_hour / 3600)
        self.next, self.lock = 0, threading.Lock()
        self.film_in, self.late, self.ct_seconds, self.errors = {}, [], [], []

    def run(self):
        self.started = time.monotonic()
        threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self):
        while True:
            with self.lock:
                if self.next >= len(self.plan) or self.errors:
                    return
                due, ct, name = self.plan[self.next]
                self.next += 1
            time.sleep(max(0.0, self.started + due - time.monotonic()))
            try:
                self._study(due, ct, name)
            except Exception as error:  # noqa: BLE001 - said by the main thread
                self.errors.append(f"{name}: {error!r}")

    def _study(self, due, ct, name):
        begun = time.monotonic()
        study, objects = self.templates.study(name, ct)
        with Association(self.gateway.dimse_port, [(samples.CT, EXPLICIT), (samples.CR, EXPLICIT)]) as association:
            for sop_class, instance, data in objects:
                status = association.store(sop_class, instance, data)
                if status != 0:
                    raise AssertionError(f"C-STORE answered {status:04X}")
            acknowledged = time.monotonic()
        with self.lock:
            self.late.append(max(0.0, begun - self.started - due))
            if ct:
                self.ct_seconds.append(acknowledged - begun)
            else:
                self.film_in[study] = acknowledged


def measure(per_hour, arguments, folder):
    receiver = Receiver()
    receiver.start()
    gateway = Gateway(folder / f"rouage-{per_hour}", {
        "destination": [{"name": "dest", "kind": "dicom", "host": LOOPBACK, "port": receiver.port, "ae": "DEST",
                         "policy": "at_once"}],
        "route": {"workers": arguments.workers}, "log": {"level": "warning"}})
    templates = Templates(folder / f"templates-{per_hour}", arguments.slices, arguments.film_pixels)
    try:
        gateway.start()
        load = Load(gateway, templates, per_hour, arguments.minutes, arguments.ct_share, arguments.seed)
        load.run()
        if load.errors:
            raise SystemExit(load.errors[0])

        def results():
            times = collections.defaultdict(list)
            for when, study, _ in list(receiver.arrived):
                times[study].append(when)
            return times
        wait_for(lambda: set(load.film_in) <= set(results()), 120, "a result of every film", every_s=0.5)
        wait_for(lambda: not gateway.deliveries("due") and not gateway.deliveries("sending"), 60, "quiet queues", every_s=0.5)
        times = results()
        items = [item for item in gateway.items(state="done")]
        return {"studies_per_hour": per_hour, "films": len(load.film_in), "ct": len(load.ct_seconds),
                "first_result_s": quantiles([min(times[s]) - t for s, t in load.film_in.items()]),
                "all_results_s": quantiles([max(times[s]) - t for s, t in load.film_in.items()]),
                "ct_receive_s": quantiles(load.ct_seconds), "begun_late_s": quantiles(load.late), "items_done": len(items)}
    finally:
        gateway.stop()
        receiver.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--per-hour", default="400,1600")
    parser.add_argument("--ct-share", type=float, default=0.15)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--film-pixels", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = work_folder("bench-latency")
    rows = [measure(int(rate), arguments, folder) for rate in arguments.per_hour.split(",")]
    if arguments.json:
        print(json.dumps({"cores": os.cpu_count(), "minutes": arguments.minutes, "rows": rows}))
    else:
        for row in rows:
            print(json.dumps(row))


if __name__ == "__main__":
    main()
