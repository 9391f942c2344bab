"""Work survives: children that crash, hang or eat, a full disk, a dead destination, a stop, a start; priors; UPS."""
import os
import pathlib
import signal
import subprocess
import time
import unittest

import numpy
import requests

import peers
import samples
from gateway import ROUAGE, Gateway, answers, test_program, wait_for, work_folder
from raw_dimse import EXPLICIT, Association

OUT_OF_RESOURCES = 0xA700


class Children(unittest.TestCase):
    """A child that segfaults, hangs or exceeds its memory ends one item (RTE-1)."""

    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("children")
        cls.gateway = Gateway(cls.folder / "rouage", {
            "destination": [{"name": "shelf", "kind": "folder", "folder": str(cls.folder / "shelf"), "policy": "at_once"}],
            "route": {"tries": 2, "item_deadline_s": 4, "cogs": {"chest": {"at_once": 1, "memory_mb": 700}}}})
        (cls.folder / "shelf").mkdir()
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()

    def one_at_work(self, name):
        """A film whose child is held (SIGSTOP) in the middle of its work: (film, pid)."""
        warm = samples.film(self.folder / name, name + "-warm")
        peers.storescu(self.gateway.dimse_port, warm.path)
        self.gateway.wait_for_items(warm.study)
        pids = wait_for(lambda: self.gateway.children("work --child"), 10, "a child with its net open")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        film = samples.film(self.folder / name, name)
        peers.storescu(self.gateway.dimse_port, film.path)
        wait_for(lambda: [i for i in self.gateway.items(film.study) if i["state"] == "running"], 10, "the item runs")
        return film, pids

    def assert_others_go_on(self, name):
        other = samples.film(self.folder / name, name + "-other")
        peers.storescu(self.gateway.dimse_port, other.path)
        self.assertEqual(self.gateway.wait_for_items(other.study)[0]["tries"], 1)

    def test_a_segfault(self):
        film, pids = self.one_at_work("segfault")
        for pid in pids:
            os.kill(pid, signal.SIGSEGV)
            os.kill(pid, signal.SIGCONT)
        item = self.gateway.wait_for_items(film.study)[0]
        self.assertEqual(item["tries"], 2)
        self.assert_others_go_on("segfault")

    def test_a_hang(self):
        film, _ = self.one_at_work("hang")
        started = time.monotonic()
        item = self.gateway.wait_for_items(film.study)[0]
        self.assertEqual(item["tries"], 2)
        self.assertLess(time.monotonic() - started, 4 + 5, "ended at its deadline of 4 s, and tried again")
        self.assert_others_go_on("hang")

    def test_a_memory_eater(self):
        large = samples.film(self.folder / "large", "large", pixels=1024)
        dataset = large.dataset
        pixels = numpy.frombuffer(dataset.PixelData, numpy.uint16).reshape(1024, 1024).repeat(12, 0).repeat(12, 1)
        dataset.Rows = dataset.Columns = 1024 * 12
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(large.path, write_like_original=False)
        peers.storescu(self.gateway.dimse_port, large.path)
        item = self.gateway.wait_for_items(large.study, states=("parked", "failed", "done"), timeout_s=60)[0]
        # Parked with its log, or said to be too large: never a result, never a dead gateway.
        wait_for(lambda: list((self.folder / "shelf").rglob("*.dcm")), 20, "an object at the destination")
        self.assertTrue(item["message"], item)
        self.assert_others_go_on("large")


class FullDisk(unittest.TestCase):
    def test_refused_before_it_is_full_and_recovers_by_itself(self):
        """STO: 0xA700 below keep_free_mb, everything acknowledged is there, and receiving goes on when there is room."""
        folder = work_folder("disk")
        disk = folder / "disk"
        disk.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)],
                                               capture_output=True).returncode != 0:
            self.skipTest("needs root to mount a small file system")
        try:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(40 * 1024 * 1024))
            slices = samples.ct_series(folder / "ct", "disk-ct", 60, pixels=512)
            with Gateway(folder / "rouage", {"site": {"data": str(disk / "data")}, "store": {"keep_free_mb": 32}}) as gateway:
                statuses = []
                with Association(gateway.dimse_port, [(samples.CT, EXPLICIT)]) as association:
                    for sample in slices:
                        statuses.append(association.store(sample.sop_class, sample.instance, samples.dataset_bytes(sample.bytes)))
                self.assertIn(OUT_OF_RESOURCES, statuses)
                self.assertEqual(set(statuses), {0, OUT_OF_RESOURCES})
                acknowledged = [s for s, status in zip(slices, statuses) if status == 0]
                self.assertGreater(len(acknowledged), 5)
                self.assertTrue(gateway.json("/api/status")["store"]["refusing"])
                self.assertEqual(gateway.get("/health").status_code, 200)
                for sample in acknowledged:
                    self.assertEqual(samples.digest(gateway.object_bytes(sample.study, sample.series, sample.instance)),
                                     sample.digest)
                ballast.unlink()
                last = slices[-1]

                def taken():
                    with Association(gateway.dimse_port, [(samples.CT, EXPLICIT)]) as association:
                        return association.store(last.sop_class, last.instance, samples.dataset_bytes(last.bytes)) == 0
                wait_for(taken, 15, "receiving goes on by itself", every_s=0.5)
                self.assertFalse(gateway.json("/api/status")["store"]["refusing"])
        finally:
            subprocess.run(["umount", "-l", str(disk)], capture_output=True)


class Destinations(unittest.TestCase):
    def test_a_dead_destination_blocks_nobody_and_is_served_when_it_lives_again(self):
        folder = work_folder("dead")
        dead, alive = peers.StoreScp(folder / "dead", "DEAD"), peers.StoreScp(folder / "alive", "ALIVE").start()
        gateway = Gateway(folder / "rouage", {"destination": [dead.destination(), alive.destination()]})
        try:
            gateway.start()
            film = samples.film(folder / "film", "dead-film")
            peers.storescu(gateway.dimse_port, film.path)
            gateway.wait_for_items(film.study)
            wait_for(lambda: len([d for d in gateway.deliveries("delivered") if d["destination"] == "alive"]) > 2, 15,
                     "the living destination is served")
            results = set(gateway.instances(film.study)) - {film.instance}
            self.assertFalse([d for d in gateway.deliveries("delivered") if d["destination"] == "dead"])
            queue = next(q for q in gateway.json("/api/status")["destinations"] if q["destination"] == "dead")
            self.assertFalse(queue["reachable"])
            # Retries survive a stop and a start.
            self.assertEqual(gateway.stop(), 0)
            gateway.start()
            dead.start()
            wait_for(lambda: not [d for d in gateway.deliveries() if d["state"] != "delivered"], 30, "all is delivered")
            self.assertEqual(len(dead.files()), len(results))
        finally:
            gateway.kill()
            dead.stop()
            alive.stop()


class StopAndStart(unittest.TestCase):
    def test_a_stop_in_the_middle_of_work_loses_nothing(self):
        folder = work_folder("stop")
        (folder / "shelf").mkdir()
        gateway = Gateway(folder / "rouage", {"destination": [
            {"name": "shelf", "kind": "folder", "folder": str(folder / "shelf"), "policy": "at_once"}]})
        try:
            gateway.start()
            films = [samples.film(folder / "film", f"stop-{i}") for i in range(8)]
            peers.storescu(gateway.dimse_port, *[f.path for f in films])
            self.assertEqual(gateway.stop(), 0)
            gateway.start()
            for film in films:
                self.assertEqual(len(gateway.wait_for_items(film.study)), 1)
            wait_for(lambda: not [d for d in gateway.deliveries() if d["state"] != "delivered"], 20, "all is delivered")
            self.assertFalse(list((pathlib.Path(gateway.config["site"]["data"]) / "incoming").glob("*")))
        finally:
            gateway.kill()

    def test_without_configuration_it_serves_on_loopback(self):
        folder = work_folder("demo")
        if answers(11112) or answers(8042):
            self.skipTest("another program listens on 11112 or 8042")
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([str(ROUAGE), "serve"], cwd=folder, stdout=subprocess.DEVNULL, stderr=log,
                                       start_new_session=True)
        try:
            wait_for(lambda: answers(11112) and answers(8042), 20, lambda: (folder / "log").read_text()[-1000:])
            self.assertTrue((folder / "rouage-data").is_dir())
            listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True).stdout
            for port in ("11112", "8042"):
                lines = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(":" + port)]
                self.assertEqual(lines, ["127.0.0.1:" + port])
        finally:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(40), 0)


def json_model(**elements):
    """DICOM JSON of {"t00741000": ("CS", value)}; dict values make sequences of one item."""
    return {tag[1:]: {"vr": vr, "Value": [value]} if value != "" else {"vr": vr} for tag, (vr, value) in elements.items()}


class Worklist(unittest.TestCase):
    """UPS-RS (PS3.18 chapter 11): others see the work, ask for some, take some over."""

    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("worklist")
        cls.gateway = Gateway(cls.folder / "rouage")
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()
        cls.film = samples.film(cls.folder / "film", "ups-film")
        peers.storescu(cls.gateway.dimse_port, cls.film.path)
        cls.item = cls.gateway.wait_for_items(cls.film.study)[0]

    def state(self, uid):
        rows = self.gateway.json(f"/dicomweb/workitems/{uid}")
        return rows[0]["00741000"]["Value"][0]

    def send(self, method, path, dataset):
        return requests.request(method, self.gateway.url + "/dicomweb/workitems" + path, json=[dataset], timeout=10,
                                headers={"Content-Type": "application/dicom+json"})

    def request(self, name, start=""):
        """A request for the chest cog on the film: (UID, answer)."""
        uid = samples.uid("workitem", name)
        given = json_model(t00741000=("CS", "SCHEDULED"), t00081195=("UI", ""), t00741200=("CS", "HIGH"),
                           t00741204=("LO", "chest"), t00404005=("DT", start),
                           t00404021=("SQ", json_model(t0020000D=("UI", self.film.study), t0020000E=("UI", self.film.series))))
        return uid, self.send("POST", f"?workitem={uid}", given)

    def test_work_done_is_seen_with_its_outputs(self):
        uid = self.item["uid"]
        self.assertEqual(self.state(uid), "COMPLETED")
        row = self.gateway.json(f"/dicomweb/workitems/{uid}")[0]
        text = str(row)
        self.assertIn(self.film.study, text)
        results = set(self.gateway.instances(self.film.study)) - {self.film.instance}
        self.assertTrue(any(instance in text for instance in results), "output references")
        found = self.gateway.json("/dicomweb/workitems", ProcedureStepState="COMPLETED")
        self.assertIn(uid, str(found))

    def test_work_asked_for_is_done(self):
        uid, answer = self.request("asked")
        self.assertEqual(answer.status_code, 201, answer.text)
        wait_for(lambda: self.state(uid) == "COMPLETED", 20, lambda: f"COMPLETED: {self.state(uid)}")
        self.assertEqual(self.request("asked")[1].status_code, 409, "the same UID again")

    def test_work_claimed_is_completed_by_its_performer_only(self):
        uid, answer = self.request("claimed", start="20991231120000")
        self.assertEqual(answer.status_code, 201, answer.text)
        self.assertEqual(self.state(uid), "SCHEDULED")
        mine, other = samples.uid("transaction"), samples.uid("another transaction")

        def change(state, transaction):
            return self.send("PUT", f"/{uid}/state", json_model(t00741000=("CS", state), t00081195=("UI", transaction))).status_code
        self.assertEqual(change("COMPLETED", mine), 409, "not yet claimed")
        self.assertEqual(change("IN PROGRESS", mine), 200)
        self.assertEqual(change("IN PROGRESS", other), 409)
        self.assertEqual(self.state(uid), "IN PROGRESS")
        self.assertEqual(change("COMPLETED", other), 400)
        performed = json_model(t00081195=("UI", mine), t00741216=("SQ", json_model(t00404028=("SQ", json_model(
            t00080100=("SH", "X"), t00080102=("SH", "99X"), t00080104=("LO", "X"))))))
        self.assertEqual(self.send("POST", f"/{uid}?transaction-uid={mine}", performed).status_code, 200)
        self.assertEqual(change("COMPLETED", mine), 200)
        self.assertEqual(self.state(uid), "COMPLETED")

    def test_work_is_called_off(self):
        uid, _ = self.request("cancelled", start="20991231120000")
        answer = requests.post(f"{self.gateway.url}/dicomweb/workitems/{uid}/cancelrequest", timeout=10)
        self.assertEqual(answer.status_code, 202, answer.text)
        self.assertEqual(self.state(uid), "CANCELED")

    def test_nonsense_is_refused(self):
        self.assertEqual(self.gateway.get("/dicomweb/workitems/1.2.3").status_code, 404)
        self.assertEqual(self.send("POST", "", json_model(t00741000=("CS", "COMPLETED"))).status_code, 400)
        self.assertEqual(self.gateway.post("/dicomweb/workitems", data=b"{", headers={
            "Content-Type": "application/dicom+json"}).status_code, 400)


class Priors(unittest.TestCase):
    def test_priors_are_fetched_from_the_archive_before_the_cog_runs(self):
        if not peers.orthanc_installed():
            self.skipTest("Orthanc is not installed")
        folder = work_folder("priors")
        rules = folder / "rules.toml"
        rules.write_text('[[rule]]\nname = "films"\ncog = "chest"\nwhen.modality = "CR"\npriors = 2\n')
        for way in ("dimse", "web"):
            archive = peers.Orthanc(folder / f"archive-{way}")
            source = {"ae": "ORTHANC"} if way == "dimse" else {"url": archive.url + "/dicom-web"}
            gateway = Gateway(folder / f"rouage-{way}", {"route": {"rules": str(rules)}, "peer": [archive.peer()],
                                                         "priors": {**source, "deadline_s": 20, "years": 10}})
            with archive, self.subTest(way=way):
                archive.start(gateway.dimse_port, gateway.url)
                same = {"PatientID": "P-PRIOR", "PatientName": "TEST^PRIOR"}
                old = [samples.film(folder / way, f"{way}-prior-{year}", StudyDate=f"{year}0301", **same) for year in (2022, 2024, 2025)]
                stranger = samples.film(folder / way, f"{way}-stranger", StudyDate="20250101")
                archive.put_files([*old, stranger])
                with gateway:
                    current = samples.film(folder / way, f"{way}-current", StudyDate="20260101", **same)
                    peers.storescu(gateway.dimse_port, current.path)
                    gateway.wait_for_items(current.study)
                    studies = {row["0020000D"] for row in gateway.qido("/studies")}
                    self.assertEqual(studies, {current.study, old[1].study, old[2].study}, "the two latest priors")
                    self.assertEqual(len(gateway.items()), 1, "a prior starts no cog")
                    prior = old[2]
                    self.assertEqual(samples.digest(gateway.object_bytes(prior.study, prior.series, prior.instance)),
                                     prior.digest)


if __name__ == "__main__":
    test_program(unittest.main)
