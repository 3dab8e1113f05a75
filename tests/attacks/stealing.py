"""Attempts to see or to change what is not the session's: the host's, Ray's, another session's."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from attack import Attack, by_script
from field import Field, Target

EVERYWHERE = ("shell", "kernel", "MCP server")
NO_NETWORK = "OPENHANDS_RAY_NETWORK=none"

#: Connects to a socket and prints what it says.
_CONNECT = (
    '@python@ -c "import socket, sys; s = socket.socket(socket.{family}); s.settimeout(5); '
    's.connect({address}); print(s.recv(100).decode())" 2>/dev/null'
)
_ENVIRONMENTS = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a {word}"
#: The namespaces are entered by a process that goes on: another program would lose the capabilities in them.
_UNMOUNT_ALL = (
    '@python@ -S -c "import ctypes, os\n'
    "os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)\n"
    "library = ctypes.CDLL(None)\n"
    "for line in sorted(open('/proc/mounts'), reverse=True):\n"
    "    library.umount2(line.split()[1].encode(), 2)\n"
    "for path in ('@key@', '@victim@/workspace/key'):\n"
    "    try: print(open(path).read())\n"
    '    except OSError: pass"'
)

_LOOK_INTO = "for each in environ mem fd/0; do : < /proc/{pid}/$each && echo looked into; done 2>/dev/null"

_HOST = [
    *by_script("a file of the host", "cat @key@", "host file", through=EVERYWHERE),
    *by_script("the folder of temporary files of the host", "ls -a @tmp@", "host listing"),
    *by_script(
        "environments of other processes, with API keys",
        _ENVIRONMENTS.format(word="API_KEY"),
        "environment",
        through=EVERYWHERE,
    ),
    *by_script("password hashes", "cat /etc/shadow /etc/gshadow", "shadow", through=EVERYWHERE),
    *by_script(
        "the host's files under the root of each process", "cat /proc/[0-9]*/root@key@ 2>/dev/null", "host file"
    ),
    *by_script(
        "the host's files through descriptors and working folders that were left open",
        "for each in /proc/[0-9]*/cwd /proc/[0-9]*/fd/*; do "
        'timeout 5 cat "$each/../../../../../../../..@key@" 2>/dev/null; done',
        "host file",
    ),
    *by_script(
        "what lies under the mounts, in namespaces of one's own", _UNMOUNT_ALL, "host file", outside="cat @key@"
    ),
    *by_script(
        "out of the root by chroot, in namespaces of one's own",
        "@python@ -S -c \"import os; os.makedirs('/tmp/in', exist_ok=True); os.unshare(os.CLONE_NEWUSER); "
        "os.chroot('/tmp/in'); [os.chdir('..') for _ in range(50)]; os.chroot('.'); print(open('@key@').read())\" "
        "2>/dev/null",
        "host file",
        outside="cat @key@",
    ),
    *by_script(
        "a process of the host, looked into by its number",
        "cat /proc/@pid@/environ 2>/dev/null | tr '\\0' '\\n' | grep -a API_KEY",
        "environment",
    ),
    *by_script(
        "the session's own first process: its environment, memory and descriptors",
        _LOOK_INTO.format(pid=1),
        "looked into",
        through=EVERYWHERE,
        outcome="it cannot be looked into",
        outside=_LOOK_INTO.format(pid="@pid@"),
    ),
    *by_script(
        "an abstract socket of the host",
        _CONNECT.format(family="AF_UNIX", address="'@abstract@'.replace('@', chr(0))"),
        "host abstract",
        through=EVERYWHERE,
        outcome="the connection is refused (Landlock, Linux 6.12)",
    ),
    *by_script(
        "a socket of the host in a folder", _CONNECT.format(family="AF_UNIX", address="'@socket@'"), "host socket"
    ),
]

_RAY = [
    *by_script("the environment of Ray's processes", _ENVIRONMENTS.format(word="^RAY_"), "RAY_", through=EVERYWHERE),
    *by_script("the folder of Ray's sockets", "ls -R @ray@", "ray folder"),
    *by_script(
        "Ray's control service, by its address",
        "@python@ -c \"from ray._raylet import GcsClient; c = GcsClient(address='@gcs@'); "
        'print([each.hex() for each in c.get_all_node_info(timeout=10)])" 2>/dev/null',
        "node",
        through=EVERYWHERE,
        outcome="it is refused: it has no token",
    ),
    *by_script(
        "Ray's objects in shared memory", "ls /dev/shm /proc/[0-9]*/fd -l 2>/dev/null | grep -i plasma", "plasma"
    ),
]

_SESSION = [
    *by_script("files of another session: workspace, home, /tmp", "cat @victim@/*/key", "victim", through=EVERYWHERE),
    *by_script("processes of another session", "tr '\\0' '\\n' < /proc/@sleeper@/environ", "victim"),
    *by_script("the root of another session's processes", "cat /proc/@sleeper@/root/workspace/key", "victim"),
    *by_script("shared memory of another session", "cat /proc/@sleeper@/root/dev/shm/key /dev/shm/*", "victim"),
    *by_script(
        "System V shared memory of another session",
        '@python@ -c "import ctypes; c = ctypes.CDLL(None); c.shmat.restype = ctypes.c_void_p; '
        'print(ctypes.string_at(c.shmat(c.shmget(@shm_key@, 0, 0), None, 0)))" 2>/dev/null',
        "victim",
        outside="",  # it is of another namespace there, too
    ),
    *by_script(
        "an abstract socket of another session",
        _CONNECT.format(family="AF_UNIX", address="'@victim_abstract@'.replace('@', chr(0))"),
        "victim",
        through=EVERYWHERE,
        outcome="the connection is refused (Landlock, Linux 6.12)",
    ),
    *by_script(
        "a socket in another session's /tmp",
        _CONNECT.format(family="AF_UNIX", address="'@victim@/tmp/victim.socket'"),
        "victim",
    ),
    *by_script("the sockets of another session's kernel", "ls @victim@/tmp/kernel-*", "socket"),
    *by_script(
        "a port of another session on the loopback",
        _CONNECT.format(family="AF_INET", address="('127.0.0.1', @port@)"),
        "victim",
        through=EVERYWHERE,
        open_unless=NO_NETWORK,
    ),
]


def _read_through_a_link(field: Field, target: Target) -> str:
    target.shell(field.filled("ln -sfn @key@ link; ln -sfn @folder@ folder; ln -sfn / all"))
    seen = [target.act("FileReadAction", path=f"/workspace/{path}") for path in ("link", field.filled("all@key@"))]
    seen.append(target.act("FileEditAction", path="/workspace/link", command="view"))
    return "".join([*seen, *target.runtime.list_files("/workspace/folder")])


def _write_through_a_link(field: Field, target: Target) -> str:
    target.shell(field.filled("ln -sfn @key@ link; ln -sfn @folder@ folder"))
    target.act("FileWriteAction", path="/workspace/link", content="changed")
    target.act("FileWriteAction", path="/workspace/folder/new", content="new")
    target.act("FileEditAction", path="/workspace/link", command="create", file_text="changed")
    assert Path(field.names["key"]).read_text() == field.secrets["host file"]
    assert not Path(field.names["folder"], "new").exists()
    return ""


def _name_a_file_of_the_host(field: Field, target: Target) -> str:
    path, up = field.names["key"], "../" * 20
    paths = (path, f"/workspace/{up}{path}", f"/proc/1/root{path}", f"/proc/{field.names['pid']}/root{path}")
    return "".join(target.act("FileReadAction", path=each) for each in paths)


def _copy_out(field: Field, target: Target) -> str:
    target.shell(field.filled("mkdir -p out; ln -sfn @key@ out/link; ln -sfn @folder@ out/folder; ln -sfn / out/all"))
    seen = ""
    for path in ("/workspace/out", "/workspace/out/link", "/workspace/out/folder", field.names["key"]):
        try:
            packed: Path = target.runtime.copy_from(path)
        except Exception as error:  # whatever OpenHands' class of it: it did not come out
            seen += str(error).replace(field.names["key"], "")
            continue
        with zipfile.ZipFile(packed) as archive:
            seen += "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
        packed.unlink()
    return seen


def _copy_in_over_a_link(field: Field, target: Target) -> str:
    target.shell(field.filled("ln -sfn @folder@ landing; ln -sfn @key@ key"))
    source = field.folder / "source"
    source.mkdir(exist_ok=True)
    (source / "key").write_text("changed")
    for destination in ("/workspace/landing", "/workspace", field.names["folder"]):
        _try(lambda destination=destination: target.runtime.copy_to(str(source / "key"), destination))
    assert Path(field.names["key"]).read_text() == field.secrets["host file"]
    assert Path(field.names["folder"], "key").read_text() == "x"
    return ""


def _copy_in_a_hostile_archive(field: Field, target: Target) -> str:
    archive = field.folder / "hostile.zip"
    evil = field.names["folder"]
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("../" * 20 + evil.lstrip("/") + "/evil", f"{evil}/evil", "lnk/evil", "a/../../../evil"):
            if name.startswith("lnk"):
                link = zipfile.ZipInfo("lnk")
                link.external_attr = (stat.S_IFLNK | 0o777) << 16
                packed.writestr(link, evil)
            packed.writestr(name, "evil")
    _try(lambda: target.runtime.copy_to(str(archive), "/workspace/zip"))
    assert not Path(evil, "evil").exists()
    assert not Path("/evil").exists()
    return target.shell("cat zip/lnk/key 2>/dev/null")


def _browse_files(field: Field, target: Target) -> str:
    urls = [f"file://{field.names[name]}" for name in ("key", "folder")]
    urls += [f"file://{field.names['victim']}/workspace/key", f"view-source:file://{field.names['key']}"]
    return "".join(target.act("BrowseURLAction", url=url) for url in urls).replace(field.names["key"], "")


def _browse_the_victim(field: Field, target: Target) -> str:
    target.shell(field.filled("ln -sfn @victim@/workspace victim; ln -sfn @key@ key.txt"))
    return "".join(target.act("BrowseURLAction", url=f"file:///workspace/{name}") for name in ("victim/key", "key.txt"))


def _try(work: object) -> None:
    try:
        work()  # type: ignore[operator]
    except Exception:  # it is what it left behind that counts
        return


def _kill_all(field: Field, target: Target) -> str:
    """Nothing else than the session's own may end: not the actor, nor the victim."""
    target.script("shell", field.filled("kill -9 -1 @sleeper@ @actor@ @raylet@ @pid@ 2>/dev/null"))
    assert "None" in field.victim.cell("print(process.poll())")
    assert target.goes_on()
    return ""


def _kill_from_the_kernel(field: Field, target: Target) -> str:
    target.cell("import os; os.kill(-1, 9)")
    assert "None" in field.victim.cell("print(process.poll())")
    assert target.goes_on()
    return ""


_FILES = [
    Attack(
        "a link made in the shell, read, viewed and listed",
        "file actions",
        "the file is not there",
        _read_through_a_link,
        "host file",
    ),
    Attack(
        "a link made in the shell, written to", "file actions", "the host's file is as it was", _write_through_a_link
    ),
    Attack(
        "paths of the host, through .. and /proc",
        "file actions",
        "the file is not there",
        _name_a_file_of_the_host,
        "host file",
    ),
    Attack(
        "links made in the shell, copied out", "copies", "what they lead to is not in the copy", _copy_out, "host file"
    ),
    Attack("links made in the shell, copied onto", "copies", "the host's file is as it was", _copy_in_over_a_link),
    Attack(
        "an archive with .., absolute names and a link",
        "copies",
        "nothing is written outside of the folder",
        _copy_in_a_hostile_archive,
        "host file",
    ),
    Attack(
        "file:// to the host and to another session", "browser", "Chromium finds no file", _browse_files, "host file"
    ),
    Attack(
        "file:// through a link made in the shell", "browser", "Chromium finds no file", _browse_the_victim, "victim"
    ),
    Attack(
        "kill -9 of everything, and of processes of the host",
        "shell",
        "only the session's own end; a new shell says so",
        _kill_all,
    ),
    Attack("kill -9 of everything", "kernel", "only the session's own end", _kill_from_the_kernel),
]

ATTACKS: list[Attack] = [*_HOST, *_FILES, *_RAY, *_SESSION]
