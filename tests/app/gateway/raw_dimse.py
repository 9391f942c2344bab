"""DICOM's upper layer by hand (PS3.8 section 9.3): a sender that knows of every acknowledgement, and one that misbehaves.

    with Association(port, [(CT, EXPLICIT)]) as a:
        a.store(sop_class, sop_instance, dataset_bytes)      # -> DIMSE status
Not DCMTK's code: what both understand is DICOM.
"""
import socket
import struct
import threading
import time
import zlib

from gateway import LOOPBACK

EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
VERIFICATION, MPPS = "1.2.840.10008.1.1", "1.2.840.10008.3.1.2.3.3"


class Rejected(Exception):
    pass


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def associate_request(contexts, called="ROUAGE", calling="RAW", max_pdu=131072):
    """The whole A-ASSOCIATE-RQ PDU. contexts: (abstract syntax, transfer syntax), one presentation context each."""
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16)[:16] + calling.encode().ljust(16)[:16] + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, transfer) in enumerate(contexts):
        body += item(0x20, bytes([2 * number + 1, 0, 0, 0]) + item(0x30, abstract.encode()) + item(0x40, transfer.encode()))
    user = item(0x51, struct.pack(">I", max_pdu)) + item(0x52, b"2.25.123456789") + item(0x55, b"RAWTEST")
    body += item(0x50, user)
    return struct.pack(">BxI", 1, len(body)) + body


def command_set(elements):
    """Implicit VR little endian, with its group length. elements: (element number, bytes)."""
    body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def even(text, pad=b"\0"):
    data = text.encode() if isinstance(text, str) else text
    return data + pad if len(data) % 2 else data


def store_command(sop_class, sop_instance, message):
    return command_set([(0x0002, even(sop_class)), (0x0100, struct.pack("<H", 1)), (0x0110, struct.pack("<H", message)),
                        (0x0700, struct.pack("<H", 0)), (0x0800, struct.pack("<H", 1)), (0x1000, even(sop_instance))])


def data_pdus(context, data, command, max_pdu):
    """P-DATA-TF PDUs with one fragment each."""
    room = max_pdu - 6
    for start in range(0, max(len(data), 1), room):
        piece = data[start:start + room]
        last = start + room >= len(data)
        flags = (1 if command else 0) | (2 if last else 0)
        yield struct.pack(">BxIIBB", 4, len(piece) + 6, len(piece) + 2, context, flags) + piece


class Association:
    """As client. Raises Rejected, or OSError/EOFError when the other side goes away."""

    def __init__(self, port, contexts, called="ROUAGE", calling="RAW", timeout_s=30, source=None, host=LOOPBACK):
        self.contexts = list(contexts)
        self.message = 0
        self.socket = socket.create_connection((host, port), timeout=timeout_s, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(associate_request(self.contexts, called, calling))
            kind, body = self.read_pdu()
            if kind == 3:
                raise Rejected(f"result {body[1]}, source {body[2]}, reason {body[3]}")
            if kind != 2:
                raise Rejected(f"PDU type {kind} instead of an answer")
            self.accepted, self.max_pdu = self._negotiated(body)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.release()
        finally:
            self.socket.close()

    @staticmethod
    def _negotiated(body):
        accepted, max_pdu, position = {}, 16384, 68
        while position + 4 <= len(body):
            kind, length = struct.unpack(">BxH", body[position:position + 4])
            value = body[position + 4:position + 4 + length]
            if kind == 0x21:
                accepted[value[0]] = value[2] == 0
            elif kind == 0x50 and value[0] == 0x51:
                max_pdu = struct.unpack(">I", value[4:8])[0] or 131072
            position += 4 + length
        return accepted, max_pdu

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError("the other side closed")
            data += piece
        return data

    def read_pdu(self):
        kind, length = struct.unpack(">BxI", self.read(6))
        return kind, self.read(length)

    def context_of(self, abstract):
        for number, (offered, _) in enumerate(self.contexts):
            if offered == abstract and self.accepted.get(2 * number + 1):
                return 2 * number + 1
        raise Rejected(f"no presentation context for {abstract}")

    def send(self, context, data, command):
        for pdu in data_pdus(context, data, command, self.max_pdu):
            self.socket.sendall(pdu)

    def answer_status(self):
        """(0000,0900) of the next command."""
        command = b""
        while True:
            kind, body = self.read_pdu()
            if kind == 7:
                raise EOFError("A-ABORT")
            if kind != 4:
                raise EOFError(f"PDU type {kind}")
            command += body[6:]
            if body[5] & 2:
                break
        return struct.unpack("<H", value_of(command, 0x0900))[0]

    def store(self, sop_class, sop_instance, dataset):
        self.message += 1
        context = self.context_of(sop_class)
        self.send(context, store_command(sop_class, sop_instance, self.message), True)
        self.send(context, dataset, False)
        return self.answer_status()

    def echo(self):
        self.message += 1
        self.send(self.context_of(VERIFICATION),
                  command_set([(0x0002, even(VERIFICATION)), (0x0100, struct.pack("<H", 0x30)),
                               (0x0110, struct.pack("<H", self.message)), (0x0800, struct.pack("<H", 0x0101))]), True)
        return self.answer_status()

    def request(self, sop_class, elements, dataset):
        """A normalised service (N-CREATE, N-SET...) with a data set: elements of the command but its message id."""
        self.message += 1
        context = self.context_of(sop_class)
        command = sorted([*elements, (0x0110, struct.pack("<H", self.message)), (0x0800, struct.pack("<H", 1))])
        self.send(context, command_set(command), True)
        self.send(context, dataset, False)
        return self.answer_status()

    def create(self, sop_class, instance, dataset):
        return self.request(sop_class, [(0x0002, even(sop_class)), (0x0100, struct.pack("<H", 0x0140)), (0x1000, even(instance))],
                            dataset)

    def set(self, sop_class, instance, dataset):
        return self.request(sop_class, [(0x0003, even(sop_class)), (0x0100, struct.pack("<H", 0x0120)), (0x1001, even(instance))],
                            dataset)

    def release(self):
        self.socket.sendall(struct.pack(">BxI", 5, 4) + bytes(4))
        while self.read_pdu()[0] != 6:
            pass

    def break_off(self):
        self.socket.close()


class Receiver(threading.Thread):
    """A storage SCP that keeps no bytes: it notes when which study's objects came. One thread an association."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.arrived, self.lock = [], threading.Lock()  # (monotonic s, Study Instance UID, SOP Class UID)

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def stop(self):
        self.listener.close()

    @staticmethod
    def _read(stream):
        kind, length = struct.unpack(">BxI", stream.read(6))
        return kind, stream.read(length)

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as stream:
            try:
                _, request = self._read(stream)
                answer, syntaxes = self._accepting(request)
                connection.sendall(answer)
                command, data = b"", b""
                while True:
                    kind, body = self._read(stream)
                    if kind != 4:
                        if kind == 5:
                            connection.sendall(struct.pack(">BxI", 6, 4) + bytes(4))
                        return
                    command, data = self._take(connection, body, command, data, syntaxes)
            except (OSError, struct.error):
                return

    @staticmethod
    def _accepting(request):
        """A-ASSOCIATE-AC that takes the first transfer syntax of every context."""
        body, syntaxes, position = request[:68], {}, 68
        while position + 4 <= len(request):
            kind, length = struct.unpack(">BxH", request[position:position + 4])
            value = request[position + 4:position + 4 + length]
            if kind == 0x10:
                body += item(0x10, value)
            elif kind == 0x20:
                start = 4 + 4 + struct.unpack(">H", value[6:8])[0]
                size = struct.unpack(">H", value[start + 2:start + 4])[0]
                syntaxes[value[0]] = value[start + 4:start + 4 + size].decode()
                body += item(0x21, bytes([value[0], 0, 0, 0]) + item(0x40, value[start + 4:start + 4 + size]))
            position += 4 + length
        body += item(0x50, item(0x51, struct.pack(">I", 131072)) + item(0x52, b"2.25.123456789") + item(0x55, b"RAWTEST"))
        return struct.pack(">BxI", 2, len(body)) + body, syntaxes

    def _take(self, connection, body, command, data, syntaxes):
        while body:
            length, context, flags = struct.unpack(">IBB", body[:6])
            piece, body = body[6:4 + length], body[4 + length:]
            if flags & 1:
                command += piece
            else:
                data += piece
                if flags & 2:
                    self._note(command, data, syntaxes[context])
                    answer = command_set([(0x0002, value_of(command, 0x0002)), (0x0100, struct.pack("<H", 0x8001)),
                                          (0x0120, value_of(command, 0x0110)), (0x0800, struct.pack("<H", 0x0101)),
                                          (0x0900, struct.pack("<H", 0)), (0x1000, value_of(command, 0x1000))])
                    for pdu in data_pdus(context, answer, True, 16384):
                        connection.sendall(pdu)
                    command = data = b""
        return command, data

    def _note(self, command, data, syntax):
        now = time.monotonic()
        if syntax == DEFLATED:
            data = zlib.decompress(data, -15)
        at = data.index(b"\x20\x00\x0d\x00")
        size = struct.unpack("<I", data[at + 4:at + 8])[0] if syntax == IMPLICIT else struct.unpack("<H", data[at + 6:at + 8])[0]
        study = data[at + 8:at + 8 + size].rstrip(b"\0 ").decode()
        with self.lock:
            self.arrived.append((now, study, value_of(command, 0x0002).rstrip(b"\0").decode()))


def value_of(command, number):
    position = 0
    while position + 8 <= len(command):
        _, found, length = struct.unpack("<HHI", command[position:position + 8])
        if found == number:
            return command[position + 8:position + 8 + length]
        position += 8 + length
    raise EOFError(f"(0000,{number:04X}) is missing")
