"""An HTTP server that keeps every request and answers by a script.

http_recorder.py FOLDER PORT [--tls CERTIFICATE KEY]
FOLDER/replies.json: [{"status": 503, "body": "", "headers": {}, "delay_s": 0}, ...], the last one repeated; read anew
for each request. Kept: FOLDER/NNNN.headers (the request line, then "name: value") and FOLDER/NNNN.body.
"""
import http.server
import json
import pathlib
import ssl
import sys
import threading
import time

folder = pathlib.Path(sys.argv[1])
count_lock = threading.Lock()
count = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with count_lock:
            number = count
            count += 1
        lines = [self.requestline] + [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        for ending, data in (("headers", "\n".join(lines).encode()), ("body", body)):
            part = folder / f"{number:04}.part-{ending}"
            part.write_bytes(data)
            part.rename(folder / f"{number:04}.{ending}")
        replies = json.loads((folder / "replies.json").read_text())
        reply = replies[min(number, len(replies) - 1)]
        time.sleep(reply.get("delay_s", 0))
        answer = reply.get("body", "").encode()
        self.send_response(reply["status"])
        for name, value in reply.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
