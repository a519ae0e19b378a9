"""Names what this machine lacks for the project's commands, and the command that brings each.

`preflight.py` looks for what a virtual environment and the unit tests need, `preflight.py demo` also for what real control planes need,
`preflight.py planes` for all that the tests on them need.
Standard library only, and syntax that an older Python reads: it runs before anything is there.
"""

import os
import re
import shutil
import subprocess
import sys

GO = (1, 26)
SETUP_GB = 5
PLANES_GB = 15
SSHD = "/usr/sbin/sshd"


def missing(with_planes, with_sshd):
    """Return a line for everything that is not there."""
    found = []
    if sys.version_info < (3, 11):  # noqa: UP036  (this file is run by the interpreter that is there)
        found.append(
            f"Python >= 3.11 (this is {sys.version.split()[0]}): apt-get install python3.11, or set PYTHON="
        )
    if not shutil.which("git"):
        found.append("git: apt-get install git")
    found += _go()
    if with_sshd and not os.path.exists(SSHD):
        found.append(f"{SSHD}: apt-get install openssh-server")
    if with_planes:
        found += _planes()
    return found


def _go():
    if not shutil.which("go"):
        return ["Go >= 1.26 (builds the renderer): install it from go.dev/dl and put it on PATH"]
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    if not version or tuple(int(part) for part in version.groups()) < GO:
        return [f"Go >= 1.26 (this says {said.strip() or 'nothing'}): install it from go.dev/dl"]
    return []


def _planes():
    """Real planes run our Pods in mount namespaces of their own."""
    found = []
    if not shutil.which("openssl"):
        found.append("openssl: apt-get install openssl")
    if not shutil.which("unshare"):
        found.append("unshare: apt-get install util-linux")
    elif os.geteuid() != 0:
        found.append("root (the test clusters' Pods get mounts of their own): run the same command with sudo")
    elif subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        found.append("leave to make mount namespaces: a container needs the capability SYS_ADMIN")
    return found


def _disk(with_planes):
    need_gb = PLANES_GB if with_planes else SETUP_GB
    free_gb = shutil.disk_usage(".").free / 1e9
    return (
        [] if free_gb >= need_gb else [f"{need_gb} GB of free disk ({free_gb:.1f} GB here): free some space"]
    )


if __name__ == "__main__":
    wants_planes = sys.argv[1:] in (["demo"], ["planes"])
    lacking = missing(wants_planes, with_sshd=sys.argv[1:] == ["planes"]) + _disk(wants_planes)
    for line in lacking:
        print(f"missing: {line}", file=sys.stderr)
    sys.exit(1 if lacking else 0)
