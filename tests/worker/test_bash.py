"""The persistent shell, without a sandbox."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import gone

from openhands_ray.worker.bash import BashSession, ShellError

Run = Callable[..., dict[str, Any]]


def make(folder: Path, no_change_timeout_s: float = 10) -> BashSession:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "USER": "me", "TERM": "screen", "LANG": "C.UTF-8"}
    return BashSession(str(folder), env, no_change_timeout_s=no_change_timeout_s)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BashSession]:
    shell = make(tmp_path_factory.mktemp("shell"))
    yield shell
    shell.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[BashSession]:
    shell = make(tmp_path, no_change_timeout_s=0.3)
    yield shell
    shell.close()


def run(shell: BashSession, command: str, timeout_s: float | None = 20, **args: Any) -> dict[str, Any]:
    return shell.execute({"command": command, **args}, timeout_s)


def content(shell: BashSession, command: str) -> str:
    return str(run(shell, command)["content"])


def metadata(observation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = observation["extras"]["metadata"]
    return found


@pytest.mark.parametrize(
    ("command", "shown", "exit_code"),
    [
        ("echo one two", "one two", 0),
        ("false", "", 1),
        ("no-such-command-here", "bash: no-such-command-here: command not found", 127),
        ("(exit 42)", "", 42),
        ("echo out; echo err >&2", "out\nerr", 0),
        ("printf 'no newline'", "no newline", 0),
        ("printf '50%%\\r100%%\\n'", "100%", 0),
        ("cat <<E\n1\n  2\nE", "1\n  2", 0),
        ("echo 'it'\"'\"'s' \"!\" '$HOME'", "it's ! $HOME", 0),
        ("echo 'a\tb' | cat -A", "a^Ib$", 0),
        ("echo ä€𝄞", "ä€𝄞", 0),
        ("for i in 1 2; do\n echo $i\ndone", "1\n2", 0),
        ("echo a && false || echo b", "a\nb", 0),
        ("[[ -d / ]]\necho hi", "hi", 0),
        ("case a in a) echo A;; esac\necho B", "A\nB", 0),
        ("echo a\n)", "a\nbash: syntax error near unexpected token `)'", 2),
        ("echo )", "bash: syntax error near unexpected token `)'", 2),
    ],
)
def test_a_command(shared: BashSession, command: str, shown: str, exit_code: int) -> None:
    observation = run(shared, command)
    if shown:
        assert observation["content"] == shown
    assert metadata(observation)["exit_code"] == exit_code
    assert metadata(observation)["suffix"] == f"\n[The command completed with exit code {exit_code}.]"
    assert observation["extras"]["command"] == command


def test_state_persists(shared: BashSession, tmp_path: Path) -> None:
    run(shared, f"cd {tmp_path}; v=1; export w=2; f() {{ echo f$1; }}; shopt -s nullglob")
    observation = run(shared, "echo $v $w $(f 3); pwd; shopt nullglob")
    assert observation["content"].split() == ["1", "2", "f3", str(tmp_path), "nullglob", "on"]
    assert metadata(observation)["working_dir"] == shared.cwd == str(tmp_path)


def test_metadata_names_user_host_and_python(shared: BashSession) -> None:
    found = metadata(run(shared, "whoami; hostname; type -p python"))
    user, _, python = content(shared, "whoami; hostname; type -p python").split("\n")
    assert (found["username"], found["py_interpreter_path"]) == (user, python)


def test_a_background_job_goes_on_and_its_pid_is_told(shared: BashSession) -> None:
    pid = metadata(run(shared, "sleep 1000 &"))["pid"]
    assert f"{pid} Running sleep 1000" in " ".join(content(shared, "jobs -l").split())
    assert metadata(run(shared, "kill %1; wait %1"))["exit_code"] == 143


def test_several_commands_are_refused(shared: BashSession, tmp_path: Path) -> None:
    observation = run(shared, f"touch {tmp_path}/x\necho 2")
    assert observation["observation"] == "error"
    assert f"(1) touch {tmp_path}/x\n(2) echo 2" in observation["content"]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("args", "verb"), [({"command": ""}, "retrieve logs from"), ({"command": "x", "is_input": True}, "interact with")]
)
def test_nothing_is_running(shared: BashSession, args: dict[str, Any], verb: str) -> None:
    assert shared.execute(args, 5)["content"] == f"ERROR: No previous running command to {verb}."


def test_a_nul_byte_is_refused(shared: BashSession) -> None:
    assert run(shared, "echo a\0b")["content"] == "embedded null byte"
    assert content(shared, "echo still here") == "still here"


def test_hidden_is_kept(shared: BashSession) -> None:
    assert run(shared, "true", hidden=True)["extras"]["hidden"] is True


def test_the_last_lines_of_long_output_are_kept(shared: BashSession) -> None:
    observation = run(shared, "seq 1 900000")
    assert observation["content"].endswith("899999\n900000")
    assert metadata(observation)["prefix"].startswith("[Previous command outputs are truncated. Showing the last ")
    assert content(shared, "echo next") == "next"


def test_the_prompt_is_found_whatever_goes_from_the_front(shared: BashSession) -> None:
    for length in (300, 380, 400):  # 11,000 such lines are about what a buffer is cut at
        observation = run(shared, f"seq -f %0{length}.0f 40000")
        assert metadata(observation)["exit_code"] == 0
        assert observation["content"].endswith("040000")


def test_output_cannot_forge_a_prompt(shared: BashSession) -> None:
    assert content(shared, "echo ${OPENHANDS_RAY_KEY-unset}") == "unset"
    run(shared, r"printf '\e]7777;0123456789abcdef0123456789abcdef;P;9\x1f\x1fu\x1fh\x1f/\x1f/\a'")
    assert shared.cwd != "/"


def test_a_changed_prompt_does_not_matter(shared: BashSession) -> None:
    run(shared, "PS1='$ '; export PS1")
    assert content(shared, "echo here") == "here"


@pytest.mark.parametrize("command", ["unset PS1 PROMPT_COMMAND; (exit 3)", "PROMPT_COMMAND=; PS1='> '; (exit 3)"])
def test_a_prompt_that_was_lost_comes_back(own: BashSession, command: str) -> None:
    assert metadata(run(own, command))["exit_code"] == 3
    assert content(own, "echo $?; fc -ln -2 | head -n 1").split("\n")[0] == "3"
    assert metadata(run(own, "cd /; false"))["exit_code"] == 1
    assert own.cwd == "/"


def test_what_only_looks_like_a_lost_prompt_is_left_alone(own: BashSession) -> None:
    run(own, "unset PS1 PROMPT_COMMAND; read x")
    assert metadata(run(own, "typed", is_input=True, blocking=True, timeout_s=0.5))["exit_code"] == 0
    assert content(own, "echo $x") == "typed"
    run(own, 'unset PS1 PROMPT_COMMAND; echo "open')
    run(own, 'end"', is_input=True)
    assert content(own, "echo $x") == "typed"


def test_nothing_that_prints_the_prompt_is_one(shared: BashSession) -> None:
    for command in ("env", "set", "declare -p PS1 PROMPT_COMMAND PS0", "echo $PS1; echo $PROMPT_COMMAND"):
        observation = run(shared, f"{command}; cd /; echo end")
        assert observation["content"].endswith("end")
        assert metadata(observation)["working_dir"] == "/"
    assert content(shared, "set -x; cd .; set +x") == "+ cd .\n+ set +x"


@pytest.mark.parametrize("shell", ["bash", "bash --norc", "sh", "dash"])
def test_a_shell_in_the_shell(own: BashSession, shell: str) -> None:
    assert metadata(run(own, shell))["exit_code"] == 0
    assert content(own, "x=1; echo in $x") == "in 1"
    assert metadata(run(own, "(exit 3)"))["exit_code"] == 3
    run(own, "exit")
    assert content(own, "echo ${x-out}") == "out"


def test_input_for_what_has_ended_is_not_run(own: BashSession, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    run(own, "read x <go; echo done")
    (tmp_path / "go").write_text("\n")
    with own._terminal.changed:
        assert own._terminal.changed.wait_for(own._finished, 20)
    observation = run(own, "touch typed", is_input=True)
    assert (observation["content"], metadata(observation)["exit_code"]) == ("done", 0)
    assert content(own, "ls") == "go"


def test_variables_of_the_session_are_few(own: BashSession) -> None:
    names = set(content(own, "compgen -v").split())
    assert {name for name in names if "openhands" in name.lower() or name.startswith("__")} == set()
    exported = set(content(own, "compgen -e").split())
    assert exported - {"PATH", "HOME", "USER", "TERM", "LANG", "PWD", "OLDPWD", "SHLVL", "_"} == {
        "PS1",
        "PS2",
        "PROMPT_COMMAND",
    }
    assert content(own, "declare -F") == ""


def test_a_raw_terminal_is_repaired(shared: BashSession) -> None:
    run(shared, "stty raw -echo")
    assert content(shared, "printf 'a\\nb\\n'") == "a\nb"


def test_a_large_command(shared: BashSession) -> None:
    text = "ab'\\!é" * 20_000
    quoted = text.replace("'", "'\\''")
    assert content(shared, f"printf %s '{quoted}' | wc -c") == str(len(text.encode()))


def test_python_on_the_terminal_is_interactive(shared: BashSession) -> None:
    assert content(shared, "python3 -c 'import sys; print(sys.stdin.isatty())'") == "True"


def test_the_soft_timeout_hands_back_and_the_output_goes_on(own: BashSession, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    first = run(own, "echo begun; read x < go; echo $x")
    assert first["content"] == "begun"
    assert metadata(first)["exit_code"] == -1
    assert metadata(first)["suffix"].startswith("\n[The command has no new output after 0.3 seconds.")
    busy = run(own, "echo other")
    assert 'Your command "echo other" is NOT executed.' in metadata(busy)["suffix"]
    (tmp_path / "go").write_text("released\n")
    last = run(own, "", blocking=True)
    assert last["content"] == "released"
    assert metadata(last)["exit_code"] == 0


def test_the_hard_timeout_ends_the_wait_for_what_goes_on_printing(own: BashSession) -> None:
    start = time.monotonic()
    observation = run(own, "while :; do echo x; sleep 0.05; done", timeout_s=0.6)
    assert 0.6 <= time.monotonic() - start < 5
    assert metadata(observation)["suffix"].startswith("\n[The command timed out after 0.6 seconds.")
    assert metadata(run(own, "C-c", is_input=True, blocking=True))["exit_code"] == 130


def test_blocking_waits_only_for_the_hard_timeout(own: BashSession) -> None:
    assert run(own, "sleep 0.5; echo done", blocking=True)["content"] == "done"


def test_input_goes_to_the_running_program(own: BashSession) -> None:
    run(own, "read -p 'name? ' name; echo hello $name")
    observation = run(own, "Ada", is_input=True, blocking=True)
    assert observation["content"] == "hello Ada"
    assert metadata(observation)["exit_code"] == 0


@pytest.mark.parametrize("key", ["C-c", "C-\\"])
def test_a_key_interrupts(own: BashSession, key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    run(own, f"(echo > {tmp_path}/begun; exec sleep 1000)")
    (tmp_path / "begun").read_text()  # it is there, and not the shell, which ignores SIGQUIT
    observation = run(own, key, is_input=True, blocking=True)
    assert metadata(observation)["exit_code"] == {"C-c": 130, "C-\\": 131}[key]
    assert f"CTRL+{key[-1]}".upper() + " was sent." in metadata(observation)["suffix"]
    assert content(own, "echo alive") == "alive"


def test_control_z_stops_and_fg_continues(own: BashSession) -> None:
    run(own, "cat")
    assert metadata(run(own, "C-z", is_input=True, blocking=True))["exit_code"] == 148
    assert "cat" in content(own, "jobs")
    run(own, "fg")
    assert metadata(run(own, "C-d", is_input=True, blocking=True))["exit_code"] == 0


@pytest.mark.parametrize(("command", "exit_code"), [("exit 7", 7), ("exec false", 1), ("kill -9 $$", 137)])
def test_a_new_shell_follows_one_that_ended(own: BashSession, tmp_path: Path, command: str, exit_code: int) -> None:
    (tmp_path / "sub").mkdir()
    run(own, "lost=1; cd sub")
    observation = run(own, command)
    assert metadata(observation)["exit_code"] == exit_code
    assert "a new one was started" in metadata(observation)["suffix"]
    assert content(own, "echo ${lost-gone}; pwd") == f"gone\n{tmp_path}/sub"


def test_a_folder_that_was_removed(own: BashSession, tmp_path: Path) -> None:
    run(own, "mkdir d && cd d && rmdir ../d")
    run(own, "exit")
    assert own.cwd == str(tmp_path)


def test_a_background_job_that_holds_the_terminal_does_not_hang_exit(own: BashSession) -> None:
    job = psutil.Process(metadata(run(own, "nohup sleep 1000 &"))["pid"])
    start = time.monotonic()
    observation = run(own, "exit 4", timeout_s=8)
    assert metadata(observation)["exit_code"] == 4
    assert time.monotonic() - start < 5
    job.kill()
    assert gone([job])


def test_close_ends_what_runs(tmp_path: Path) -> None:
    shell = make(tmp_path, no_change_timeout_s=0.3)
    leader = psutil.Process(shell._terminal.process.pid)
    run(shell, "sleep 1000")
    running = leader.children(recursive=True)
    assert [process.name() for process in running] == ["sleep"]
    shell.close()
    shell.close()
    assert gone([leader, *running], 5)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ShellError, match="could not be started in"):
        make(tmp_path / "missing")


def test_a_shell_that_was_killed_while_nobody_looked(own: BashSession) -> None:
    os.kill(own._terminal.process.pid, signal.SIGKILL)
    own._terminal.process.wait()
    observation = run(own, "echo again > ran")
    assert (observation["content"], metadata(observation)["exit_code"]) == ("", -1)
    assert "before this command, which was not run, and a new one was started" in metadata(observation)["suffix"]
    assert content(own, "ls ran") == "ls: cannot access 'ran': No such file or directory"
    assert content(own, "echo then") == "then"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "flood", ["yes | head -c 1G", "yes | tr -d '\\n' | head -c 200M", "yes $'a\\rb' | head -c 100M"]
)
def test_a_flood_passes_in_bounded_memory(tmp_path: Path, flood: str) -> None:
    shell = make(tmp_path)
    try:
        run(shell, "seq 50000")
        here = psutil.Process()
        before = here.memory_info().rss
        peak = before
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.05):
                peak = max(peak, here.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        observation = run(shell, f"{flood}; date +%s.%N >{tmp_path}/ended", timeout_s=1500)
        late_s = time.time() - float((tmp_path / "ended").read_text())
        done.set()
        watcher.join()
        assert metadata(observation)["exit_code"] == 0
        assert metadata(observation)["prefix"].startswith("[Previous command outputs are truncated.")
        print(f"\n{flood}: {late_s:.2f} s after the program, {(peak - before) / 2**20:.0f} MB")
        assert peak - before < 256 * 2**20
        assert content(shell, "echo next") == "next"
    finally:
        shell.close()
