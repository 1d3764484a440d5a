"""Drop root, arrange to end with the parent process, and execute a server program.

Runs as a program of its own (``python -IS server_child.py UID GID SIGNAL PARENT -- PROGRAM …``), so
it imports nothing of the package. UID ``-1`` keeps the user; with SIGNAL 0 the server outlives the
parent.
"""

from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replace this process with the program in *arguments*; never returns."""
    uid, gid, death_signal, parent = (int(word) for word in arguments[:4])
    program = arguments[5:]
    libc = None
    if death_signal and sys.platform == "linux":
        import ctypes  # now: Python's library may be out of reach for the other user

        libc = ctypes.CDLL(None)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if libc:
        libc.prctl(PR_SET_PDEATHSIG, death_signal)  # setuid clears it, exec keeps it
        if os.getppid() != parent:  # the parent ended before the kernel took note
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main(sys.argv[1:])
