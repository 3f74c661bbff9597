"""What processes cost, read from /proc: processor seconds and memory of a tree, and who holds a connection."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and everything below it."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def command(pid: int) -> str:
    """What it was started with; empty once it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def processor_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes, with that of their ended children."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def memory(pids: Iterable[int]) -> dict[str, int]:
    """MiB: resident (`rss`, shared pages in each), and with shared pages counted once (`pss`)."""
    found = {"rss": 0, "pss": 0}
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name = line.partition(":")[0].lower()
                if name in found:
                    found[name] += int(line.split()[1])
    return {name: kib // 1024 for name, kib in found.items()}


def listeners(port: int, pids: Iterable[int]) -> list[int]:
    """Which of the processes listen on the port."""
    inodes = {inode for local, _, state, inode in _sockets() if local == port and state == "0A"}
    return [pid for pid in pids if inodes & _inodes_of(pid)]


def holders(port: int, remotes: Sequence[int], workers: Sequence[int]) -> dict[int, int]:
    """Which worker has accepted the connection of each remote port."""
    of_inode = {
        inode: remote for local, remote, state, inode in _sockets() if local == port and state == "01" and inode
    }
    wanted = set(remotes)
    return {
        of_inode[inode]: pid
        for pid in workers
        for inode in _inodes_of(pid) & of_inode.keys()
        if of_inode[inode] in wanted
    }


def _sockets() -> list[tuple[int, int, str, int]]:
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[place].rpartition(":")[2], 16) for place in (1, 2))
        found.append((local, remote, fields[3], int(fields[9])))
    return found


def _inodes_of(pid: int) -> set[int]:
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found
