"""The prompt, in a pseudo-terminal: when it comes, what a key costs, completion, and how soon Ctrl-C gives it back.

A time ends when the program has written what a user waits for; drawing it is the terminal's.
"""

import fcntl
import os
import pty
import random
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from benchmarks.measure import MIB, as_user, make_small_files, note, row, show, write

ESCAPE = re.compile(rb"\x1b\[[0-9;?>]*[ -/]*[@-~]|\x1b[=>]")
PROMPT = re.compile(rb"ufs[^>\n]*> \r?$")
# the end of a frame: a terminal shows what was drawn
DRAWN = b"\x1b[?2026l"
PATIENCE = 60
CTRL_C, BACKSPACE, TAB = b"\x03", b"\x7f", b"\t"

# half of a script, of more than 200 characters
HALF = (
    'for name in ["passwd", "group", "shadow"] { let found = find(`/etc/${name}*`); if found.len() > 1 '
    '{ for path in found { print(`${path}: ${stat(path).size}`); write(path + ".bak", read(path) + "more of it'
)


class Session:
    """The program at a terminal of its own."""

    def __init__(self, command, env):
        self.started = time.perf_counter()
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            try:
                os.execvpe(command[0], command, env)
            finally:
                os._exit(127)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # as a terminal that is closed
        os.kill(self.child, signal.SIGHUP)
        os.close(self.terminal)
        os.waitpid(self.child, 0)

    def type(self, keys):
        self.seen = b""
        start = time.perf_counter()
        os.write(self.terminal, keys)
        return start

    def wait(self, is_there, what):
        """Waits until what was written since the last key is as it should be; gives the time of that."""
        deadline = time.perf_counter() + PATIENCE
        while not is_there(self.seen):
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise RuntimeError(f"waited in vain for {what}; there is {self.seen[-2000:]!r}")
            self.seen += os.read(self.terminal, 1 << 16)
        return time.perf_counter()

    def prompt(self):
        return self.wait(lambda seen: PROMPT.search(ESCAPE.sub(b"", seen)), "a prompt")

    def shows(self, text):
        return self.wait(lambda seen: text in ESCAPE.sub(b"", seen), text)

    def settle(self):
        """Waits until nothing more comes."""
        while select.select([self.terminal], [], [], 0.1)[0]:
            os.read(self.terminal, 1 << 16)

    def line(self, line):
        """Runs a line to its end; gives the time of the next prompt."""
        self.type(line.encode())
        self.settle()
        self.type(b"\r")
        return self.prompt()


def run(place, ufs, runs):
    note("prompt: in a pseudo-terminal of 80×24")
    for who, user in (("root", 0), ("an ordinary user", 65534)):
        for lines in (0, 10_000):
            env = home(f"{place}/home-{user}-{lines}", user, lines)
            took = as_user(user, lambda env=env: statistics.median(first(ufs, env) for _ in range(10 * runs)))
            past = f", {lines:,} lines of history" if lines else ""
            row(f"first prompt, as {who}{past}", show(took), "", "< 30 ms", took < 0.03)
    env = home(f"{place}/home", 0, 10_000)
    keys(ufs, env, runs)
    completion(place, ufs, env, runs)
    interrupts(place, ufs, env, runs)


def home(top, user, lines):
    """A home directory with a history; gives the environment that leads there."""
    history = f"{top}/.local/state/ufs/history"
    os.makedirs(os.path.dirname(history))
    if lines:
        made = (f'write("/srv/{n % 97}/index{n}.html", `<h1>${{{n}}}</h1>`)\n' for n in range(lines))
        write(history, ("#V2\n" + "".join(made)).encode())
    for path, _, names in os.walk(top):
        for name in [".", *names]:
            os.chown(f"{path}/{name}", user, user)
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "HOME": top}


def first(ufs, env):
    with Session([ufs], env) as session:
        return session.prompt() - session.started


def keys(ufs, env, runs):
    times = []
    with Session([ufs, "--ephemeral"], env) as session:
        session.prompt()
        session.type(HALF[:200].encode())
        session.settle()
        for _ in range(10 * runs):
            for key in b"abcde":
                start = session.type(bytes([key]))
                end = session.wait(lambda seen, key=key: seen.endswith(DRAWN) or seen == bytes([key]), "the echo")
                times.append(end - start)
            session.type(BACKSPACE * 5)
            session.settle()
    times.sort()
    middle, late = times[len(times) // 2], times[len(times) * 98 // 100]
    row("echo of a key, 200 characters typed, 10,000 lines of history", show(middle), show(late), "< 5 ms",
        middle < 0.005, "of 50 the latest but one")


def completion(place, ufs, env, runs):
    """Tab in a directory of so many names that not all can be shown, on a mount of each driver."""
    top = f"{place}/names"
    os.makedirs(f"{top}/many")
    for number in range(100_000):
        os.close(os.open(f"{top}/many/name{number:06}", os.O_CREAT | os.O_WRONLY, 0o644))
    for driver in ("overlay", "fuse", "direct"):
        with Session([ufs, "--ephemeral"], env) as session:
            session.prompt()
            session.line(f'let m = mount_{driver}(layer_at("{top}"))')
            times = []
            for _ in range(2 * runs):
                session.type(b'read("/many/name09999')
                session.settle()
                start = session.type(TAB)
                times.append(session.shows(b"name099995") - start)
                session.settle()
                session.type(CTRL_C)
                session.settle()
            took = statistics.median(times)
            row(f"completion in a directory of 100,000 names, {driver}", show(took), show(max(times)), "< 50 ms",
                took < 0.05, "the first" if times[0] == max(times) else "the latest")


def interrupts(place, ufs, env, runs):
    """Ctrl-C while something runs: until the prompt is there again."""
    make_small_files(f"{place}/source/small", 50_000)
    write(f"{place}/source/big", os.urandom(64 * MIB) * 32)
    os.makedirs(f"{place}/twin")
    os.link(f"{place}/source/big", f"{place}/twin/big")
    busy = {
        "a loop": "loop {}",
        "`sleep(100)`": "sleep(100)",
        '`sh("sleep 100")`': 'sh("sleep 100")',
        "`add` of many files": f'layer("copy").add("{place}/source/small", "/" + timestamp().elapsed)',
        "`add` of a large file": f'layer("copy").add("{place}/source/big")',
        "`commit` of a large file": 'commit("never")',
        "`cp` of a large file": 'cp("/big", "/copy")',
        "`seal` of a large file": "draft.seal()",
        "`squash` of a large file": 'squash(["large"], "flat")',
        "`export_tar` of a large file": f'layer("large").export_tar("{place}/out.tar")',
        "`check()`": "check()",
        "`diff` of large trees": f'loop {{ diff(layer_at("{place}/source"), layer_at("{place}/twin")); }}',
        "`find`": 'loop { find("**"); }',
    }
    with Session([ufs, "--ephemeral"], env) as session:
        session.prompt()
        for name in ("large", "draft"):
            session.line(f'let {name} = layer("{name}"); {name}.add("{place}/source/big")')
        session.line("large.seal()")
        session.line('let m = mount_overlay(layer("base"))')
        session.line(f'sh("cp {place}/source/big .")')
        for what, code in busy.items():
            times = []
            for _ in range(2 * runs):
                session.type(f"print(`go${{1}}`); {code}".encode())
                session.settle()
                session.type(b"\r")
                session.shows(b"go1\r\n")
                time.sleep(random.uniform(0.1, 0.3))
                start = session.type(CTRL_C)
                times.append(session.prompt() - start)
                if b"interrupted" not in session.seen:
                    raise RuntimeError(f"{what} was over before Ctrl-C: {session.seen!r}")
            took = max(times)
            row(f"Ctrl-C in {what}", show(took), show(statistics.median(times)), "< 100 ms, each time", took < 0.1,
                "the median")
        times = []
        for _ in range(runs):
            session.line("reset()")
            session.line(f'sh("cp -r {place}/source/small .")')
            session.type(b"reset()")
            session.settle()
            start = session.type(b"\r")
            times.append(session.prompt() - start)
        # nothing of ours: the kernel forgets all that it knew of the mount, in one call that nobody can stop
        row("`reset()` of 50,000 new files", show(max(times)), show(min(times)), "", None, "the quickest")
