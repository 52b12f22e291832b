"""A gateway that costs next to nothing: `python -m tests.benchmarks.cheap_gateway RESULT SECONDS`.

It throws a request's body away inside the kernel, answers `SECONDS` later as the service does,
and sends the file `RESULT` as every result. One thread a connection; it prints its port.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from itertools import count
from pathlib import Path

HEAD_BYTES = 64 * 1024
"""The longest head of a request, with what of its body comes along."""

DISCARDED_BYTES = 1024 * 1024
"""What is thrown away of a body in one step."""

RECEIVE_BUFFER = 4 * 1024 * 1024

_MOST_WAITING = 512
_numbers = count(1)


class Door:
    """One listening socket, and what it answers."""

    def __init__(self, result: Path, seconds: float) -> None:
        self._result = os.open(result, os.O_RDONLY)
        self._size = result.stat().st_size
        self._seconds = seconds
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=_MOST_WAITING)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.port = int(self._listening.getsockname()[1])

    def serve(self) -> None:
        """Answer whoever comes, until the process ends."""
        while True:
            connection, _ = self._listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while (head := self._head(connection)) is not None:
                if head.startswith(b"GET"):
                    self._send_result(connection)
                else:
                    self._send_answer(connection)

    def _head(self, connection: socket.socket) -> bytes | None:
        """The head of the next request, whose body is gone by then; None at the end."""
        came = b""
        while b"\r\n\r\n" not in came:
            try:
                piece = connection.recv(HEAD_BYTES)
            except ConnectionError:
                return None
            if not piece or len(came) > HEAD_BYTES:
                return None
            came += piece
        head, _, body = came.partition(b"\r\n\r\n")
        left = _length(head) - len(body)
        nowhere = bytearray(DISCARDED_BYTES)
        while left > 0:
            size = connection.recv_into(nowhere, min(left, DISCARDED_BYTES), socket.MSG_TRUNC)
            if not size:
                return None
            left -= size
        return head

    def _send_answer(self, connection: socket.socket) -> None:
        time.sleep(self._seconds)
        url = f"http://127.0.0.1:{self.port}/results/{next(_numbers)}.png"
        body = (
            '{"status_code":200,"request_id":"bench","code":"","message":"","output":{"choices":'
            '[{"finish_reason":"stop","message":{"role":"assistant","content":[{"image":"'
            f'{url}"}}]}}}}]}},"usage":{{"image_count":1}}}}'
        ).encode()
        connection.sendall(_answer_head("application/json", len(body)) + body)

    def _send_result(self, connection: socket.socket) -> None:
        connection.sendall(_answer_head("image/png", self._size))
        offset = 0
        while offset < self._size:
            offset += os.sendfile(connection.fileno(), self._result, offset, self._size - offset)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _answer_head(kind: str, length: int) -> bytes:
    return (f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n").encode()


if __name__ == "__main__":
    door = Door(Path(sys.argv[1]), float(sys.argv[2]))
    sys.stdout.write(f"{door.port}\n")
    sys.stdout.flush()
    door.serve()
