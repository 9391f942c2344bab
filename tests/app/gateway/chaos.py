#!/usr/bin/python3
"""Nothing lost: SIGKILL at random moments while four associations send; at the end every promise is checked.

    chaos.py --kills 20 --seed 7        the seed is printed, and gives the same senders, moments and victims again

What happens at each kill is drawn: the whole process tree, the main process alone, a child that computes (SIGSEGV, or held
by SIGSTOP until its deadline), the destination for a while, a disk that is said to be full. Promises:
  1. every acknowledged object is in the store exactly once, byte by byte;
  2. `rouage store verify` finds every byte as the index says it;
  3. every film has exactly one work item done and one set of results, in the store and at the destination;
  4. nothing is at the destination twice under another UID;
  5. every series that was sent whole is judged complete, with the right number of instances.
"""
import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import threading
import time

import pydicom

import peers
import samples
from gateway import Gateway, store_command, test_program, wait_for, work_folder
from raw_dimse import EXPLICIT, Association, Rejected

ACTIONS = ["tree"] * 10 + ["main"] * 4 + ["segfault"] * 2 + ["hold"] + ["dead destination"] * 2 + ["full disk"]
SLICES, SLICE_PIXELS = 24, 96


class Sender(threading.Thread):
    """One modality: series after series, one association each, an object again until it is acknowledged."""

    def __init__(self, number, port, folder, seed, pause_s):
        super().__init__(daemon=True)
        self.number, self.port, self.folder, self.pause_s = number, port, folder, pause_s
        self.random = random.Random(f"{seed}-{number}")
        self.stopping = threading.Event()
        self.acknowledged, self.whole, self.films = {}, [], []
        self.error = None
        self.refusals = self.breaks = 0

    def run(self):
        try:
            count = 0
            while not self.stopping.is_set():
                name = f"{self.number}-{count}"
                if count % 3 == 1:
                    sent = [samples.film(self.folder / name, "film-" + name, seed=1 + self.number)]
                    self.films += sent
                else:
                    sent = samples.ct_series(self.folder / name, "ct-" + name, SLICES, SLICE_PIXELS)
                self.send_whole(sent)
                self.whole.append(sent)
                count += 1
                self.stopping.wait(self.random.uniform(0, 2) * self.pause_s)
        except Exception as error:  # noqa: BLE001 - said by the main thread
            self.error = error

    def send_whole(self, sent):
        """Even when the run ends meanwhile: a series that began is sent to its end."""
        waiting, gives_up = list(sent), time.monotonic() + 120
        while waiting:
            if time.monotonic() > gives_up:
                raise AssertionError(f"sender {self.number} could not send {waiting[0].path} for 120 s")
            try:
                with Association(self.port, [(samples.CT, EXPLICIT), (samples.CR, EXPLICIT)], calling=f"MOD{self.number}",
                                 timeout_s=30) as association:
                    while waiting:
                        sample = waiting[0]
                        status = association.store(sample.sop_class, sample.instance, samples.dataset_bytes(sample.bytes))
                        if status == 0:
                            self.acknowledged[sample.instance] = sample
                            waiting.pop(0)
                        elif status & 0xFF00 == 0xA700:
                            self.refusals += 1
                            time.sleep(0.1)
                        else:
                            raise AssertionError(f"C-STORE answered {status:04X}")
            except (OSError, EOFError, Rejected):
                self.breaks += 1
                time.sleep(self.random.uniform(0.02, 0.2))


class Chaos:
    def __init__(self, kills, seed, longest_s, pause_s, postgresql):
        self.kills, self.seed, self.longest_s = kills, seed, longest_s
        self.random = random.Random(seed)
        self.folder = work_folder("chaos")
        self.archive = peers.StoreScp(self.folder / "archive", "ARCHIVE")
        self.gateway = Gateway(self.folder / "rouage", {
            "destination": [self.archive.destination()], "log": {"level": "warning"},
            "store": {"keep_free_mb": 64, **({"database": "postgresql", "postgresql": postgresql} if postgresql else {})},
            "completeness": {"settle_s": 0.3, "unknown_quiet_s": 8, "least_quiet_s": 8, "broken_quiet_s": 8, "open_quiet_s": 60},
            "route": {"tries": 50, "item_deadline_s": 5, "first_wait_s": 0.1, "longest_wait_s": 0.5}})
        self.senders = [Sender(i, self.gateway.dimse_port, self.folder / "sent", seed, pause_s) for i in range(4)]
        self.done = collections.Counter()

    def run(self):
        self.archive.start()
        self.gateway.start()
        for sender in self.senders:
            sender.start()
        for number in range(self.kills):
            time.sleep(self.random.uniform(0.02, self.longest_s))
            action = self.random.choice(ACTIONS)
            self.done[action] += 1
            self.act(action)
            broken = [s.error for s in self.senders if s.error]
            if broken:
                raise AssertionError(f"after kill {number + 1}: {broken[0]}")
        for sender in self.senders:
            sender.stopping.set()
        for sender in self.senders:
            sender.join(150)
            assert not sender.is_alive() and not sender.error, f"sender {sender.number}: {sender.error}"

    def act(self, action):
        if action in ("tree", "main"):
            self.gateway.kill(main_only=action == "main")
            if self.random.random() < 0.3:  # killed again while it starts
                with contextlib.suppress(AssertionError):
                    self.gateway.start(timeout_s=self.random.uniform(0.01, 0.5))
                self.gateway.kill()
            self.gateway.start()
        elif action in ("segfault", "hold"):
            for pid in self.gateway.children("work --child"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSEGV if action == "segfault" else signal.SIGSTOP)
        elif action == "dead destination":
            self.archive.stop()
            time.sleep(self.random.uniform(0.2, 1))
            self.gateway.kill()
            self.gateway.start()
            self.archive.start()
        else:  # as full as a disk can be said to be
            self.gateway.kill()
            self.gateway.config["store"]["keep_free_mb"] = 100_000_000
            self.gateway.start(path="/health")
            time.sleep(self.random.uniform(1, 2))
            self.gateway.kill()
            self.gateway.config["store"]["keep_free_mb"] = 64
            self.gateway.start()

    def check(self):
        acknowledged = {u: s for sender in self.senders for u, s in sender.acknowledged.items()}
        films = [film for sender in self.senders for film in sender.films]
        series = [sent for sender in self.senders for sent in sender.whole]
        self.check_results(films)
        self.check_complete(series)
        self.check_objects(acknowledged, series)
        self.check_destination(films)
        code = self.gateway.stop()
        assert code == 0, f"rouage serve ended with {code}"
        code, output = store_command(self.gateway, "verify", "--config", self.gateway.folder / "rouage.toml")
        assert code == 0, f"store verify: {code}\n{output}"
        return len(acknowledged), len(films), len(series)

    def check_results(self, films):
        for film in films:
            items = self.gateway.wait_for_items(film.study, timeout_s=90)
            assert len(items) == 1, f"{len(items)} work items of {film.path}: {items}"
        wait_for(lambda: not self.undelivered(), 60, lambda: f"deliveries: {self.undelivered()[:3]}")

    def undelivered(self):
        return [d for state in ("due", "sending", "waiting_release", "waiting_commitment")
                for d in self.gateway.deliveries(state)]

    def check_complete(self, series):
        for sent in series:
            def state(sent=sent):
                return next((s for s in self.gateway.series(sent[0].study) if s["series"] == sent[0].series), {})
            wait_for(lambda: state().get("state") == "complete", 60, lambda: f"{sent[0].path} is complete: {state()}")
            assert state()["instances"] == len(sent), state()

    def check_objects(self, acknowledged, series):
        for sent in series:
            rows = self.gateway.qido(f"/studies/{sent[0].study}/series/{sent[0].series}/instances")
            found = collections.Counter(row["00080018"] for row in rows)
            assert found == collections.Counter(s.instance for s in sent), f"{sent[0].path}: {len(found)} of {len(sent)}"
        for sample in acknowledged.values():
            stored = self.gateway.object_bytes(sample.study, sample.series, sample.instance)
            assert samples.digest(stored) == sample.digest, f"{sample.path} was acknowledged and is not as it was sent"

    def check_destination(self, films):
        received = collections.defaultdict(list)
        for path in self.archive.files():
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            received[str(dataset.StudyInstanceUID)].append((str(dataset.SOPInstanceUID), str(dataset.SOPClassUID),
                                                            str(dataset.get("SeriesDescription", ""))))
        for film in films:
            results = {u: c for u, c in self.gateway.instances(film.study).items() if u != film.instance}
            assert results, f"no result of {film.path}"
            sent = received.pop(film.study, [])
            assert sorted(u for u, _, _ in sent) == sorted(results), f"{film.path}: {len(sent)} delivered, {len(results)} results"
            kinds = collections.Counter((c, d) for _, c, d in sent)
            assert max(kinds.values()) == 1, f"{film.path}: delivered twice under other UIDs: {kinds}"
        assert not received, f"results of unknown studies: {list(received)[:3]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="of a run that is to be repeated")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds between two kills, at most")
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between two series of one sender, on average")
    parser.add_argument("--postgresql", default="", help="connection string of an empty database instead of SQLite")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"chaos: {arguments.kills} kills, seed {seed} (again: {sys.argv[0]} --kills {arguments.kills} --seed {seed})", flush=True)
    chaos = Chaos(arguments.kills, seed, arguments.longest, arguments.pause, arguments.postgresql)
    started = time.monotonic()
    try:
        chaos.run()
        killed = time.monotonic()
        objects, films, series = chaos.check()
        print(f"chaos: {dict(chaos.done)}; {objects} objects acknowledged, {films} films, {series} series; "
              f"{sum(s.breaks for s in chaos.senders)} broken associations, {sum(s.refusals for s in chaos.senders)} refusals; "
              f"{killed - started:.0f} s of kills, {time.monotonic() - killed:.0f} s of checks")
    except AssertionError as error:
        os.environ["ROUAGE_KEEP"] = "1"
        print(f"chaos: FAILED with seed {seed}: {error}\n--- the log ends with\n{chaos.gateway.log_tail()}")
        raise SystemExit(1) from None
    finally:
        for sender in chaos.senders:
            sender.stopping.set()
        chaos.gateway.kill()
        chaos.archive.stop()


if __name__ == "__main__":
    test_program(main)
