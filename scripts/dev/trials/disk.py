"""Disks in files, whose state at any moment can be kept and looked at later, as after a power cut.

The files lie on an xfs that shares blocks between copies, itself in a file on a tmpfs: a copy is one step, whatever is
written meanwhile, and takes no time. What a file system has not sent to its disk is not in the copy.
"""

import fcntl
import os
import subprocess

FICLONE = 0x40049409  # ioctl_ficlone(2)
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
SIZE = {"ext4": 256 << 20, "xfs": 320 << 20, "btrfs": 256 << 20}
# the copy of an xfs has the ID of the one that is mounted
OPTIONS = {"xfs": ",nouuid"}


def run(*command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Garage:
    """Where the disks lie. To be made in a mount namespace of its own: nothing unmounts it."""

    def __init__(self, place):
        memory = os.path.join(place, "memory")
        self.path = os.path.join(place, "garage")
        os.mkdir(memory)
        os.mkdir(self.path)
        run("mount", "-t", "tmpfs", "-o", "size=80%", "garage", memory)
        file = os.path.join(memory, "garage")
        with open(file, "w") as made:
            made.truncate(16 << 30)
        run("mkfs.xfs", "-q", "-m", "reflink=1", file)
        run("mount", "-o", "loop", file, self.path)


class Disk:
    """A file system of its own, mounted."""

    def __init__(self, garage, kind):
        self.garage, self.kind, self.number = garage, kind, 0
        self.image = os.path.join(garage.path, f"{kind}.disk")
        self.now = os.path.join(garage.path, f"{kind}.now")
        self.then = os.path.join(garage.path, f"{kind}.then")
        with open(self.image, "w") as file:
            file.truncate(SIZE[kind])
        run(*MAKE[kind], self.image)
        for at in (self.now, self.then):
            os.makedirs(at, exist_ok=True)
        run("mount", "-o", "loop", self.image, self.now)

    def cut(self):
        """Keeps what is on the disk at this moment; gives the copy's path."""
        self.number += 1
        path = f"{self.image}.{self.number}"
        with open(self.image, "rb") as image, open(path, "wb") as copy:
            fcntl.ioctl(copy, FICLONE, image.fileno())
        return path

    def other_sync(self):
        """Some other program syncs a file of its own: most file systems send all names with it."""
        fd = os.open(os.path.join(self.now, "other"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"o")
        os.fsync(fd)
        os.close(fd)

    def look(self, cut, look):
        """Mounts a copy, gives what `look` says of it, and drops the copy."""
        run("mount", "-o", "loop" + OPTIONS.get(self.kind, ""), cut, self.then)
        try:
            return look(self.then)
        finally:
            run("umount", self.then)
            os.unlink(cut)

    def close(self):
        run("umount", self.now)
        os.unlink(self.image)
