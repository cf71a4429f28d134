"""A fork server that imports little, for tests of what processes do, and not of what they have imported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.sweep.launch import fork_server

_IMPORTED = ["harness.core.error_text", "harness.runtime.masked_output", "harness.sweep.launch.launcher_job"]


@pytest.fixture(scope="module", autouse=True)
def small_server() -> Iterator[None]:
    """Starts in a tenth of the time of one that imports torch; the session's server stays for other tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fork_server, "_server", None)
        patched.setattr(fork_server, "_modules", lambda: _IMPORTED)
        yield
        fork_server._forget()
