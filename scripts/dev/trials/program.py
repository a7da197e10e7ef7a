"""Runs the program that is tried, and asks what its store holds."""

import os
import shutil
import subprocess
import tempfile

# every finding of a check, and none may be there
CHECK = "let found = check(#{ deep: true }); for f in found { print(f); } assert(found.is_empty());"


class Program:
    """One build of ufs, and a directory of this run's own."""

    def __init__(self, path, place):
        self.path, self.place = os.path.abspath(path), place
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": place, "TMPDIR": place,
                    # so that equal content is equal whenever it was written
                    "SOURCE_DATE_EPOCH": "1"}

    def command(self, store, code):
        return [self.path, "--quiet", "--store", store, "-e", code]

    def run(self, store, code, *wrap):
        """Its exit code, and all that it said."""
        done = subprocess.run(
            [*wrap, *self.command(store, code)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", env=self.env,
        )
        return done.returncode, done.stdout

    def must(self, store, code):
        status, said = self.run(store, code)
        assert status == 0, f"{code}\n{said}"
        return said

    def wrong(self, store, code):
        """What is wrong with a store: it must open, be whole, answer, and be whole after that; nothing may be left."""
        for what, asked in (("does not open, or is not whole", CHECK), ("does not answer", code), ("is not whole afterwards", CHECK)):
            status, said = self.run(store, asked)
            if status != 0:
                return f"it {what} ({status}): {brief(said)}"
            if mounted(store):
                return f"still mounted: {mounted(store)}"
        left = os.listdir(os.path.join(store, "tmp"))
        left += [name for name in os.listdir(os.path.join(store, "drafts")) if name.startswith(".")]
        return f"left over: {left}" if left else None


def brief(said):
    """An error without the picture of the code that it is in."""
    lines = [line.strip() for line in said.strip().splitlines()]
    return " / ".join(line for line in lines if line and not line.startswith(("╭", "│", "╰", *"0123456789")))[:400]


def mounted(store):
    with open("/proc/self/mountinfo") as info:
        return [line.split()[4] for line in info if line.split()[4].startswith(store + "/")]


def unmount_all(store):
    for point in reversed(mounted(store)):
        subprocess.run(["umount", "-l", point], check=False)


def make_tree(place):
    """The host directory of the cases, and the same as a tar."""
    tree = os.path.join(place, "tree")
    os.makedirs(os.path.join(tree, "d"))
    for name, target in (("a", "a"), ("d/b", "b")):
        with open(os.path.join(tree, name), "w") as file:
            file.write(target)
    os.link(os.path.join(tree, "a"), os.path.join(tree, "d/hard"))
    os.symlink("a", os.path.join(tree, "sym"))
    subprocess.run(["tar", "-C", tree, "-cf", tree + ".tar", "."], check=True)
    return tree


class Place:
    """A directory for one run, removed at its end with all that is mounted in it."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="ufs-trial-")
        return self.path

    def __exit__(self, *_):
        unmount_all(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
