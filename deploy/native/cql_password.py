"""Gives a CQL user another password over TLS: PORT CA USER OLD NEW. Speaks version 4 of the protocol.

Ends when the new one is good: the node keeps credentials in mind for two seconds, the old ones too.
"""

import contextlib
import socket
import ssl
import struct
import sys
import time

STARTUP, AUTHENTICATE, QUERY, RESULT, AUTH_RESPONSE, AUTH_SUCCESS = 0x01, 0x03, 0x07, 0x08, 0x0F, 0x10
PATIENCE_S = 30


class Refused(Exception):
    """The node answered something else than was wanted."""


def ask(connection, opcode, body, expected):
    """Sends one frame; the answer must be `expected`."""
    connection.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
    answer = b""
    while len(answer) < 9 or len(answer) < 9 + struct.unpack(">i", answer[5:9])[0]:
        piece = connection.recv(65536)
        if not piece:
            raise Refused("the node hung up")
        answer += piece
    if answer[4] != expected:
        raise Refused(f"the node answered {answer[9:]!r}")


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


@contextlib.contextmanager
def session(port, authority, user, password):
    trust = ssl.create_default_context(cafile=authority)
    with socket.create_connection(("localhost", int(port)), PATIENCE_S) as plain:
        with trust.wrap_socket(plain, server_hostname="localhost") as connection:
            options = struct.pack(">h", 1) + string("CQL_VERSION") + string("3.0.0")
            ask(connection, STARTUP, options, AUTHENTICATE)
            token = f"\0{user}\0{password}".encode()
            ask(connection, AUTH_RESPONSE, struct.pack(">i", len(token)) + token, AUTH_SUCCESS)
            yield connection


def main():
    port, authority, user, old, new = sys.argv[1:]
    with session(port, authority, user, old) as connection:
        query = f"ALTER USER {user} WITH PASSWORD '{new}'".encode()
        body = struct.pack(">i", len(query)) + query + struct.pack(">hB", 1, 0)
        ask(connection, QUERY, body, RESULT)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with session(port, authority, user, new):
                return
        except Refused:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


main()
