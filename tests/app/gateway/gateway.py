"""`rouage serve` under test: its configuration, its process tree, its HTTP answers.

    with Gateway(folder, {"destination": [...]}) as gateway:      # started, ready
        gateway.json("/api/status");  gateway.kill();  gateway.start()

Only python3's own library, requests and pydicom (Debian's, /usr/bin/python3) are needed.
"""
import atexit
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROUAGE = pathlib.Path(os.environ.get("ROUAGE_PROGRAM", ROOT / "build" / "release" / "rouage"))
# Debian's DCMTK leaves Nagle on: without this every C-STORE of its tools takes 45 ms.
os.environ["TCP_NODELAY"] = "1"
SKIPPED = 77  # CTest's SKIP_RETURN_CODE of these tests
LOOPBACK = "127.0.0.1"

_taken, _ports = set(), random.SystemRandom()


def free_port():
    """A port that nobody listens on now, and that this process has not given out before.

    Below the range that the kernel gives to outgoing connections (32768 and above): one of those would take it meanwhile."""
    while True:
        port = _ports.randrange(15000, 32000)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind((LOOPBACK, port))
            if port not in _taken:
                _taken.add(port)
                return port


def wait_for(condition, timeout_s, what, every_s=0.05):
    """The first true value of condition(); AssertionError that says what when it stays away."""
    ends = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > ends:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(every_s)


def answers(port, address=LOOPBACK):
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def work_folder(name):
    """A fresh folder, removed at the end of the program unless ROUAGE_KEEP is set."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"rouage-{name}-"))
    atexit.register(_remove, folder)
    return folder


def _remove(folder):
    if os.environ.get("ROUAGE_KEEP"):
        print("kept:", folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def toml_text(table, path=""):
    """TOML of nested dicts, lists of dicts and plain values."""
    lines, later = [], []
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            later.append(f"\n[{name}]\n" + toml_text(value, name))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            later += [f"\n[[{name}]]\n" + toml_text(element, name) for element in value]
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n" + "".join(later)


def merged(base, changes):
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result


def process_tree(pid):
    """pid and all its descendants, parents first."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                if fields[0] != "Z":
                    parents.setdefault(int(fields[1]), []).append(int(entry))
    tree, waiting = [], [pid]
    while waiting:
        current = waiting.pop(0)
        tree.append(current)
        waiting += parents.get(current, [])
    return tree


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def resident_kib(pid):
    """Memory of one process: its own, and its share of what several have mapped (Pss)."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class Gateway:
    """One installation in `folder`: started by `start` or `with`, killed and started again as often as wanted."""

    def __init__(self, folder, changes=None, program=ROUAGE):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = program
        self.dimse_port, self.http_port, self.mllp_port = free_port(), free_port(), free_port()
        self.url = f"http://{LOOPBACK}:{self.http_port}"
        self.config = merged({
            "site": {"ae": "ROUAGE", "data": str(self.folder / "data"), "stop_patience_s": 10},
            "store": {"keep_free_mb": 64},
            "dimse": {"port": self.dimse_port, "policy": "at_once"},
            "http": {"port": self.http_port, "policy": "at_once"},
            "mllp": {"on": True, "port": self.mllp_port},
            # A site would wait longer; a test has no minutes.
            "completeness": {"settle_s": 0.5, "unknown_quiet_s": 3, "least_quiet_s": 1},
            "route": {"first_wait_s": 0.2, "longest_wait_s": 1},
            "models": {"threads": 1},
            "log": {"json": True, "level": "info"},
        }, changes or {})
        self.process, self.starts = None, 0
        self.log = self.folder / "serve.log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"--- the gateway's log ends with\n{self.log_tail()}", flush=True)
        self.kill()

    def start(self, timeout_s=30, path="/ready"):
        """Until `path` answers 200; /health when it is known to refuse objects."""
        config = self.folder / "rouage.toml"
        config.write_text(toml_text(self.config))
        self.starts += 1
        with open(self.log, "ab") as log:
            log.write(f"--- start {self.starts}\n".encode())
            log.flush()
            self.process = subprocess.Popen([str(self.program), "serve", "--config", str(config)], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: self._answers(path), timeout_s, lambda: "the gateway is ready\n" + self.log_tail())

    def _answers(self, path):
        if self.process.poll() is not None:
            raise AssertionError(f"rouage serve ended with {self.process.returncode}\n{self.log_tail()}")
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.url + path, timeout=2).status_code == 200
        return False

    def stop(self, timeout_s=40):
        """Orderly; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_s)
        self.process = None
        return code

    def kill(self, main_only=False):
        """As a power cut does it (the whole tree), or as the kernel's memory killer does it (the main process)."""
        if self.process is None:
            return
        tree = [self.process.pid] if main_only else process_tree(self.process.pid)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def log_tail(self, lines=40):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def log_events(self):
        """The structured lines of the log."""
        events = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    events.append(event)
        return events

    def children(self, word):
        """Descendants whose command line holds the word."""
        return [pid for pid in process_tree(self.process.pid)[1:] if word in command_line(pid)]

    def memory_mib(self, without="work --child"):
        """Of the gateway itself: all its processes but those that compute."""
        pids = [pid for pid in process_tree(self.process.pid) if without not in command_line(pid)]
        return sum(map(resident_kib, pids)) / 1024

    def get(self, path, **arguments):
        return requests.get(self.url + path, timeout=arguments.pop("timeout", 30), **arguments)

    def post(self, path, **arguments):
        headers = {"X-Rouage-Request": "1", **arguments.pop("headers", {})}
        return requests.post(self.url + path, timeout=arguments.pop("timeout", 30), headers=headers, **arguments)

    def json(self, path, **parameters):
        answer = self.get(path, params=parameters)
        assert answer.status_code in (200, 204), f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.status_code == 200 else []

    # What the tests ask again and again.

    def qido(self, path, **parameters):
        """Answers of QIDO-RS as dicts from keyword-less tags to plain first values."""
        rows = self.json("/dicomweb" + path, **{"limit": 10000, **parameters})
        return [{tag: (element.get("Value") or [None])[0] for tag, element in row.items()} for row in rows]

    def instances(self, study):
        """{SOP Instance UID: SOP Class UID} of a study, by QIDO-RS."""
        return {row["00080018"]: row["00080016"] for row in self.qido(f"/studies/{study}/instances")}

    def items(self, study="", state=""):
        return self.json("/api/items", **{k: v for k, v in (("study", study), ("state", state)) if v})

    def series(self, study=""):
        return self.json("/api/series", **({"study": study} if study else {}))

    def deliveries(self, state=""):
        return self.json("/api/deliveries", **({"state": state} if state else {}))

    def object_bytes(self, study, series, instance):
        """The Part 10 file by WADO-RS, as stored."""
        answer = self.get(f"/dicomweb/studies/{study}/series/{series}/instances/{instance}",
                          headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
        assert answer.status_code == 200, f"WADO-RS {answer.status_code}: {answer.text[:300]}"
        parts = multipart_parts(answer)
        assert len(parts) == 1, f"{len(parts)} parts for one instance"
        return parts[0]

    def wait_for_items(self, study, count=1, states=("done",), timeout_s=30):
        def settled():
            rows = self.items(study)
            return rows if len(rows) >= count and all(row["state"] in states for row in rows) else None
        return wait_for(settled, timeout_s, lambda: f"{count} item(s) {states}, got {self.items(study)}")


def multipart_parts(answer):
    """Bodies of a multipart/related answer."""
    boundary = answer.headers["Content-Type"].split("boundary=")[1].split(";")[0].strip('"').encode()
    pieces = answer.content.split(b"--" + boundary)
    assert pieces[-1].strip() == b"--", "the closing delimiter is missing"
    return [piece.split(b"\r\n\r\n", 1)[1][:-2] for piece in pieces[1:-1]]


def store_command(gateway, *arguments):
    """`rouage store ...` on a gateway's folder: (exit code, output)."""
    done = subprocess.run([str(gateway.program), "store", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_program(loader_main):
    """Runs a unittest program, or leaves with SKIPPED when the machine lacks what it needs."""
    missing = [str(ROUAGE)] if not ROUAGE.exists() else []
    missing += [tool for tool in ("storescu", "dcmsend", "findscu", "movescu", "getscu", "storescp") if not shutil.which(tool)]
    if missing:
        print("skipped, not installed:", ", ".join(missing))
        raise SystemExit(SKIPPED)
    loader_main()
