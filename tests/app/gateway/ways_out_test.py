"""Everything is given back: query and retrieve by DIMSE and DICOMweb, by real clients, equal to what came in."""
import io
import struct
import unittest

import pydicom

import peers
import samples
from gateway import Gateway, multipart_parts, test_program, wait_for, work_folder

ALL_SYNTAXES = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:16]
    return struct.unpack(">II", data[16:24])


class GivingBack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = work_folder("ways-out")
        cls.destination = peers.StoreScp(cls.folder / "moved", "MOVED").start()
        cls.addClassCleanup(cls.destination.stop)
        cls.orthanc = peers.Orthanc(cls.folder / "orthanc") if peers.orthanc_installed() else None
        known = [{"ae": "MOVED", "host": "127.0.0.1", "port": cls.destination.port}]
        known += [cls.orthanc.peer()] if cls.orthanc else []
        # No cog runs here: what is given back is exactly what came in.
        rules = cls.folder / "rules.toml"
        rules.write_text('[[rule]]\nname = "none"\ncog = "chest"\nwhen.manufacturer = "nobody"\n')
        cls.gateway = Gateway(cls.folder / "rouage", {"peer": known, "route": {"rules": str(rules)}})
        cls.addClassCleanup(cls.gateway.kill)
        cls.gateway.start()
        if cls.orthanc:
            cls.addClassCleanup(cls.orthanc.stop)
            cls.orthanc.start(cls.gateway.dimse_port, cls.gateway.url)
        cls.ct = samples.ct_series(cls.folder / "ct", "out-ct", 8)
        cls.film = samples.film(cls.folder / "film", "out-film", PatientName="Müller^Jean-François", AccessionNumber="OUT-9")
        peers.dcmsend(cls.gateway.dimse_port, *[s.path for s in cls.ct])
        peers.storescu(cls.gateway.dimse_port, cls.film.path)

    def query(self, program, *keys, options=(), cwd=None):
        arguments = [part for key in keys for part in ("-k", key)]
        return peers.tool(program, "-v", "-S", "-aet", "MOVED", "-aec", "ROUAGE", *options, "127.0.0.1",
                          self.gateway.dimse_port, *arguments)

    def test_findscu(self):
        output = self.query("findscu", "QueryRetrieveLevel=STUDY", "PatientID=P-out*", "StudyInstanceUID",
                            "NumberOfStudyRelatedInstances", "ModalitiesInStudy", "PatientName")
        self.assertEqual(output.count("Find Response:"), 2, output)
        self.assertIn(self.ct[0].study, output)
        self.assertIn(self.film.study, output)
        output = self.query("findscu", "QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={self.ct[0].study}",
                            f"SeriesInstanceUID={self.ct[0].series}", "SOPInstanceUID")
        for sample in self.ct:
            self.assertIn(sample.instance, output)
        output = self.query("findscu", "QueryRetrieveLevel=STUDY", "AccessionNumber=OUT-9", "StudyDate=20250101-20261231",
                            "StudyInstanceUID")
        self.assertEqual(output.count("Find Response:"), 1, output)

    def test_movescu(self):
        self.query("movescu", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={self.ct[0].study}", options=("-aem", "MOVED"))
        wait_for(lambda: len(self.destination.files()) >= len(self.ct), 10, "8 files at the destination")
        received = {pydicom.dcmread(path).SOPInstanceUID: path for path in self.destination.files()}
        for sample in self.ct:
            self.assertTrue(samples.same_dataset(sample.path, received[sample.instance]))

    def test_getscu(self):
        target = self.folder / "got"
        target.mkdir()
        self.query("getscu", "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={self.ct[0].study}",
                   f"SeriesInstanceUID={self.ct[0].series}", options=("-od", target))
        received = {pydicom.dcmread(path).SOPInstanceUID: path for path in target.iterdir()}
        self.assertEqual(set(received), {s.instance for s in self.ct})
        for sample in self.ct:
            self.assertTrue(samples.same_dataset(sample.path, received[sample.instance]))

    def test_orthanc_queries_and_moves_to_itself(self):
        if not self.orthanc:
            self.skipTest("Orthanc is not installed")
        query = self.orthanc.post("/modalities/rouage/query", {"Level": "Study", "Query": {"AccessionNumber": "OUT-9"}})
        self.assertEqual(self.orthanc.get(query["Path"] + "/answers"), ["0"])
        answer = self.orthanc.get(query["Path"] + "/answers/0/content?simplify")
        self.assertEqual(answer["StudyInstanceUID"], self.film.study)
        self.orthanc.post(query["Path"] + "/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
        kept = wait_for(lambda: self.orthanc.instances(self.film.study).get(self.film.instance), 10, "Orthanc has the film")
        copy = self.folder / "from-orthanc.dcm"
        copy.write_bytes(self.orthanc.file(kept))
        self.assertTrue(samples.same_dataset(self.film.path, copy))

    def test_orthanc_as_dicomweb_client(self):
        if not self.orthanc:
            self.skipTest("Orthanc is not installed")
        found = self.orthanc.post("/dicom-web/servers/rouage/qido",
                                  {"Uri": "/studies", "Arguments": {"PatientID": self.ct[0].patient}})
        self.assertIn(self.ct[0].study, str(found))
        self.orthanc.post("/dicom-web/servers/rouage/retrieve",
                          {"Resources": [{"Study": self.ct[0].study}], "Synchronous": True})
        received = self.orthanc.instances(self.ct[0].study)
        self.assertEqual(set(received), {s.instance for s in self.ct})
        copy = self.folder / "by-wado.dcm"
        copy.write_bytes(self.orthanc.file(received[self.ct[3].instance]))
        self.assertTrue(samples.same_dataset(self.ct[3].path, copy))

    def test_qido_matching_and_paging(self):
        self.assertEqual(len(self.gateway.qido("/studies", PatientID="P-out*")), 2)
        self.assertEqual(len(self.gateway.qido("/studies", PatientID="P-out*", limit=1)), 1)
        self.assertEqual(len(self.gateway.qido("/studies", PatientID="P-out*", limit=5, offset=1)), 1)
        self.assertEqual(len(self.gateway.qido("/series", Modality="CT", StudyInstanceUID=self.ct[0].study)), 1)
        self.assertEqual(len(self.gateway.qido("/instances", StudyInstanceUID=self.ct[0].study)), 8)
        self.assertEqual(self.gateway.qido("/studies", PatientID="nobody"), [])

    def test_metadata_is_the_dataset(self):
        answer = self.gateway.json(f"/dicomweb/studies/{self.film.study}/metadata")
        self.assertEqual(len(answer), 1)
        self.assertIn("BulkDataURI", answer[0]["7FE00010"])
        answer[0].pop("7FE00010")
        from_json = pydicom.dataset.Dataset.from_json(answer[0])
        original = self.film.dataset
        del original.PixelData
        # The JSON model is UTF-8 whatever the object's character set.
        for dataset in (from_json, original):
            dataset.SpecificCharacterSet = "ISO_IR 192"
        differing = [e.keyword for e in original if from_json.get(e.tag) != e]
        self.assertEqual(differing, [])
        added = {e.keyword for e in from_json} - {e.keyword for e in original}
        self.assertLessEqual(added, {"AvailableTransferSyntaxUID"})

    def test_frames_and_bulk_data_are_the_pixels(self):
        base = f"/dicomweb/studies/{self.ct[2].study}/series/{self.ct[2].series}/instances/{self.ct[2].instance}"
        pixels = self.ct[2].dataset.PixelData
        frames = self.gateway.get(base + "/frames/1", headers={
            "Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'})
        self.assertEqual(frames.status_code, 200, frames.text[:200])
        self.assertEqual(multipart_parts(frames), [pixels])
        uri = self.gateway.json(base + "/metadata")[0]["7FE00010"]["BulkDataURI"]
        path = uri if uri.startswith("/") else uri.replace(self.gateway.url, "")
        bulk = self.gateway.get(path, headers={"Accept": 'multipart/related; type="application/octet-stream"'})
        self.assertEqual(bulk.status_code, 200)
        self.assertEqual(multipart_parts(bulk), [pixels])

    def test_rendered(self):
        for sample, size in ((self.film, (512, 512)), (self.ct[0], (64, 64))):
            base = f"/dicomweb/studies/{sample.study}/series/{sample.series}/instances/{sample.instance}"
            png = self.gateway.get(base + "/rendered", headers={"Accept": "image/png"})
            self.assertEqual(png.status_code, 200, png.text[:300])
            self.assertEqual(png_size(png.content), size)
            jpeg = self.gateway.get(base + "/rendered", headers={"Accept": "image/jpeg"})
            self.assertEqual((jpeg.status_code, jpeg.content[:2]), (200, b"\xff\xd8"))

    def test_a_whole_study_by_wado(self):
        answer = self.gateway.get(f"/dicomweb/studies/{self.ct[0].study}", headers=ALL_SYNTAXES)
        parts = multipart_parts(answer)
        self.assertEqual({pydicom.dcmread(io.BytesIO(part)).SOPInstanceUID for part in parts}, {s.instance for s in self.ct})
        self.assertEqual({samples.digest(part) for part in parts}, {s.digest for s in self.ct})

    def test_what_is_not_here_is_not_found(self):
        for path in ("/dicomweb/studies/1.2.3.4", "/dicomweb/studies/1.2.3.4/metadata",
                     f"/dicomweb/studies/{self.ct[0].study}/series/1.2.3/instances/1.2.3.4"):
            self.assertEqual(self.gateway.get(path, headers=ALL_SYNTAXES if "metadata" not in path else {}).status_code, 404, path)

    def test_ordinary_compression_changes_nothing(self):
        """A deflated object comes back as the same dataset (its bytes are kept)."""
        packed = self.folder / "deflated.dcm"
        other = samples.film(self.folder / "deflate", "deflate-film")
        peers.tool("dcmconv", "+td", other.path, packed)
        peers.storescu(self.gateway.dimse_port, packed, options=["-xd"])
        back = self.folder / "inflated.dcm"
        back.write_bytes(self.gateway.object_bytes(other.study, other.series, other.instance))
        self.assertTrue(samples.same_dataset(other.path, back))


if __name__ == "__main__":
    test_program(unittest.main)
