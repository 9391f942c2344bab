"""One film's whole way: received, judged complete, looked at, said in DICOM and FHIR, delivered everywhere, read back equal."""
import io
import json
import unittest

import pydicom

import peers
import samples
from gateway import Gateway, test_program, wait_for, work_folder

BASIC_TEXT_SR, COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.34"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def texts_of(dataset):
    """All words of a structured report."""
    words = []
    for element in dataset.iterall():
        if element.VR in ("UT", "LO", "LT", "ST", "SH") and element.value:
            words.append(str(element.value))
    return " ".join(words)


class WholeWay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("results")
        cls.archive = peers.StoreScp(cls.folder / "archive", "ARCHIVE").start()
        cls.addClassCleanup(cls.archive.stop)
        cls.shelf = cls.folder / "shelf"
        cls.shelf.mkdir()
        cls.fhir = peers.Recorder()
        cls.fhir.__enter__()
        cls.addClassCleanup(cls.fhir.__exit__)
        cls.pacs = cls.web = None
        destinations = [cls.archive.destination(),
                        {"name": "shelf", "kind": "folder", "folder": str(cls.shelf), "policy": "at_once"},
                        {"name": "fhir", "kind": "fhir", "url": cls.fhir.url + "/fhir", "policy": "at_once"}]
        known = []
        if peers.orthanc_installed():
            cls.pacs, cls.web = peers.Orthanc(cls.folder / "pacs", "PACS"), peers.Orthanc(cls.folder / "web", "WEB")
            destinations += [cls.pacs.destination(commitment=True), cls.web.destination("stow", name="web")]
            known = [cls.pacs.peer()]
        cls.gateway = Gateway(cls.folder / "rouage", {"destination": destinations, "peer": known,
                                                      "route": {"tries": 2}})
        for orthanc in filter(None, (cls.pacs, cls.web)):
            cls.addClassCleanup(orthanc.stop)
            orthanc.start(cls.gateway.dimse_port, cls.gateway.url)
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()
        cls.film = samples.film(cls.folder / "film", "whole-way", PatientName="Lefèvre^Zoé")
        peers.storescu(cls.gateway.dimse_port, cls.film.path)
        cls.item = cls.gateway.wait_for_items(cls.film.study)[0]
        cls.wait_delivered(cls.film.study)

    @classmethod
    def wait_delivered(cls, study, timeout_s=30):
        def open_ones():
            return [d for d in cls.gateway.deliveries() if d["study"] == study and d["state"] != "delivered"]
        wait_for(lambda: not open_ones() and any(d["study"] == study for d in cls.gateway.deliveries()), timeout_s,
                 lambda: f"every delivery: {open_ones()[:4]}")

    def results(self, study, *sources):
        """{SOP Instance UID: SOP class} of the results in the store."""
        return {u: c for u, c in self.gateway.instances(study).items() if u not in sources}

    def deliveries_of(self, study):
        return len([d for d in self.gateway.deliveries() if d["study"] == study])

    def series_of(self, study, instance):
        return next(row["0020000E"] for row in self.gateway.qido(f"/studies/{study}/instances") if row["00080018"] == instance)

    def received(self, study):
        """{SOP Instance UID: file bytes} at storescp."""
        files = {}
        for path in self.archive.files():
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            if dataset.StudyInstanceUID == study:
                files[str(dataset.SOPInstanceUID)] = path.read_bytes()
        return files

    def test_why_the_series_was_thought_complete_is_shown(self):
        series = self.gateway.series(self.film.study)
        self.assertEqual([(s["series"], s["state"], s["version"], s["instances"]) for s in series if s["modality"] == "CR"],
                         [(self.film.series, "complete", 0, 1)])
        self.assertTrue(series[0]["reason"])

    def test_a_set_of_results_is_in_the_store(self):
        classes = list(self.results(self.film.study, self.film.instance).values())
        for wanted in (COMPREHENSIVE_3D_SR, SEGMENTATION):
            self.assertEqual(classes.count(wanted), 1, classes)

    def test_the_same_results_at_the_dimse_destination_byte_by_byte(self):
        results, received = self.results(self.film.study, self.film.instance), self.received(self.film.study)
        self.assertEqual(set(received), set(results))
        for instance in results:
            stored = self.gateway.object_bytes(self.film.study, self.series_of(self.film.study, instance), instance)
            if pydicom.dcmread(io.BytesIO(stored)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1":
                self.assertEqual(samples.digest(received[instance]), samples.digest(stored))

    def test_patient_study_and_accession_are_those_of_the_film(self):
        source = self.film.dataset
        for data in self.received(self.film.study).values():
            result = pydicom.dcmread(io.BytesIO(data))
            for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber", "StudyDate", "PatientBirthDate"):
                self.assertEqual(getattr(result, keyword), getattr(source, keyword), keyword)
            self.assertNotEqual(result.SeriesInstanceUID, source.SeriesInstanceUID)

    def test_orthanc_has_them_by_dimse_and_by_stow(self):
        if not self.pacs:
            self.skipTest("Orthanc is not installed")
        results = self.results(self.film.study, self.film.instance)
        for orthanc in (self.pacs, self.web):
            kept = orthanc.instances(self.film.study)
            self.assertEqual(set(kept), set(results), orthanc.ae)
            for instance, identifier in kept.items():
                stored = self.gateway.object_bytes(self.film.study, self.series_of(self.film.study, instance), instance)
                ours, theirs = self.folder / "ours.dcm", self.folder / "theirs.dcm"
                ours.write_bytes(stored)
                theirs.write_bytes(orthanc.file(identifier))
                self.assertTrue(samples.same_dataset(ours, theirs), f"{orthanc.ae} {instance}")

    def test_the_folder_and_the_fhir_server_have_theirs(self):
        on_shelf = {pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID for p in self.shelf.rglob("*.dcm")}
        self.assertLessEqual(set(self.results(self.film.study, self.film.instance)), on_shelf)
        bodies = [json.loads(body) for method, _, _, body in self.fhir.requests if method in ("POST", "PUT") and body]
        self.assertTrue(bodies)
        text = json.dumps(bodies)
        self.assertIn("DiagnosticReport", text)
        self.assertIn(self.film.study, text)

    def test_our_own_results_come_back_without_effect(self):
        before = set(self.gateway.instances(self.film.study))
        planned = self.deliveries_of(self.film.study)
        for path in self.archive.files():
            if pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID == self.film.study:
                peers.storescu(self.gateway.dimse_port, path, options=["-xd"] if b"1.2.840.10008.1.2.1.99" in
                               path.read_bytes()[:400] else [], check=False)
        self.assertEqual(set(self.gateway.instances(self.film.study)), before)
        self.assertEqual(len(self.gateway.items(self.film.study)), 1)
        self.assertEqual(self.deliveries_of(self.film.study), planned)

    def test_a_film_that_is_no_chest_gets_an_ineligible_report(self):
        knee = samples.film(self.folder / "knee", "knee", BodyPartExamined="KNEE", StudyDescription="Knee",
                            SeriesDescription="Knee")
        peers.storescu(self.gateway.dimse_port, knee.path)
        self.gateway.wait_for_items(knee.study)
        self.wait_delivered(knee.study)
        received = self.received(knee.study)
        reports = [pydicom.dcmread(io.BytesIO(data)) for data in received.values()]
        self.assertTrue(any("SR" == r.Modality for r in reports), [r.SOPClassUID.name for r in reports])
        self.assertIn("KNEE", " ".join(texts_of(r) for r in reports).upper())
        self.assertFalse([r for r in reports if r.SOPClassUID == SEGMENTATION])

    def test_a_broken_film_is_said_to_be_without_ai(self):
        broken = samples.film(self.folder / "broken", "broken", Rows=4096, Columns=4096)
        peers.storescu(self.gateway.dimse_port, broken.path)
        self.gateway.wait_for_items(broken.study, states=("parked", "failed", "done"))
        wait_for(lambda: self.received(broken.study), 20, "an object that says so")
        self.wait_delivered(broken.study)
        words = " ".join(texts_of(pydicom.dcmread(io.BytesIO(d))) for d in self.received(broken.study).values())
        self.assertIn("AI unavailable", words)
        # The film itself is kept, and the others go on.
        self.assertIn(broken.instance, self.gateway.instances(broken.study))

    def test_a_late_film_reopens_the_series_and_supersedes(self):
        first = samples.film(self.folder / "late", "late-1", seed=2)
        second = samples.film(self.folder / "late", "late-2", seed=3, StudyInstanceUID=first.study,
                              SeriesInstanceUID=first.series, PatientID=first.patient, PatientName="TEST^LATE-1",
                              InstanceNumber=2)
        peers.storescu(self.gateway.dimse_port, first.path)
        self.gateway.wait_for_items(first.study)
        old = self.results(first.study, first.instance)
        peers.storescu(self.gateway.dimse_port, second.path)
        items = self.gateway.wait_for_items(first.study, count=2)
        self.assertEqual(sorted(item["series_version"] for item in items), [0, 1])
        now = self.gateway.instances(first.study)
        self.assertLessEqual(set(old), set(now), "the older results are still there")
        self.wait_delivered(first.study)

    def test_arrived_after_the_report_is_said_in_the_object(self):
        late = samples.film(self.folder / "reported", "reported", AccessionNumber="REP-1")
        answer = peers.mllp(self.gateway.mllp_port, "\n".join([
            "MSH|^~\\&|RIS|HOP|ROUAGE|HOP|20261124080000||ORU^R01^ORU_R01|MSG-R1|P|2.5",
            f"PID|1||{late.patient}^^^HOP||TEST^REPORTED||19760101|O", "ORC|RE|P1|F1||||||||||||||||||||||||||",
            "OBR|1|P1|F1|RXTH^RADIO THORAX^L||||||||||||||REP-1||||20261124075500|||F",
            "OBX|1|TX|RPT^Report||No consolidation.||||||F"]))
        self.assertTrue(any(segment.startswith("MSA|AA") for segment in answer), answer)
        peers.storescu(self.gateway.dimse_port, late.path)
        self.gateway.wait_for_items(late.study)
        self.wait_delivered(late.study)
        words = " ".join(texts_of(pydicom.dcmread(io.BytesIO(d))) for d in self.received(late.study).values())
        self.assertIn("came after the report", words)


if __name__ == "__main__":
    test_program(unittest.main)
