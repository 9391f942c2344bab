"""Checkpoints that lie or attack, made from a good one. hostile_checkpoints.py GOOD.pth OUT MARK

A loader that executed one of them would create the file MARK."""
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import torch

good, out, mark = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
out.mkdir()
source = zipfile.ZipFile(good)
root = next(n for n in source.namelist() if n.endswith("/data.pkl"))[:-len("data.pkl")]
data = source.read(root + "data.pkl")


def archive(name, changed, compression=zipfile.ZIP_STORED, extra=()):
    with zipfile.ZipFile(out / name, "w", compression) as z:
        for item in source.namelist():
            z.writestr(item, changed.get(item, source.read(item)))
        for item, content in extra:
            z.writestr(item, content)


def pickled(name, value, protocol=2):
    archive(name, {root + "data.pkl": pickle.dumps(value, protocol)})


class Run:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


good_value = torch.load(good)
pickled("system_alone.pth", Run(os.system, "touch " + mark))
pickled("system_beside.pth", {"network_weights": {}, "logging": Run(os.system, "touch " + mark)})
pickled("popen.pth", {"network_weights": {"w": Run(subprocess.Popen, ["touch", mark])}}, 4)
pickled("eval.pth", {"network_weights": Run(eval, f"open({mark!r}, 'w')")})
# The attack in front of the good value, thrown away again by POP: a reader that trusts the result never sees it.
archive("hidden.pth", {root + "data.pkl": data[:2] + pickle.dumps(Run(os.system, "touch " + mark), 2)[2:-1] + b"0" + data[2:]})
archive("reduced.pth", {root + "data.pkl": data.replace(b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_somehow__", 1)})
archive("unknown_storage.pth", {root + "data.pkl": data.replace(b"ctorch\nFloatStorage", b"ctorch\nOtherStorage")})
archive("no_weights.pth", {root + "data.pkl": data.replace(b"network_weights", b"network_height_", 1)})
key = root + "data/0"
archive("short_storage.pth", {key: source.read(key)[:-4]})
archive("compressed.pth", {}, zipfile.ZIP_DEFLATED)
archive("twice.pth", {}, extra=[(root + "data.pkl", data)])
archive("leads_out.pth", {}, extra=[("../../evil", b"x")])
archive("two_pickles.pth", {}, extra=[("other/data.pkl", data)])
archive("big_endian.pth", {}, extra=[(root + "byteorder", b"big")])
buffer = io.BytesIO()
torch.save({"network_weights": good_value["network_weights"]}, buffer, _use_new_zipfile_serialization=False)
(out / "legacy.pth").write_bytes(buffer.getvalue())
whole = bytearray(good.read_bytes())
entry = source.getinfo(key)
start = entry.header_offset + 30 + sum(struct.unpack("<HH", whole[entry.header_offset + 26:entry.header_offset + 30]))
whole[start] ^= 1
(out / "one_bit.pth").write_bytes(whole)
