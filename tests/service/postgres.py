"""A PostgreSQL server of the test session's own, on the loopback, with a password."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER = "clinician"
PASSWORD = "p@ss:w/rd %41'7"  # as awkward as a password may be
DATABASE = "clinic"


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest first; None: PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3])
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A running server: `url` leads to an empty database, as its owner."""

    user, password = USER, PASSWORD

    def __init__(self, port: int, begin: Callable[[], subprocess.Popen[bytes]], log: Path) -> None:
        self.port = port
        self.url = self.url_of()
        self._begin, self._log = begin, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; its data are those from before `stop`."""
        self._process = self._begin()
        _await(self, self._process, self._log)

    def stop(self) -> None:
        """Ends all connections and the server."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # SIGTERM would wait for the clients to leave
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def url_of(self, user: str = USER, password: str = PASSWORD, database: str = DATABASE) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        """Statements one after the other; the last one for each of the rows, if given."""
        import psycopg

        with psycopg.connect(**self._keywords(DATABASE)) as connection, connection.cursor() as cursor:
            for statement in statements[: -1 if rows else None]:
                cursor.execute(statement)
            if rows:
                cursor.executemany(statements[-1], rows)

    def create_database(self) -> None:
        import psycopg

        with psycopg.connect(**self._keywords("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {DATABASE}")

    def _keywords(self, database: str) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": PASSWORD,
            "dbname": database,
        }


@contextmanager
def running(bin: Path) -> Iterator[Postgres]:
    """The server, which ends, and whose files go, with the `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="harness-postgres-"))  # short, and open to another user
    data, secret = folder / "data", folder / "password"
    other = _unprivileged()
    server = None
    try:
        data.mkdir()
        secret.write_text(PASSWORD)
        if other:
            for path in (folder, data, secret):
                shutil.chown(path, other["user"], other["group"])
        words = ["-D", data, "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        command = [bin / "initdb", *words, "--no-locale", "-E", "UTF8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)
        port = _free_port()
        server = Postgres(port, partial(_start, bin, data, port, other), folder / "log")
        server.start()
        server.create_database()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start(bin: Path, data: Path, port: int, other: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "20",
        "shared_buffers": "16MB",
        "timezone": "Europe/Vienna",  # whose offset changes in summer
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (data.parent / "log").open("wb") as log:
        return subprocess.Popen(
            [bin / "postgres", "-D", data, *words], stdout=log, stderr=log, cwd=data.parent, **other
        )


def _await(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(**server._keywords("postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"PostgreSQL did not come up:\n{log.read_text()}") from None
            time.sleep(0.05)


def _unprivileged() -> dict[str, Any]:
    """The user that the server runs as, which must not be root."""
    if os.geteuid() != 0:
        return {}
    import grp
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in known else "nobody"
    group = grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    return {"user": name, "group": group, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
