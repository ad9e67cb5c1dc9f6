# SPDX-License-Identifier: GPL-3.0-or-later
"""Log servers for tests: HOMER 7, Loki, Elasticsearch and one of no kind, as they behave, and as they misbehave. One server is all of them."""
import gzip
import json
import socket
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BYE = """BYE sip:b@example.com SIP/2.0\r
From: <sip:a@example.com>;tag=1\r
To: <sip:b@fabrikam.example>;tag=2\r
{call}CSeq: 2 BYE\r
ms-client-diagnostics: {code}; reason="A \\"reason\\"";CallerMediaDebug="application-sharing:ICEWarn={ice},LocalSite=10.0.0.1:1,\
LocalMR=198.51.100.10:2,RemoteSite=10.0.0.2:3,RemoteMR=203.0.113.7:4"\r
Content-Length: 0\r
\r
"""


def bye(call, code=23, ice="0x8000100"):
    return BYE.format(call=f"Call-ID: {call}\r\n" if call else "", code=code, ice=ice)


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client may go at any time."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.handle_question("GET", None)

    def do_POST(self):
        self.handle_question("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def handle_question(self, method, body):
        server = self.server.owner
        url = urllib.parse.urlsplit(self.path)
        question = {"method": method, "path": url.path, "query": dict(urllib.parse.parse_qsl(url.query)), "body": body,
                    "headers": dict(self.headers)}
        with server.lock:
            server.asked.append(question)
            trouble = server.troubles.pop(0) if server.troubles else None
        if trouble:
            trouble(self)
            return
        for path, answer in server.places:
            if url.path.endswith(path):
                self.answer(*answer(server, question))
                return
        self.answer(404, {"error": "no such place"})

    def answer(self, status, document, headers=(), packed=None):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        pack = "gzip" in self.headers.get("Accept-Encoding", "") if packed is None else packed
        if pack and not isinstance(document, bytes):
            data = gzip.compress(data)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if pack and not isinstance(document, bytes):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


# --- as they behave -----------------------------------------------------------------------------------------------------

def loki(server, q):
    start, end, limit = (int(q["query"][name]) for name in ("start", "end", "limit"))
    assert q["query"]["direction"] == "forward" and limit <= 5000
    if server.tenant and q["headers"].get("X-Scope-OrgID") != server.tenant:
        return 401, {"message": "no org id"}
    found = sorted(r for r in server.records if start <= r[0] < end)[:limit]
    streams = {}
    for time_ns, text in found:
        streams.setdefault(hash(text) % 3, []).append([str(time_ns), text])
    result = [{"stream": {"job": "sip", "part": str(n)}, "values": values} for n, values in sorted(streams.items(), reverse=True)]
    return 200, {"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}}


def elasticsearch(server, q):
    body = q["body"]
    [(field, limits)] = body["query"]["bool"]["filter"][0]["range"].items()
    assert limits["format"] == "epoch_millis" and list(body["sort"][0]) == [field]
    after = body.get("search_after", [-1, -1])
    rows = sorted((time_ns // 1000000, place, text) for place, (time_ns, text) in enumerate(server.records))
    found = [r for r in rows if limits["gte"] <= r[0] < limits["lt"] and [r[0], r[1]] > after][:body["size"]]
    hits = [{"_index": "sip", "_id": str(place), "_source": {field: ms, "host": {"name": "fe01"}, "sip": {"raw": text}}, "sort": [ms, place]}
            for ms, place, text in found]
    return 200, {"took": 1, "timed_out": False, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
                 "hits": {"hits": hits}}


def homer_auth(server, q):
    if q["body"] != {"username": "monitor", "password": "se\"cret"}:
        return 401, {"statuscode": 401, "message": "incorrect password"}
    server.tokens += 1
    return 201, {"token": f"token-{server.tokens}", "scope": "x", "user": {"admin": False}}


def homer_times(q):
    return q["body"]["timestamp"]["from"] // 1000, q["body"]["timestamp"]["to"] // 1000


def homer_refuses(server, q):
    return q["headers"].get("Authorization") != f"Bearer token-{server.tokens}"


def homer_records(server, q):
    begin, end = homer_times(q)
    for place, (time_ns, text) in enumerate(server.records):
        if begin <= time_ns / 1e9 <= end:
            sid = next((line[9:] for line in text.split("\r\n") if line.startswith("Call-ID: ")), f"none-{place}")
            yield {"id": place, "sid": sid, "create_date": time_ns // 1000000, "raw": text}


def homer_search(server, q):
    if homer_refuses(server, q):
        return 401, {"message": "unauthorized"}
    rows = q["body"]["param"]["search"]["1_call"]
    assert rows[0]["name"] == "raw" and rows[-1]["name"] == "limit"
    found = list(homer_records(server, q))[:int(rows[-1]["value"])]
    return 200, {"data": [{k: v for k, v in r.items() if k != "raw"} for r in found], "keys": [], "total": len(found)}


def homer_transaction(server, q):
    if homer_refuses(server, q):
        return 401, {"message": "unauthorized"}
    calls = q["body"]["param"]["search"]["1_call"]["callid"]
    assert 0 < len(calls) <= 50 and len(set(calls)) == len(calls)
    return 200, {"data": {"calldata": [], "messages": [r for r in homer_records(server, q) if r["sid"] in calls]}, "total": 1}


def generic(server, q):
    first = int(q["query"].get("after") or 0)
    items = [{"id": i, "when": t / 1e9, "sip": {"text": text}} for i, (t, text) in enumerate(server.records, 1) if i > first]
    items = items[:int(q["query"]["n"])]
    return 200, {"items": items, "next": str(items[-1]["id"]) if items else q["query"].get("after", "")}


# --- as they misbehave --------------------------------------------------------------------------------------------------

def status(code, headers=(), text=b"{}"):
    return lambda h: h.answer(code, text, headers)


def body(data, headers=()):
    return lambda h: h.answer(200, data, headers)


def closing(data):
    """These bytes, and the end of the connection."""
    def trouble(h):
        h.wfile.write(data)
        h.close_connection = True
        h.connection.shutdown(socket.SHUT_WR)
    return trouble


def never_ends(h):
    h.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b'"' + b"a" * 65535 + b"\r\n"
    try:
        while True:
            h.wfile.write(piece)
    except OSError:
        h.close_connection = True


def silent(h):
    h.server.owner.held.wait(20)
    h.close_connection = True


def bomb(mib):
    packed = gzip.compress(b'"' + b" " * (mib << 20))
    return body(packed, [("Content-Encoding", "gzip")])


def redirect(place):
    return status(302, [("Location", place)])


DEEP = b"[" * 10000 + b"]" * 10000
MANY = b"[" + b"[]," * 2000000 + b"[]]"


class Servers:
    def __init__(self, context=None):
        self.lock = threading.Lock()
        self.held = threading.Event()
        self.asked, self.troubles, self.records = [], [], []
        self.tokens, self.tenant = 0, None
        self.places = [("/loki/api/v1/query_range", loki), ("/sip-*/_search", elasticsearch), ("/sip-%2A/_search", elasticsearch),
                       ("/api/v3/auth", homer_auth), ("/api/v3/search/call/data", homer_search),
                       ("/api/v3/call/transaction", homer_transaction), ("/generic", generic)]
        self.http = Listener(("127.0.0.1", 0), Handler)
        self.http.owner = self
        if context:
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def add(self, time_s, call, **how):
        with self.lock:
            self.records.append((int(time_s * 1000) * 1000000, bye(call, **how)))

    def count(self, path):
        with self.lock:
            return sum(q["path"].endswith(path) for q in self.asked)

    def close(self):
        self.held.set()
        self.http.shutdown()
        self.http.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
