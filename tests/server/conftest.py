"""A server that does whatever a test wants."""

import contextlib
import re
import socket
import threading

import pytest


@pytest.fixture
def hostile():
    """Make a server that reads a request and then does as told with each connection; its `asked` are the requests."""
    sockets = []

    def make(answer, context=None):
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        made = {"url": f"http://127.0.0.1:{listening.getsockname()[1]}/", "asked": []}

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                    connection = context.wrap_socket(connection, server_side=True) if context else connection
                except OSError:
                    return
                with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
                    head = file.readline().decode()
                    if not head:
                        return
                    while (line := file.readline().decode()).strip():
                        head += line
                    length = re.search(r"(?i)^content-length: (\d+)", head, re.MULTILINE)
                    file.read(int(length[1]) if length else 0)
                    made["asked"].append(head)
                    for piece in answer(head) if callable(answer) else [answer]:
                        connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        return made

    yield make
    for listening in sockets:  # a connection that says nothing ends it
        socket.create_connection(listening.getsockname()).close()
        listening.close()
