"""A guard that refuses to start a process in a test that is not marked `slow`."""

from __future__ import annotations

import os
import sys
from typing import Any

_EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"})

_ALLOWED = frozenset({"git", "uname"})
"""Programs that answer within milliseconds: every run asks git for its commit, `platform` asks uname."""


class ProcessRefused(Exception):
    """A test without the marker `slow` tried to start a process."""

    def __init__(self, what: str) -> None:
        super().__init__(f"a test that starts a process ({what}) needs @pytest.mark.slow")


class ProcessGuard:
    """While `active`, starting a process raises `ProcessRefused`; `refused` lists what was tried.

    The list shows attempts whose exception the product caught.
    """

    def __init__(self) -> None:
        self.active = False
        self.refused: list[str] = []

    def install(self) -> None:
        """Watches this process from now on; an audit hook cannot be removed."""
        import multiprocessing.util as util

        sys.addaudithook(self._audit)
        spawn = util.spawnv_passfds  # type: ignore[attr-defined]

        def spawnv_passfds(path: Any, args: Any, passfds: Any) -> Any:
            # multiprocessing's `spawn` and `forkserver` raise no audit event.
            self._refuse("multiprocessing")
            return spawn(path, args, passfds)

        util.spawnv_passfds = spawnv_passfds  # type: ignore[attr-defined]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not self.active:
            return
        if event == "subprocess.Popen":
            executable, command = arguments[:2]
            program = executable or (command if isinstance(command, str) else command[0])
            if os.path.basename(os.fsdecode(program)) in _ALLOWED:
                return
        self._refuse(f"{event} {arguments[:2] if arguments else ''}")

    def _refuse(self, what: str) -> None:
        if self.active:
            self.refused.append(what)
            raise ProcessRefused(what)
