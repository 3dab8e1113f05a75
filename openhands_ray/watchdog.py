"""Ends a private cluster with the program that it belongs to.

Run as ``python -I -S watchdog.py FOLDER [lasting] [PID ...]`` by the parent of the cluster's processes. Waits until
standard input closes (a lasting one: for SIGTERM, which its parent has blocked), or one of the processes PID has died,
without which there is no cluster; then kills everything that descends from it, and removes FOLDER. Uses little of the
standard library, for it is there as long as the cluster is.
"""

import os
import select
import signal
import sys
import time

#: Seconds that killed processes have to be gone.
KILL_TIMEOUT_S = 10

#: Seconds of these for what removes the folders and the control groups of sessions that have ended.
JANITORS_TIMEOUT_S = 5

#: What stands in the command of such a process (``openhands_ray/worker/sandbox.py``).
JANITOR = b"openhands-ray-janitor"


def main() -> None:
    """Wait for the end, then end everything."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    folder, *rest = sys.argv[1:]
    lasting = "lasting" in rest
    for signum in (signal.SIGINT, signal.SIGHUP, *[signal.SIGTERM] * (not lasting)):
        signal.signal(signum, signal.SIG_IGN)  # Ctrl-C is for the program; its end closes the pipe
    wait(terminations() if lasting else 0, [int(pid) for pid in rest[lasting:]])
    begin = time.monotonic()
    while time.monotonic() < begin + KILL_TIMEOUT_S and (found := descendants(os.getpid())):
        spared = janitors(found) if time.monotonic() < begin + JANITORS_TIMEOUT_S else set()
        for pid in found:
            if pid in spared:
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def wait(orders: int, vital: list[int]) -> None:
    """Return when standard input has closed, when other ``orders`` have come, or when one of ``vital`` has ended."""
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    for pid in vital:
        try:
            poll.register(os.pidfd_open(pid), select.POLLIN)
        except ProcessLookupError:
            return
        except OSError:  # Linux before 5.3 has no such descriptors
            break
    while True:
        for fd, _ in poll.poll():
            if fd != 0 or not os.read(0, 4096):
                return


def terminations() -> int:
    """Return a descriptor that can be read when SIGTERM has come."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return reading


def janitors(pids: list[int]) -> set[int]:
    """Return those that clean up after a session, with what they run for that."""
    found: set[int] = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if JANITOR in file.read():
                    found |= {pid, *descendants(pid)}
        except OSError:
            continue
    return found


def descendants(root: int) -> list[int]:
    """Return the processes below ``root``, the dead that nobody buried left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    main()
