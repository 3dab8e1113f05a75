"""Commands in the session's shell."""

from __future__ import annotations

from scenario import Scenario, Step, run


def say(text: str, timeout: float | None = 30, **args: object) -> Step:
    """Return the step that types ``text`` into the running command."""
    return run(text, timeout, is_input=True, **args)


def ok(exit_code: int) -> dict[str, object]:
    """Return the fields of an answer that tell of an exit code."""
    suffix = f"\n[The command completed with exit code {exit_code}.]"
    fields = {"metadata.exit_code": exit_code, "metadata.suffix": suffix, "metadata.prefix": ""}
    return {"success": exit_code == 0, **fields}


def otherwise(
    key: str, command: str, content: str, exit_code: int = 0, folder: str = "/workspace", **more: str
) -> Step:
    """Return a step whose answer is another one than that of OpenHands, in all of its fields."""
    suffix = f"\n[The command completed with exit code {exit_code}.{more.get('sent', '')}]{more.get('note', '')}"
    metadata = {
        "exit_code": exit_code,
        "pid": -1,
        "username": "<user>",
        "hostname": "<host>",
        "working_dir": folder,
        "py_interpreter_path": "<python>/bin/python",
        "prefix": "",
        "suffix": suffix,
    }
    ours = {"observation": "run", "content": content, "success": exit_code == 0}
    return run(command, differs=key, ours={**ours, "command": command, "hidden": False, "metadata": metadata})


def as_written(command: str, content: str, exit_code: int = 0) -> Step:
    return otherwise("as written", command, content, exit_code)


def after_the_end(command: str, content: str, folder: str) -> Step:
    return otherwise("ended shells", command, content, 0, folder)


def ended(command: str, content: str, exit_code: int, folder: str) -> Step:
    """Return a step that ends the shell."""
    sent = " CTRL+D was sent." if command == "C-d" else ""
    note = (
        f"\n[The shell ended, and a new one was started in {folder}: its variables, functions and background "
        "jobs are lost, files are not.]"
    )
    return otherwise("ended shells", command, content, exit_code, folder, sent=sent, note=note)


DIFFERENCES = {
    "as written": (
        "A command runs as it is written, and its own text is no output. OpenHands escapes `\\;`, `\\|`, `\\&`, `\\<` "
        "and `\\>` once more, drops a last `;`, doubles some heredocs, gives names of keys and options to tmux, "
        "completes at tabs, loses more than 16 KB, and shows the command where its terminal has changed it."
    ),
    "ended shells": (
        "After `exit`, `exec`, end of file or a killed shell a new one starts, and says what is lost; OpenHands hangs."
    ),
    "prompt": (
        "The prompt is no text: `set -x`, `set -u`, output above it, `stty` and an unset `PS1` do no harm. OpenHands "
        "shows its prompt as output there, fails, or waits for ever."
    ),
}

SCENARIOS = [
    Scenario(
        "output and exit code",
        "what a command prints, its exit code, folder, user, host, interpreter and background process",
        (
            run("echo hello"),
            run("false"),
            run("echo $?"),
            run("(exit 42)"),
            run("no-such-command-x"),
            run("printf 'no newline'"),
            run("echo to stderr >&2"),
            run("echo h", hidden=True),
            run("  \n\t "),
            run("\n\necho a\n\n"),
            run("echo 1 # c"),
            run("echo )"),
            run("echo a b"),
            run("echo $_; echo $BASH_COMMAND"),
            run("{ sleep 1000 & } 2>/dev/null"),
            run("kill $!; wait $!"),
            run("cd / && PATH=/nowhere:/usr/bin:/bin"),
            run("id -un; hostname"),
        ),
    ),
    Scenario(
        "state",
        "folder, variables, functions, aliases, options, history and jobs live on",
        (
            run("mkdir -p sub && cd sub && v=1 && export w=2"),
            run("pwd; echo $v; sh -c 'echo $w'"),
            run("f() {\n echo in f $1\n}"),
            run("f 2"),
            run("alias ll='echo alias'"),
            run("ll x"),
            run("alias; declare -F; trap -p; jobs; umask"),
            run("cd /nowhere"),
            run("cd ..; cd -; dirs; pushd /; popd"),
            run("cd ../tmp; pwd"),
            run("shopt -s nullglob; echo /nowhere/*"),
            run("ulimit -n 100; ulimit -n"),
            run("echo $0 $- $SHLVL $TERM $COLUMNS $LINES $HISTFILE $HISTCONTROL."),
            run("fc -ln -2 -1"),
            run("l=$LINENO"),
            run("echo $((LINENO - l))"),
            run("stty -a; tty | tr -d 0-9; ls /proc/self/fd | wc -l"),
            run("shopt -p | md5sum; set -o | grep -v emacs"),
            run("git config --get core.pager; type git"),
        ),
    ),
    Scenario(
        "several commands",
        "more than one command is refused with a numbered list; one over several lines is run",
        (
            run("touch a\nls"),
            run("# a comment\necho 1"),
            run("echo a\n\n\necho b # c\n# d"),
            run("echo a &\nwait"),
            run("f() {\n echo f\n}\nf"),
            run("((x=1))\necho $x"),
            run("ls"),
            run("for i in 1 2; do\necho $i\ndone"),
            run("cat <<E\na\n  b $((1+1))\nE"),
            run("cat <<'E'\n$x `y`\nE"),
            run("case a in\na) echo A;;\nesac"),
            run("echo a \\\n  b"),
            run("python3 - <<E\nprint(1)\nE"),
            run("cat > long <<E\n" + "abcdefghij\n" * 100 + "E"),
            run("wc long"),
            run("echo " + "x" * 5000 + " | wc -c"),
        ),
    ),
    Scenario(
        "unfinished commands",
        "an open quote, heredoc or block waits for the rest, which comes as input",
        (
            run('echo "abc'),
            run("echo no"),
            say('def"'),
            run("cat <<EOF\nline 1"),
            say("line 2"),
            say("EOF"),
            run("echo $(("),
            say("1+2))"),
            run("if true"),
            say("then echo y"),
            say("fi"),
            run("echo a \\"),
            say("b"),
            run("if [[ -n x ]]; then\n  echo yes"),
            say("fi"),
            run("case a in\n  a) echo one"),
            say(";; esac"),
            run("echo 'x"),
            say("C-c"),
            run("echo after"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "running",
        "a silent command is handed back, polled, fed and interrupted; another is refused meanwhile",
        (
            run("echo begun; read x; echo got $x"),
            run(""),
            run("echo refused"),
            say("word"),
            say("late"),
            run(""),
            run('printf \'name? \'; read -r n; echo "hello $n"; read -r m; echo "and $m"'),
            say("Ada"),
            say("Bob"),
            run("read -s -p 'pw: ' v"),
            say("secret"),
            run("echo $v"),
            run("sleep 100"),
            say("C-c"),
            run("cat"),
            say("C-d"),
            run("sleep 100"),
            say("C-\\"),
            run("sleep 100"),
            say("C-z"),
            run("bg"),
            run("jobs"),
            run("kill %1; sleep 0.2"),
            run("wait"),
            run("cat; echo done"),
            say("C-z"),
            run("fg"),
            say("C-d"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "timeouts",
        "the hard timeout, alone when the command blocks, and what is still running after it",
        (
            run("echo x", 5, blocking=True),
            run("sleep 2.5; echo done", 20, blocking=True),
            run("echo a; sleep 5; echo done", 1, blocking=True),
            run("", 10),
            run("", blocking=True),
            run("while :; do echo tick; sleep 0.2; done | uniq", 3),
            run("echo h", hidden=True),
            say("C-c"),
            run("trap '' INT"),
            run("sleep 5"),
            say("C-c"),
            run("", blocking=True),
            run("trap - INT"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "keys",
        "input that tmux takes for a key: control, arrows, functions, modifiers",
        (
            run("stty -echo; cat -v; stty echo"),
            say("Up"),
            say("Enter"),
            say("C-["),
            say("F1"),
            say("M-x"),
            say("Home"),
            say("C-Up"),
            say("^A"),
            say("0x41"),
            say("Upper"),
            say("a\tb"),
            say("C-d"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "repl",
        "a Python prompt driven by input",
        (
            run("PYTHON_BASIC_REPL=1 python3 -q"),
            say("x = 20 + 1"),
            say("x * 2"),
            say("for i in range(2):"),
            say("    print('i', i)"),
            say("1 / 0"),
            say("exit()"),
            run("bash"),
            run("echo in; x=1"),
            run("(exit 3)"),
            run("exit 4"),
            run("echo ${x-out}"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "history expansion",
        "`!` repeats, and fails where there is no such command",
        (
            run("echo hi"),
            run("!!"),
            run("echo '!x' \"!x\""),
            run("echo a!b"),
            run("!nosuch"),
            run("echo wow!"),
            run("set +H"),
            run("echo a!b"),
        ),
    ),
    Scenario(
        "traps and options",
        "traps fire as in a terminal; the shell goes on after an error",
        (
            run("trap 'echo dbg' DEBUG"),
            run("echo x"),
            run("trap - DEBUG"),
            run("trap 'echo bye' EXIT; (trap 'echo sub' EXIT; exit 3)"),
            run("trap - EXIT"),
            run("set -o pipefail; false | true"),
            run("set -f; echo *; set +f"),
            run("exec 3>/tmp/three; echo x >&3; cat /tmp/three; exec 3>&-"),
            run("source /nowhere"),
            run("return; break"),
            run("echo {1..3} ~ $((2**10)) ${v:-unset}"),
        ),
    ),
    Scenario(
        "screen",
        "what a terminal shows: carriage returns, movement, colours, another screen, clearing",
        (
            run("printf '50%%\\r100%%\\n'"),
            run("printf '\\e[31mred\\e[0m \\e[1;4mbold\\e[m\\n'"),
            run("printf 'a\\nb\\n\\e[Ac\\n'"),
            run("printf 'abc\\e[2Dx\\n'"),
            run("printf 'abcdef\\e[3D\\e[K|\\n'"),
            run("printf 'a\\rb\\n\\bc\\td\\be\\n'"),
            run("printf 'one\\ntwo\\nthree\\e[2A\\e[2K\\rONE\\e[2B\\n'"),
            run("printf 'x\\1\\2\\5y\\e(0qqq\\e(B|\\x0eq\\x0fq\\n'"),
            run("printf '\\e]0;t\\aA\\ekT\\e\\\\B\\eP1$x\\e\\\\C\\n'"),
            run("printf 'a\\vb\\fc\\n'"),
            run("printf 'a\\r\\nb\\r\\r\\nc\\n'"),
            run("printf 'out\\e[?1049halt\\e[?1049lback\\n'"),
            run("printf '\\e[?1049h\\e[H\\e[2Jalt\\n'; sleep 2.5; printf '\\e[?1049lback\\n'"),
            run("", blocking=True),
            run("printf 'gone\\e[H\\e[Jhere\\n'"),
            run("seq 3; clear; seq 4 5; sleep 0.1"),
            run("sleep 0.3"),
            run("printf '%1500s|\\rX\\n' z"),
            run("stty -onlcr; printf 'a\\nb\\n'; stty onlcr"),
            run('for i in 1 2 3; do printf "\\r$i/3"; done; echo; tput cols; tput lines'),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "characters",
        "wide and combined characters, tabs, UTF-8 cut anywhere and invalid bytes",
        (
            run("echo ä€𝄞 漢字 👨‍👩‍👧"),
            run("printf '漢字\\tb\\na\\t漢\\tc\\n'"),
            run("printf 'e\\u0301 |\\U1F468\\u200d\\U1F469\\n'"),
            run("printf '\\xc3'; sleep 0.2; printf '\\xa9\\n'"),
            run("printf '\\xff\\xe2\\x82x\\xe2\\xe2\\x82\\xac-\\xc3\\n\\xa9\\n'"),
            run("printf 'trail   \\t \\n  lead\\n\\n\\n'"),
            run("printf 'a\\0b\\n'"),
            run("head -c 300 /dev/zero | tr '\\0' '\\200'; echo ."),
            run("printf '\\xf4\\x90\\x80\\x80|\\xed\\xa0\\x80|\\xc0\\x80\\n'"),
            run("printf '漢%.0s' {1..700}; echo"),
        ),
    ),
    Scenario(
        "long output",
        "a terminal's history of 10,000 lines and OpenHands' 30,000 characters, cut as there",
        (
            run("seq 50000"),
            run("seq 12000"),
            run("seq 10980"),
            run("seq 10970"),
            run("head -c 3000 /dev/zero | tr '\\0' x; echo; seq 12345"),
            run("seq 15000; printf end"),
            run("seq 60000 >&2; sleep 2.5; echo tail"),
            run("", blocking=True),
            run("for i in $(seq 5); do printf '%01500d\\n' $i; done"),
            run("head -c 40000 /dev/zero | tr '\\0' y"),
            run("seq 20000 | tail -n 30000", hidden=True),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "static",
        "a shell of its own for one command, in a folder of its own",
        (
            run("cd /tmp; v=1"),
            run("pwd; echo ${v-none}", is_static=True),
            run("pwd", is_static=True, cwd="/usr"),
            run("pwd", is_static=True, cwd="/no/such"),
            run("pwd", is_static=True, cwd="relative"),
            run("mkdir /workspace/sub"),
            run("pwd", is_static=True, cwd="sub"),
            run("echo h", is_static=True, hidden=True),
            run("echo $v; pwd"),
        ),
    ),
    Scenario(
        "bad commands",
        "NUL bytes and what is no Unicode are refused with an error",
        (
            run("echo a\0b"),
            run("echo \ud800"),
            run("echo fine"),
        ),
    ),
    Scenario(
        "keys at the prompt",
        "a key while no command runs",
        (
            run("echo x"),
            run("C-l"),
            run("C-u"),
            run("C-z"),
            run("C-\\"),
            run("C-c"),
            run("echo $?"),
        ),
    ),
    Scenario(
        "as it is written",
        "escaped operators, a last `;`, names of keys, tabs, blanks, comments and long commands",
        (
            as_written("# only", ""),
            as_written("find . -maxdepth 0 -exec echo {} \\;", "."),
            as_written("echo a\\;b", "a;b"),
            as_written("echo a \\| b \\> c", "a | b > c"),
            as_written("echo a;", "a"),
            as_written("echo 'a   \nb'", "a\nb"),
            as_written("-l x", "bash: -l: command not found", 127),
            as_written("echo 'a\tb'", "a       b"),
        ),
    ),
    Scenario(
        "ended shells",
        "a shell that ends, in whatever way, is followed by a new one",
        (
            run("lost=1; cd /tmp"),
            ended("exit 7", "exit", 7, "/tmp"),
            after_the_end("echo ${lost-gone}; pwd", "gone\n/tmp", "/tmp"),
            ended("exec false", "", 1, "/tmp"),
            ended("kill -9 $$", "", 137, "/tmp"),
            ended("C-d", "exit", 0, "/tmp"),
            ended("set -e; false", "", 1, "/tmp"),
            after_the_end("mkdir d && cd d && rmdir ../d", "", "/tmp/d"),
            ended("exit", "exit", 0, "/root"),
        ),
        no_change_timeout_s=1,
    ),
    Scenario(
        "the prompt",
        "nothing that shows, changes or overwrites the prompt is taken for one",
        (
            run("set -x", differs="prompt", ours={"content": ""}),
            run("echo x", differs="prompt", ours={"content": "+ echo x\nx"}),
            run("set +x"),
            run("set -u; echo $nosuch", differs="prompt", ours={"content": "bash: nosuch: unbound variable", **ok(1)}),
            run("set +u"),
            run("PS1='$ '"),
            run("echo a"),
            run("unset PROMPT_COMMAND"),
            run("false", differs="prompt", ours=ok(1)),
            otherwise("prompt", "PS1='$ '", "$"),
            otherwise("prompt", "echo again", "again"),
            otherwise("prompt", "printf '\\e[5Aup\\n'", "up"),
            otherwise("prompt", "stty raw -echo", ""),
            otherwise("prompt", "printf 'a\\nb\\n'", "a\nb"),
        ),
        no_change_timeout_s=1,
    ),
]
