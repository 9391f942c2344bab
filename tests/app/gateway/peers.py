"""The other side of the wire, as a hospital has it: DCMTK's tools, Orthanc, a FHIR server, an interface engine.

Each peer listens on a free port of its own and ends with its `with` block.
"""
import contextlib
import http.server
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import requests

from gateway import LOOPBACK, answers, free_port, wait_for

ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
DICOMWEB_PLUGIN = pathlib.Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}


def orthanc_installed():
    return pathlib.Path(ORTHANC).exists() and DICOMWEB_PLUGIN.exists()


def end(process, number=signal.SIGTERM):
    if process and process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class StoreScp:
    """DCMTK's storescp with a process an association, every transfer syntax; files are named after the SOP Instance."""

    def __init__(self, folder, ae="DEST", port=None, options=("+xa",)):
        self.folder, self.ae, self.port, self.options = pathlib.Path(folder), ae, port or free_port(), options
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["storescp", "--fork", *self.options, "-aet", self.ae, "-od", str(self.folder),
                                         str(self.port)], start_new_session=True, **QUIET)
        wait_for(lambda: answers(self.port), 10, "storescp listens")
        return self

    def stop(self):
        end(self.process)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def files(self):
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def destination(self, **more):
        return {"name": self.ae.lower(), "kind": "dicom", "host": LOOPBACK, "port": self.port, "ae": self.ae,
                "policy": "at_once", "first_wait_s": 0.2, "longest_wait_s": 1, **more}


class Orthanc:
    """Debian's Orthanc with its DICOMweb plugin; knows the gateway as modality and DICOMweb server `rouage`."""

    def __init__(self, folder, ae="ORTHANC"):
        self.folder, self.ae = pathlib.Path(folder), ae
        self.http_port, self.dicom_port = free_port(), free_port()
        self.url = f"http://{LOOPBACK}:{self.http_port}"
        self.process = None

    def peer(self):
        return {"ae": self.ae, "host": LOOPBACK, "port": self.dicom_port}

    def destination(self, kind="dicom", **more):
        place = {"host": LOOPBACK, "port": self.dicom_port, "ae": self.ae} if kind == "dicom" else \
            {"url": self.url + "/dicom-web/studies"}
        return {"name": "orthanc", "kind": kind, "policy": "at_once", "first_wait_s": 0.2, "longest_wait_s": 1, **place, **more}

    def start(self, rouage_dimse_port, rouage_url=""):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "Name": self.ae, "StorageDirectory": str(self.folder / "db"), "IndexDirectory": str(self.folder / "db"),
            "HttpPort": self.http_port, "DicomPort": self.dicom_port, "DicomAet": self.ae, "DicomCheckCalledAet": False,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "OverwriteInstances": False, "StableAge": 1,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True, "UnknownSopClassAccepted": True,
            "DeflatedTransferSyntaxAccepted": True, "Plugins": [str(DICOMWEB_PLUGIN)],
            "DicomModalities": {"rouage": ["ROUAGE", LOOPBACK, rouage_dimse_port]},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/",
                         "Servers": {"rouage": {"Url": rouage_url + "/dicomweb/"}} if rouage_url else {}},
        }
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(config))
        with open(self.folder / "orthanc.log", "ab") as log:
            self.process = subprocess.Popen([ORTHANC, str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            start_new_session=True)
        wait_for(self._is_up, 30, "Orthanc answers")
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("Orthanc ended: " + (self.folder / "orthanc.log").read_text()[-2000:])
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.url + "/system", timeout=2).status_code == 200

    def stop(self):
        end(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def get(self, path):
        answer = requests.get(self.url + path, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def post(self, path, body):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        answer = requests.post(self.url + path, data=data, timeout=60)
        assert answer.ok, f"Orthanc POST {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json()

    def put_files(self, samples):
        """Uploads; returns Orthanc's own ids."""
        return [self.post("/instances", sample.bytes)["ID"] for sample in samples]

    def instances(self, study=None):
        """{SOP Instance UID: Orthanc's id}."""
        found = self.post("/tools/find", {"Level": "Instance", "Expand": True,
                                          "Query": {"StudyInstanceUID": study} if study else {}})
        return {row["MainDicomTags"]["SOPInstanceUID"]: row["ID"] for row in found}

    def file(self, identifier):
        answer = requests.get(f"{self.url}/instances/{identifier}/file", timeout=30)
        answer.raise_for_status()
        return answer.content


class Recorder:
    """An HTTP server that keeps what it is given, and answers what `status` says (a function of method and path)."""

    def __init__(self, status=lambda method, path: 201):
        self.requests, self.status = [], status
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                recorder.requests.append((self.command, self.path, dict(self.headers), body))
                code = recorder.status(self.command, self.path)
                reply = b"{}" if code < 300 else b'{"resourceType":"OperationOutcome"}'
                self.send_response(code)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def tool(*command, check=True, timeout_s=120):
    """One of DCMTK's tools; its output. Fails the test when the tool fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout_s, errors="replace")
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return done.stdout + done.stderr


def storescu(port, *files, options=(), check=True):
    return tool("storescu", "-v", "-aet", "SENDER", "-aec", "ROUAGE", *options, LOOPBACK, port, *files, check=check)


def dcmsend(port, *files, options=()):
    return tool("dcmsend", "-v", "-aet", "SENDER", "-aec", "ROUAGE", *options, LOOPBACK, port, *files)


def mllp(port, message, timeout_s=10):
    """Sends one HL7 message (segments separated by newlines), returns the acknowledgement's segments."""
    with socket.create_connection((LOOPBACK, port), timeout=timeout_s) as connection:
        connection.sendall(b"\x0b" + message.strip().replace("\n", "\r").encode() + b"\r\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            piece = connection.recv(4096)
            if not piece:
                raise EOFError(f"MLLP connection closed after {answer!r}")
            answer += piece
    return answer.strip(b"\x0b\x1c\r").decode().split("\r")
