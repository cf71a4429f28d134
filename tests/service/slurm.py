"""A SLURM of the test session's own: one node on the loopback, from Debian's packages slurm-wlm and munge.

There is no database of accounts, and so no `sacct`, as on many a small cluster.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "scontrol", "slurmctld", "slurmd", "munged")
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # a user's PATH may lack those of the daemons

_CONF = """\
ClusterName=harness
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
KillWait=5
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=65536
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why there can be no SLURM here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PLACES) is None]
    if absent:
        return f"SLURM is not installed: no {', '.join(absent)} (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root only"


@contextmanager
def running() -> Iterator[Path]:
    """The cluster, for as long as the `with` block; its slurm.conf, to which SLURM_CONF must lead."""
    folder = Path(tempfile.mkdtemp(prefix="harness-slurm-"))
    folder.chmod(0o755)  # munge refuses a socket that others cannot reach
    try:
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        user = pwd.getpwuid(os.geteuid()).pw_name
        conf = folder / "slurm.conf"
        conf.write_text(_CONF.format(host=host, user=user, folder=folder, ports=_free_ports(2)))
        with ExitStack() as stack:
            daemons = [
                stack.enter_context(_daemon(words, folder, conf))
                for words in (
                    _munged(folder),
                    ["slurmctld", "-D", "-c", "-f", str(conf)],
                    ["slurmd", "-D", "-c", "-f", str(conf), "-N", host],
                )
            ]
            _await(daemons, folder, conf)
            yield conf
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _munged(folder: Path) -> list[str]:
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    return [
        "munged",
        "--foreground",
        "--force",
        *(f"--{option}={folder}/munge.{name}" for option, name in files.items()),
    ]


@contextmanager
def _daemon(words: list[str], folder: Path, conf: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which(words[0], path=_PLACES)
    assert program is not None
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    with (folder / f"{words[0]}.out").open("wb") as out:
        process = subprocess.Popen([program, *words[1:]], stdout=out, stderr=out, env=environment, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(daemons: list[subprocess.Popen[bytes]], folder: Path, conf: Path) -> None:
    """Until the node takes jobs."""
    command = ["sinfo", "--noheader", "--format=%T"]
    until = time.monotonic() + 60
    while True:
        asked = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "SLURM_CONF": str(conf)}
        )
        if asked.stdout.strip() == "idle":
            return
        if time.monotonic() > until or any(daemon.poll() is not None for daemon in daemons):
            logs = "\n".join(f"{file.name}: {file.read_text()}" for file in folder.glob("*.out"))
            raise AssertionError(f"SLURM did not come up:\n{asked.stdout}{asked.stderr}\n{logs}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
