"""Studies arrive, by every way, from real peers, and every byte of them is kept (RCV, STO)."""
import json
import shutil
import subprocess
import time
import unittest
import uuid

import pydicom
import requests

import peers
import samples
from gateway import Gateway, store_command, test_program, wait_for, work_folder
from raw_dimse import EXPLICIT, MPPS, Association


class Arriving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("ways-in")
        cls.watched = cls.folder / "watched"
        cls.watched.mkdir()
        cls.rules = cls.folder / "rules.toml"
        cls.rules.write_text('[[rule]]\nname = "ordered"\ncog = "chest"\nwhen.modality = ["CR", "DX"]\n'
                             'when.order.procedure = "RXTH"\npriority = "emergency"\nstop = true\n'
                             '[[rule]]\nname = "films"\ncog = "chest"\nwhen.modality = ["CR", "DX"]\n')
        cls.orthanc = peers.Orthanc(cls.folder / "orthanc")
        cls.gateway = Gateway(cls.folder / "rouage", {"peer": [cls.orthanc.peer()], "folder": [{"path": str(cls.watched), "after": "keep"}],
                                                      "route": {"rules": str(cls.rules)}})
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()

    def sources(self):
        """Objects in the store that are no results of ours."""
        store = self.gateway.json("/api/status")["store"]
        return store["instances"] - store["results"]

    def kept(self, sample):
        return samples.digest(self.gateway.object_bytes(sample.study, sample.series, sample.instance))

    def assert_all_kept(self, sent):
        self.assertEqual({s.instance for s in sent}, set(self.gateway.instances(sent[0].study)) & {s.instance for s in sent})
        for sample in sent:
            self.assertEqual(self.kept(sample), sample.digest, f"{sample.path} changed on its way")

    def test_storescu(self):
        slices = samples.ct_series(self.folder / "a", "storescu-ct", 12)
        output = peers.storescu(self.gateway.dimse_port, *[s.path for s in slices])
        self.assertEqual(output.count("Received Store Response (Success)"), 12)
        self.assert_all_kept(slices)

    def test_dcmsend(self):
        slices = samples.ct_series(self.folder / "b", "dcmsend-ct", 12)
        peers.dcmsend(self.gateway.dimse_port, *[s.path for s in slices])
        self.assert_all_kept(slices)

    def test_a_compressed_film_is_kept_as_it_was_sent(self):
        plain = samples.film(self.folder / "c", "jpeg-film")
        for name, coder, option, syntax in (("jpeg", ["dcmcjpeg", "+e1"], "-xs", "1.2.840.10008.1.2.4.70"),
                                            ("rle", ["dcmcrle"], "-xr", "1.2.840.10008.1.2.5")):
            packed = self.folder / "c" / f"{name}.dcm"
            new = samples.uid(name, "instance")
            copy = self.folder / "c" / f"{name}-plain.dcm"
            dataset = plain.dataset
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = new
            dataset.save_as(copy, write_like_original=False)
            peers.tool(*coder, copy, packed)
            peers.storescu(self.gateway.dimse_port, packed, options=[option])
            stored = self.folder / "c" / f"{name}-stored.dcm"
            stored.write_bytes(self.gateway.object_bytes(plain.study, plain.series, new))
            self.assertEqual(pydicom.dcmread(stored).file_meta.TransferSyntaxUID, syntax)
            self.assertTrue(samples.same_dataset(packed, stored))

    def test_many_associations_at_once(self):
        slices = samples.ct_series(self.folder / "d", "parallel-ct", 40)
        associations = [Association(self.gateway.dimse_port, [(samples.CT, EXPLICIT)]) for _ in range(20)]
        for number, sample in enumerate(slices):
            status = associations[number % 20].store(sample.sop_class, sample.instance, samples.dataset_bytes(sample.bytes))
            self.assertEqual(status, 0)
        for association in associations:
            association.__exit__(None, None, None)
        self.assert_all_kept(slices)

    def test_orthanc_as_sender(self):
        if not peers.orthanc_installed():
            self.skipTest("Orthanc is not installed")
        slices = samples.ct_series(self.folder / "e", "orthanc-ct", 10)
        with self.orthanc.start(self.gateway.dimse_port, self.gateway.url) as orthanc:
            ids = orthanc.put_files(slices[:6])
            orthanc.post("/modalities/rouage/store", {"Resources": ids, "Synchronous": True})
            self.assert_all_kept(slices[:6])
            ids = orthanc.put_files(slices[6:])
            orthanc.post("/dicom-web/servers/rouage/stow", {"Resources": ids, "Synchronous": True})
            self.assert_all_kept(slices)
            # Storage Commitment, ours as SCP: what Orthanc sent is committed to, what it did not send is not.
            asked = orthanc.post("/modalities/rouage/storage-commitment",
                                 {"DicomInstances": [[samples.CT, s.instance] for s in slices]})
            state = wait_for(lambda: self._committed(orthanc, asked), 20, "a storage commitment report")
            self.assertEqual(state, "Success")
            stranger = orthanc.post("/modalities/rouage/storage-commitment",
                                    {"DicomInstances": [[samples.CT, samples.uid("never sent")]]})
            self.assertEqual(wait_for(lambda: self._committed(orthanc, stranger), 20, "a report"), "Failure")

    @staticmethod
    def _committed(orthanc, asked):
        status = orthanc.get(asked["Path"])["Status"]
        return None if status == "Pending" else status

    def test_stow_by_a_plain_client(self):
        slices = samples.ct_series(self.folder / "f", "stow-ct", 5)
        boundary = uuid.uuid4().hex
        body = b"".join(b"--" + boundary.encode() + b"\r\nContent-Type: application/dicom\r\n\r\n" + s.bytes + b"\r\n"
                        for s in slices) + b"--" + boundary.encode() + b"--\r\n"
        answer = requests.post(self.gateway.url + "/dicomweb/studies", data=body, timeout=30, headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json"})
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(len(answer.json()["00081199"]["Value"]), 5)
        self.assert_all_kept(slices)

    def test_watched_folder(self):
        sample = samples.film(self.folder / "g", "folder-film")
        shutil.copy(sample.path, self.watched / "one.dcm")
        wait_for(lambda: sample.instance in self.gateway.instances(sample.study), 15, "the file is taken")
        self.assert_all_kept([sample])

    def test_a_retransmission_is_kept_once(self):
        slices = samples.ct_series(self.folder / "h", "twice-ct", 6)
        before, repeated = self.sources(), self.gateway.json("/api/status")["store"]["duplicates"]
        for _ in range(2):
            peers.dcmsend(self.gateway.dimse_port, *[s.path for s in slices])
        self.assertEqual(self.sources() - before, 6)
        self.assertEqual(self.gateway.json("/api/status")["store"]["duplicates"] - repeated, 6)
        self.assert_all_kept(slices)

    def test_other_content_under_a_known_uid_is_kept_beside_it_and_reported(self):
        first = samples.film(self.folder / "i", "conflict", StudyDescription="first")
        second = samples.film(self.folder / "i2", "conflict", StudyDescription="second")
        self.assertEqual(first.instance, second.instance)
        before = self.gateway.json("/api/status")["store"]["conflicts"]
        peers.storescu(self.gateway.dimse_port, first.path)
        peers.storescu(self.gateway.dimse_port, second.path)
        self.assertEqual(self.gateway.json("/api/status")["store"]["conflicts"] - before, 1)
        self.assertEqual(self.kept(first), first.digest, "the first stays current")
        self.assertEqual(list(self.gateway.instances(first.study)).count(first.instance), 1)

    def test_an_order_by_hl7_decides_the_rule(self):
        sample = samples.film(self.folder / "j", "ordered", AccessionNumber="ACC-77")
        answer = peers.mllp(self.gateway.mllp_port, "\n".join([
            "MSH|^~\\&|RIS|HOP|ROUAGE|HOP|20261124080000||ORM^O01^ORM_O01|MSG-77|P|2.5",
            f"PID|1||{sample.patient}^^^HOP||TEST^ORDERED||19760101|O",
            "ORC|NW|PO-77|FO-77", "OBR|1|PO-77|FO-77|RXTH^RADIO THORAX^L||||||||||||||ACC-77"]))
        self.assertTrue(any(segment.startswith("MSA|AA|MSG-77") for segment in answer), answer)
        peers.storescu(self.gateway.dimse_port, sample.path)
        item = self.gateway.wait_for_items(sample.study)[0]
        self.assertEqual((item["rule"], item["priority"]), ("ordered", 0))

    def test_a_merge_of_patients_relinks_and_rewrites_nothing(self):
        sample = samples.film(self.folder / "k", "merged", PatientID="OLD-1")
        peers.storescu(self.gateway.dimse_port, sample.path)
        self.gateway.wait_for_items(sample.study)
        answer = peers.mllp(self.gateway.mllp_port, "\n".join([
            "MSH|^~\\&|HIS|HOP|ROUAGE|HOP|20261124080000||ADT^A40^ADT_A39|MSG-40|P|2.5", "EVN|A40|20261124080000",
            "PID|1||NEW-1^^^HOP||TEST^MERGED||19760101|O", "MRG|OLD-1^^^HOP"]))
        self.assertTrue(any(segment.startswith("MSA|AA|MSG-40") for segment in answer), answer)
        self.assert_all_kept([sample])
        found = self.gateway.qido("/studies", PatientID="NEW-1")
        self.assertEqual([row["0020000D"] for row in found], [sample.study], "the new number leads to the study")

    def test_a_performed_procedure_step_says_when_a_series_is_whole(self):
        """Every quiet period passes, and the series waits for the one slice that its modality says is missing (STO-1)."""
        slices = samples.ct_series(self.folder / "l", "mpps-ct", 12)
        step = samples.uid("step")
        with Association(self.gateway.dimse_port, [(MPPS, EXPLICIT)]) as association:
            self.assertEqual(association.create(MPPS, step, samples.performed_step(slices, "IN PROGRESS")), 0)
        peers.storescu(self.gateway.dimse_port, *[s.path for s in slices[:-1]])
        with Association(self.gateway.dimse_port, [(MPPS, EXPLICIT)]) as association:
            self.assertEqual(association.set(MPPS, step, samples.performed_step(slices, "COMPLETED")), 0)
        time.sleep(5)
        state = self.gateway.series(slices[0].study)[0]
        self.assertEqual(state["state"], "waiting", state)
        self.assertIn("1", state["reason"])
        peers.storescu(self.gateway.dimse_port, slices[-1].path)
        wait_for(lambda: self.gateway.series(slices[0].study)[0]["state"] == "complete", 3, "complete with its last slice")
        self.assertEqual(self.gateway.series(slices[0].study)[0]["version"], 0)

    def test_a_hole_in_the_geometry_is_waited_for(self):
        slices = samples.ct_series(self.folder / "m", "hole-ct", 20)
        peers.storescu(self.gateway.dimse_port, *[s.path for s in slices[:9] + slices[10:]])
        time.sleep(5)
        state = self.gateway.series(slices[0].study)[0]
        self.assertEqual(state["state"], "waiting", state)
        peers.storescu(self.gateway.dimse_port, slices[9].path)
        wait_for(lambda: self.gateway.series(slices[0].study)[0]["state"] == "complete", 8, "complete without a hole")

    def test_a_simulated_load_is_all_acknowledged(self):
        before = self.sources()
        done = subprocess.run([str(self.gateway.program), "simulate-load", "--to", f"127.0.0.1:{self.gateway.dimse_port}",
                               "--studies", "8", "--studies-per-hour", "36000", "--ct-share", "0.5", "--slices", "10",
                               "--ct-pixels", "64", "--film-pixels", "256", "--run", "test", "--json"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["studies"], report["failures"]), (8, {}))
        self.assertEqual(report["film"]["n"] + report["ct"]["n"], 8)
        self.assertGreater(report["ct"]["n"], 0)
        self.assertEqual(report["objects"], report["film"]["n"] + 10 * report["ct"]["n"])
        self.assertEqual(self.sources() - before, report["objects"])

    def test_zz_everything_verifies(self):
        """Last by name: after all that came in, every byte on the disk is what the index says."""
        self.assertEqual(self.gateway.stop(), 0)
        code, output = store_command(self.gateway, "verify", "--config", self.gateway.folder / "rouage.toml")
        self.assertEqual(code, 0, output)
        type(self).gateway.start()


if __name__ == "__main__":
    test_program(unittest.main)
