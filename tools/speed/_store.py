"""An HTTP server on loopback that serves a folder by range; slowly or badly where it is told to."""
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = ('500', 'refuse', 'cut', 'short', 'wrong', 'hang')


class Store(ThreadingHTTPServer):
    """Serves the files of a folder, whole or by range.

    Args:
        folder: what is served.

    Attributes:
        delay: seconds before every answer.
        faults: what goes wrong with the coming requests for shards, one after the other; None: nothing.
        always: what goes wrong with all requests for files whose name ends so.
        requests: (name, first byte, last byte) of every request.
    """
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.folder, self.delay, self.always = folder, 0.0, {}
        self.faults: Iterator[str | None] = iter(())
        self.requests: list[tuple[str, int, int]] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_address[1]}'

    def break_next(self, faults: Iterable[str | None]) -> None:
        self.faults = iter(faults)

    def fault_of(self, name: str, first: int, last: int) -> str | None:
        """What goes wrong with a request."""
        with self._lock:
            self.requests.append((name, first, last))
            for ending, fault in self.always.items():
                if name.endswith(ending):
                    return fault
            return next(self.faults, None) if name.endswith('.tar') else None

    def shards_asked_for(self) -> int:
        return sum(name.endswith('.tar') for name, _, _ in self.requests)

    def handle_error(self, request, client_address) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: Store

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.server.folder / self.path.lstrip('/')
        wanted = re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
        size = path.stat().st_size if path.is_file() else 0
        first, last = (int(wanted[1]), int(wanted[2])) if wanted else (0, size - 1)
        fault = self.server.fault_of(path.name, first, last)
        self.server.closing.wait(60 if fault == 'hang' else self.server.delay)
        if fault == 'refuse':
            self.close_connection = True
            return
        status = 404 if not path.is_file() else 416 if first >= size else 206
        if fault is not None and fault.isdigit():
            status = int(fault)
        if status != 206:
            self.send_response(status)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self._send(path, first, min(last, size - 1), body, fault)

    def _send(self, path: Path, first: int, last: int, body: bool, fault: str | None) -> None:
        if fault == 'no ranges':
            first, last = 0, path.stat().st_size - 1
        with open(path, 'rb') as file:
            file.seek(first)
            data = file.read(last - first + 1)
        if fault == 'wrong':
            data = bytes(x ^ 0x55 for x in data)
        elif fault == 'short':
            data = data[:len(data) // 2]
        self.send_response(200 if fault == 'no ranges' else 206)
        self.send_header('Content-Length', str(len(data)))
        self.send_header('Accept-Ranges', 'bytes')
        self.end_headers()
        if body:
            self.wfile.write(data[:len(data) // 2] if fault == 'cut' else data)
        self.close_connection = fault == 'cut'


@contextmanager
def serve(folder: Path) -> Iterator[Store]:
    """A server of a folder, while this lasts."""
    store = Store(folder)
    thread = threading.Thread(target=store.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.closing.set()
        store.shutdown()
        store.server_close()
        thread.join()
