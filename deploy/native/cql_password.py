"""Gives a CQL user another password over TLS: PORT CA USER OLD NEW. Speaks version 4 of the protocol."""

import socket
import ssl
import struct
import sys

STARTUP, AUTHENTICATE, QUERY, RESULT, AUTH_RESPONSE, AUTH_SUCCESS = 0x01, 0x03, 0x07, 0x08, 0x0F, 0x10


def ask(connection, opcode, body, expected):
    """Sends one frame; the answer must be `expected`."""
    connection.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
    answer = b""
    while len(answer) < 9 or len(answer) < 9 + struct.unpack(">i", answer[5:9])[0]:
        piece = connection.recv(65536)
        if not piece:
            sys.exit("cql_password: the node hung up")
        answer += piece
    if answer[4] != expected:
        sys.exit(f"cql_password: the node answered {answer[9:]!r}")


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def main():
    port, authority, user, old, new = sys.argv[1:]
    trust = ssl.create_default_context(cafile=authority)
    with socket.create_connection(("localhost", int(port)), 30) as plain:
        with trust.wrap_socket(plain, server_hostname="localhost") as connection:
            options = struct.pack(">h", 1) + string("CQL_VERSION") + string("3.0.0")
            ask(connection, STARTUP, options, AUTHENTICATE)
            token = f"\0{user}\0{old}".encode()
            ask(connection, AUTH_RESPONSE, struct.pack(">i", len(token)) + token, AUTH_SUCCESS)
            query = f"ALTER USER {user} WITH PASSWORD '{new}'".encode()
            body = struct.pack(">i", len(query)) + query + struct.pack(">hB", 1, 0)
            ask(connection, QUERY, body, RESULT)


main()
