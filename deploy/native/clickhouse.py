"""ClickHouse's HTTP interface, as far as tests need it, before the engine itself (chDB) in this process.

    clickhouse.py FOLDER PORT

Answers on 127.0.0.1 as user `default` without a password. A statement comes as `query` or in the body, an INSERT's
rows in the body; `database`, settings and `param_<name>` come in the address. Not compressed: a client says so.
"""

import re
import sys
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

# chDB takes these in for data frames, which no answer here is made of.
for name in ("pandas", "pyarrow"):
    sys.modules.setdefault(name, types.ModuleType(name))
import chdb

INSERT = re.compile(rb"\s*(insert\s+into\s.+?)\s+format\s+(\w+)[ \t;]*\r?\n?", re.I | re.S)
SILENT = re.compile(r"\s*(insert|create|alter|drop|truncate|optimize|system|set|rename|delete|detach|attach)\b", re.I)
NO_SETTINGS = {"query", "database", "default_format", "user", "password", "query_id", "session_id", "compress", "decompress"}
CODE = re.compile(r"Code: (\d+)")


class Engine:
    """One folder of data. A request has a connection of its own, so that its settings end with it."""

    def __init__(self, folder):
        self.folder = folder
        self.open = chdb.connect(folder)  # keeps the engine up between requests

    def run(self, statement, form, database, settings):
        connection = chdb.connect(self.folder)
        try:
            if database:
                connection.query(f"USE `{database}`")
            for key, value in settings.items():
                text = value.replace("\\", "\\\\").replace("'", "\\'")
                connection.query(f"SET {key} = '{text}'")
            insert = INSERT.match(statement)
            if insert:
                with connection.send_insert(insert[1].decode(), insert[2].decode()) as rows:
                    rows.append(statement[insert.end():])
                    rows.finish()
                return b""
            text = statement.decode()
            answer = connection.query(text, form)
            return b"" if SILENT.match(text) else answer.bytes()
        finally:
            connection.close()


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        address = urlsplit(self.path)
        asked = dict(parse_qsl(address.query, keep_blank_values=True))
        body = self.body()
        statement = b"\n".join(part for part in (asked.get("query", "").encode(), body) if part)
        if address.path == "/ping" or not statement:
            return self.answer(200, b"Ok.\n")
        if asked.get("compress") == "1" or asked.get("decompress") == "1":
            return self.answer(501, b"Code: 48. Compression is not served here: switch it off at the client\n", 48)
        settings = {key: value for key, value in asked.items() if key not in NO_SETTINGS}
        form = asked.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        database = asked.get("database") or self.headers.get("X-ClickHouse-Database")
        try:
            self.answer(200, ENGINE.run(statement, form, database, settings))
        except Exception as error:  # whatever the engine says goes to the client
            code = int((CODE.search(str(error)) or [0, 1002])[1])
            self.answer(404 if code in (60, 81) else 400 if code == 62 else 500, f"{error}\n".encode(), code)

    do_POST = do_GET

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ENGINE = Engine(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Front)
    server.daemon_threads = True
    server.serve_forever()
