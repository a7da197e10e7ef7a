"""Makes one system call of a program fail: which calls it makes, and which errors each of them can give."""

import collections
import re
import subprocess

ROOM, DISK = ["ENOSPC", "EDQUOT"], ["EIO", "EROFS"]
# what changes something, and what only looks
CHANGES = {
    "mkdir": ROOM + DISK + ["ENOMEM"], "mkdirat": ROOM + DISK + ["ENOMEM"], "renameat": ROOM + DISK,
    "renameat2": ROOM + DISK + ["ENOMEM"], "unlinkat": DISK + ["ENOMEM"], "linkat": ROOM + DISK, "symlinkat": ROOM + DISK,
    "mknodat": ROOM + DISK, "write": ROOM + ["EIO"], "writev": ROOM + ["EIO"], "pwrite64": ROOM + ["EIO"],
    "copy_file_range": ROOM + ["EIO"], "sendfile": ROOM + ["EIO"], "ftruncate": ROOM + ["EIO"], "fallocate": ROOM + ["EIO"],
    "fsync": ROOM + ["EIO"], "fdatasync": ROOM + ["EIO"], "syncfs": ROOM + ["EIO"], "utimensat": DISK, "fchownat": ROOM + DISK,
    "fchown": ROOM + DISK, "fchmod": DISK, "fchmodat": DISK, "setxattr": ROOM + DISK, "lsetxattr": ROOM + DISK,
    "fsetxattr": ROOM + DISK, "removexattr": ["ENOSPC"] + DISK, "lremovexattr": ["ENOSPC"] + DISK, "fremovexattr": ["ENOSPC"] + DISK,
}
LOOKS = {
    "openat": ["EIO", "EMFILE", "ENOMEM"], "openat2": ["EIO", "EMFILE", "ENOMEM"], "open": ["EIO", "EMFILE"],
    "newfstatat": ["EIO", "ENOMEM"], "fstat": ["EIO"], "statx": ["EIO", "ENOMEM"], "getdents64": ["EIO", "ENOMEM"],
    "read": ["EIO"], "pread64": ["EIO"], "readlinkat": ["EIO"], "readlink": ["EIO"], "getxattr": ["EIO"], "lgetxattr": ["EIO"],
    "fgetxattr": ["EIO", "ENOMEM"], "listxattr": ["EIO"], "llistxattr": ["EIO"], "flistxattr": ["EIO", "ENOMEM"], "lseek": ["EIO"],
    "flock": ["EIO"], "fcntl": ["EMFILE"], "fsopen": ["ENOMEM", "EMFILE"], "fsconfig": ["ENOMEM", "EIO"],
    "fsmount": ["ENOMEM", "EMFILE"], "fspick": ["ENOMEM", "EMFILE"], "move_mount": ["ENOMEM"], "umount2": ["ENOMEM"],
    "clone3": ["ENOMEM"], "socketpair": ["EMFILE"], "pipe2": ["EMFILE"], "name_to_handle_at": ["EIO"],
}
ERRORS = CHANGES | LOOKS
CREATES = ROOM + ["EROFS"]
# this strace may not know the newest calls; a program does without them where they are not there
NEWEST = {"fchmodat2": 452, "setxattrat": 463, "getxattrat": 464, "listxattrat": 465, "removexattrat": 466}
# what is not on a disk: the program's own voice, its pipes, the server's device
VOICE = re.compile(r"^\w+\(\d+<(pipe|socket|/dev/|anon_inode|/dev/pts)")

# what goes through pipes and devices, too
SPOKEN = ("read", "pread64", "write", "writev", "pwrite64", "copy_file_range", "sendfile")

LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)$")


def refused():
    """A command that keeps calls from a program that strace does not know."""
    unknown = [number for name, number in NEWEST.items()
               if subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "true"], stderr=subprocess.DEVNULL).returncode]
    return ["python3", "-c", WITHOUT, ",".join(map(str, unknown))] if unknown else []


# seccomp(2): a filter of classic BPF that answers ENOSYS (38) to these numbers, and lets all else pass
WITHOUT = r"""
import ctypes, os, struct, sys
numbers = [int(number) for number in sys.argv[1].split(",")]
code = [(0x20, 0, 0, 0)]
code += [(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
code += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050000 | 38)]
text = b"".join(struct.pack("HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(text)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def recording(log, fuse):
    """The command that records all calls. Where the program serves a mount, strace must not ask what its files are: it would
    ask the server that it has just stopped."""
    calls = ",".join("?" + call for call in ERRORS)
    return ["strace", "-f", *([] if fuse else ["-y"]), "-qq", "-o", log, "-e", f"trace={calls}"]


def injecting(log, call, error, number):
    return ["strace", "-f", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"]


def points(log, store, fuse):
    """Every call to fail, as (call, error, number): those since the store was first looked for. Of a server, what it reads
    and writes may be its device, which is not known here, so that is left out."""
    counts, found, begun = collections.Counter(), {}, False
    with open(log, errors="replace") as lines:
        for line in lines:
            match = LINE.match(line)
            if not match or " resumed>" in line[:60]:
                continue
            pid, call, rest = match.groups()
            if call not in ERRORS:
                continue
            counts[pid, call] += 1
            begun = begun or store in rest
            text = f"{call}({rest}"
            if not begun or VOICE.match(text) or (fuse and call in SPOKEN) or (call == "fcntl" and "F_DUPFD" not in rest):
                continue
            errors = ERRORS[call] + (CREATES if call.startswith("open") and "O_CREAT" in rest else [])
            for error in errors:
                found.setdefault((call, error, counts[pid, call]), text.split(" = ")[0].rstrip()[:100])
    return found


def injected(log):
    with open(log, errors="replace") as lines:
        return [line for line in lines if "(INJECTED)" in line]
