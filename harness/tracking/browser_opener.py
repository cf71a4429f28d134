"""A process that waits until MLflow's server answers and then opens a page in the browser."""

from __future__ import annotations

import socket
import sys
import time
import webbrowser

_PATIENCE = 60.0
_POLL = 0.2


def opened(host: str, port: int, page: str, patience: float = _PATIENCE) -> bool:
    """Whether the server answered within that many seconds and a browser opened the page."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_POLL)
        else:
            return webbrowser.open(page)
    return False


if __name__ == "__main__":
    opened(sys.argv[1], int(sys.argv[2]), sys.argv[3])
