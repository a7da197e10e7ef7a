"""Images: opened where they lie, read at the end of a large layer, written; beside gzip, cp and skopeo.

The image has one large layer, the root file system (or, where there is none, /usr/lib), and five small ones.
"""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from benchmarks.measure import compare, in_turns, missing, note, row, seconds_of, show

MAKE = """
let l = layer("root"); l.add(args()[0]); l.write("/zzz/last", "the last file of the layer"); l.seal();
let m = mount_direct("root");
for step in 0..5 { m.write(`/step/${step}`, `${step}`); m.commit("image", `step ${step}`); }
m.unmount();
save_image("image", "docker-archive:plain.tar:app:1");
save_image("image", "oci:gzip:app");
()
"""
OPEN = 'let t = timestamp(); let img = open_image(args()[0]); history(img); show(img); print("= open " + t.elapsed);'
READ = """
let img = open_image("oci:gzip:app");
let t = timestamp(); let text = img.read("/zzz/last"); print("= read " + t.elapsed);
assert_eq(text, "the last file of the layer");
"""


class Images:
    def __init__(self, bench):
        self.bench, self.place, self.runs = bench, f"{bench.place}/images", bench.runs
        os.makedirs(self.place)

    def script(self, text, *arguments):
        os.chdir(self.place)
        return self.bench.script(text, *arguments, sync="off")

    def run(self):
        note("images: six layers, opened where they lie, read, and written")
        if lacking := missing("skopeo", "gzip"):
            return note(f"  left out: {lacking[0]} is missing")
        tree = self.bench.rootfs if os.path.isdir(self.bench.rootfs) else "/usr/lib"
        self.script(MAKE, tree)
        self.opened()
        self.saved()

    def opened(self):
        blobs = f"{self.place}/gzip/blobs/sha256"
        largest = max((f"{blobs}/{name}" for name in os.listdir(blobs)), key=os.path.getsize)
        found = in_turns(
            self.runs,
            plain=lambda: self.script(OPEN, "docker-archive:plain.tar:app:1")["open"],
            packed=lambda: self.script(OPEN, "oci:gzip:app")["open"],
            gunzip=lambda: seconds_of(f"gzip -dc < {largest}"),
            read=lambda: self.script(READ)["read"],
        )
        plain, read = found["plain"], found["read"]
        row("open a docker-archive, history, show", show(plain), "", "< 150 ms", plain < 0.15)
        compare("open a gzip layout", found["packed"], "gzip -dc", found["gunzip"], 1.2)
        size = os.path.getsize(largest) >> 20
        row(f"read the last file of a layer of {size} MiB", show(read), "", "< 20 ms", read < 0.02)

    def saved(self):
        def save(how):
            text = f'save_image("image", "oci-archive:{how}.tar:app", #{{ compression: "{how}", force: true }}); ()'
            return lambda: seconds_of_script(self, text)

        def skopeo():
            subprocess.run(["rm", "-rf", "skopeo"], check=True)
            return seconds_of(["skopeo", "--insecure-policy", "copy", "--quiet", "docker-archive:plain.tar", "oci:skopeo:app"])

        found = in_turns(
            self.runs,
            none=save("none"), gzip=save("gzip"), zstd=save("zstd"), skopeo=skopeo,
            cp=lambda: seconds_of("cp plain.tar copy.tar && sync copy.tar"),
        )
        compare("save, not compressed", found["none"], "cp, synced", found["cp"], 1.5)
        compare("save, gzip", found["gzip"], "skopeo copy", found["skopeo"], 0.6)
        compare("save, zstd", found["zstd"], "skopeo copy", found["skopeo"], 0.35)
        plain = os.path.getsize("plain.tar")
        size = int(subprocess.run("gzip -6c plain.tar | wc -c", shell=True, check=True, stdout=subprocess.PIPE).stdout)
        ours = os.path.getsize("gzip.tar")
        row("size of gzip", f"{ours / plain:.3f}", f"{size / plain:.3f}", "≤ 1.05 ×", ours <= 1.05 * size, "gzip -6")


def seconds_of_script(images, text):
    """How long a script takes from the start of the program to its end."""
    start = time.perf_counter()
    images.script(text)
    return time.perf_counter() - start
