"""No result leaves by any exit before its policy allows it: each exit is asked (design.md, "Who may see it when")."""
import io
import re
import unittest

import pydicom

import peers
import samples
from gateway import Gateway, multipart_parts, test_program, wait_for, work_folder

ALL_SYNTAXES = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class Withheld(unittest.TestCase):
    """after_first_read without a reading room: nothing leaves. One destination beside it is at_once."""

    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("release")
        cls.places = {policy: cls.folder / policy for policy in ("at_once", "after_first_read", "after_signature", "never")}
        for place in cls.places.values():
            place.mkdir()
        cls.moved = peers.StoreScp(cls.folder / "moved", "MOVED").start()
        cls.addClassCleanup(cls.moved.stop)
        cls.gateway = Gateway(cls.folder / "rouage", {
            "dimse": {"policy": "after_first_read"}, "http": {"policy": "after_first_read"},
            "peer": [{"ae": "MOVED", "host": "127.0.0.1", "port": cls.moved.port}],
            "destination": [{"name": policy.replace("_", "-"), "kind": "folder", "folder": str(place), "policy": policy}
                            for policy, place in cls.places.items()]})
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()
        cls.film = samples.film(cls.folder / "film", "withheld")
        peers.storescu(cls.gateway.dimse_port, cls.film.path)
        cls.gateway.wait_for_items(cls.film.study)
        cls.released = wait_for(lambda: cls.in_folder("at_once"), 20, "the results at the open destination")
        wait_for(lambda: not any(d["state"] in ("due", "sending") for d in cls.gateway.deliveries()), 20, "quiet queues")

    @classmethod
    def in_folder(cls, policy):
        """{SOP Instance UID: series} of the results in a destination's folder."""
        found = {}
        for path in cls.places[policy].rglob("*.dcm"):
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            found[str(dataset.SOPInstanceUID)] = str(dataset.SeriesInstanceUID)
        return found

    def test_a_configuration_that_waits_for_nobody_is_told(self):
        warnings = " ".join(self.gateway.json("/api/status")["warnings"])
        for exit_name in ("DIMSE", "DICOMweb", "after-first-read", "after-signature"):
            self.assertIn(exit_name, warnings)

    def test_destinations(self):
        self.assertTrue(self.in_folder("at_once"))
        for policy in ("after_first_read", "after_signature", "never"):
            self.assertEqual(list(self.places[policy].rglob("*.*")), [], policy)
        states = {(d["destination"], d["state"]) for d in self.gateway.deliveries()}
        self.assertEqual(states, {("at-once", "delivered"), ("after-first-read", "waiting_release"),
                                  ("after-signature", "waiting_release"), ("never", "waiting_release")})

    def tool(self, program, *keys, options=()):
        arguments = [part for key in keys for part in ("-k", key)]
        return peers.tool(program, "-v", "-S", "-aet", "MOVED", "-aec", "ROUAGE", *options, "127.0.0.1",
                          self.gateway.dimse_port, *arguments, check=False)

    def assert_no_result(self, text, where):
        for instance, series in self.released.items():
            self.assertNotIn(instance, text, f"{where} names a result")
            self.assertNotIn(series, text, f"{where} names a result's series")

    def test_c_find(self):
        study = f"StudyInstanceUID={self.film.study}"
        output = self.tool("findscu", "QueryRetrieveLevel=STUDY", study, "NumberOfStudyRelatedInstances",
                           "NumberOfStudyRelatedSeries", "ModalitiesInStudy", "SOPClassesInStudy")
        self.assert_no_result(output, "C-FIND")
        self.assertRegex(output, r"\(0020,1208\) IS \[1 ?\]")
        self.assertNotRegex(output, r"\(0008,0061\) CS \[[^\]]*(SR|SEG|PR)")
        output = self.tool("findscu", "QueryRetrieveLevel=SERIES", study, "SeriesInstanceUID", "Modality")
        self.assertIn(self.film.series, output)
        self.assert_no_result(output, "C-FIND of series")
        for series in self.released.values():
            output = self.tool("findscu", "QueryRetrieveLevel=IMAGE", study, f"SeriesInstanceUID={series}", "SOPInstanceUID")
            self.assertEqual(output.count("Find Response:"), 0, output)
        # A matching key must not tell either that results exist.
        for modality in ("SR", "SEG"):
            output = self.tool("findscu", "QueryRetrieveLevel=STUDY", study, f"ModalitiesInStudy={modality}")
            self.assertEqual(output.count("Find Response:"), 0, output)

    def test_c_get(self):
        target = self.folder / "got"
        target.mkdir()
        self.tool("getscu", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={self.film.study}", options=("-od", target))
        self.assertEqual({pydicom.dcmread(p).SOPInstanceUID for p in target.iterdir()}, {self.film.instance})

    def test_c_move(self):
        self.tool("movescu", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={self.film.study}", options=("-aem", "MOVED"))
        wait_for(self.moved.files, 10, "the film is moved")
        self.assertEqual({pydicom.dcmread(p).SOPInstanceUID for p in self.moved.files()}, {self.film.instance})

    def test_qido(self):
        base = f"/studies/{self.film.study}"
        self.assertEqual(set(self.gateway.instances(self.film.study)), {self.film.instance})
        self.assertEqual([row["0020000E"] for row in self.gateway.qido(base + "/series")], [self.film.series])
        study = self.gateway.qido("/studies", StudyInstanceUID=self.film.study, includefield="all")[0]
        self.assertEqual((study["00201208"], study["00201206"], study["00080061"]), (1, 1, "CR"))
        self.assertEqual(self.gateway.qido("/studies", StudyInstanceUID=self.film.study, ModalitiesInStudy="SR"), [])

    def test_wado(self):
        base = f"/dicomweb/studies/{self.film.study}"
        whole = multipart_parts(self.gateway.get(base, headers=ALL_SYNTAXES))
        self.assertEqual([pydicom.dcmread(io.BytesIO(p)).SOPInstanceUID for p in whole], [self.film.instance])
        self.assert_no_result(self.gateway.get(base + "/metadata").text, "metadata")
        for instance, series in self.released.items():
            for path in (f"{base}/series/{series}", f"{base}/series/{series}/metadata",
                         f"{base}/series/{series}/instances/{instance}", f"{base}/series/{series}/instances/{instance}/metadata",
                         f"{base}/series/{series}/instances/{instance}/rendered",
                         f"{base}/series/{series}/instances/{instance}/frames/1",
                         f"{base}/series/{series}/instances/{instance}/frames/1/rendered",
                         f"{base}/series/{series}/instances/{instance}/bulkdata/7FE00010"):
                answer = self.gateway.get(path, headers={"Accept": "*/*"})
                self.assertIn(answer.status_code, (403, 404), path)
                self.assertLess(len(answer.content), 1000, path)

    def test_operations_pages_name_no_result(self):
        for path in ("/metrics", "/api/status", "/", "/api/items", "/api/series"):
            text = self.gateway.get(path).text
            self.assert_no_result(text, path)
            for label in ("Effusion", "Pneumothorax", "Cardiomegaly"):
                self.assertNotIn(label, text, path)

    def test_the_log_holds_no_patient(self):
        text = self.gateway.log.read_text()
        for word in (self.film.patient, "WITHHELD", self.film.instance, self.film.study):
            self.assertNotIn(word, re.sub(r'"file":"[^"]*"', "", text))


class Released(unittest.TestCase):
    """The same film with at_once: every exit that was closed above gives the results, so that the tests above can fail."""

    def test_every_exit_is_open(self):
        folder = work_folder("released")
        with Gateway(folder / "rouage") as gateway:
            film = samples.film(folder / "film", "withheld")
            peers.storescu(gateway.dimse_port, film.path)
            gateway.wait_for_items(film.study)
            results = set(gateway.instances(film.study)) - {film.instance}
            self.assertGreater(len(results), 2)
            whole = multipart_parts(gateway.get(f"/dicomweb/studies/{film.study}", headers=ALL_SYNTAXES))
            self.assertEqual(len(whole), len(results) + 1)
            target = folder / "got"
            target.mkdir()
            peers.tool("getscu", "-S", "-aec", "ROUAGE", "-od", target, "127.0.0.1", gateway.dimse_port, "-k",
                       "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={film.study}", check=False)
            got = {pydicom.dcmread(p).SOPInstanceUID for p in target.iterdir()}
            self.assertGreaterEqual(len(got & results), len(results) - 1)  # getscu offers no deflated syntax


if __name__ == "__main__":
    test_program(unittest.main)
