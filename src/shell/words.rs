//! The words of the field, explained where `help("whiteout")` asks for them.

/// A word, what it means, and where that is laid down.
pub(super) const WORDS: &[(&str, &str)] = &[
    (
        "layer",
        "A set of changes over what lies beneath it. Sealed layers never change.\nSource: OCI image-spec, layer.md.",
    ),
    ("draft", "A layer still being written. Sealing (or mounting) ends it and gives it its IDs."),
    (
        "stack",
        "Layers, listed bottom → top, as in a Dockerfile and an OCI manifest. The kernel's own option lists them top first.",
    ),
    ("lower", "A read-only layer of a mount.\nSource: kernel overlayfs.rst."),
    (
        "upper",
        "The one writable directory of a mount: all changes go there, until `commit()` makes it a layer.\nSource: kernel overlayfs.rst.",
    ),
    (
        "work",
        "The kernel's scratch directory beside the upper: a file is copied up there and renamed in place.\nSource: kernel overlayfs.rst.",
    ),
    (
        "merged",
        "The union that users see: the topmost layer that holds a name wins.\nSource: kernel overlayfs.rst.",
    ),
    (
        "whiteout",
        "A mark that says \"this name is deleted here\": on disk a character device 0:0, in a tar an empty file `.wh.NAME`. \
                  What lower layers hold under that name no longer shows.\nSource: kernel overlayfs.rst; OCI image-spec, layer.md.",
    ),
    (
        "opaque",
        "A mark on a directory that says \"nothing beneath shows through\": on disk the attribute `user.overlay.opaque=y`, \
                in a tar the file `.wh..wh..opq`. At a layer's root it makes that layer the lowest of all that counts.\nSource: kernel overlayfs.rst; OCI image-spec, layer.md.",
    ),
    (
        "implied",
        "A directory that a layer has only for what lies in it, as nobody made or named it: it is in no tar and no ID, and \
                its mode, owner and time are those that the layers beneath show (`0755` of root where there is none). \
                `mkdir`, `chmod`, `chown` or `set_xattr` on it make it the layer's own.",
    ),
    (
        "copy-up",
        "The copy of a lower file into the upper at its first change. The whole file is copied, even for one byte. `watch(true)` tells each.\nSource: kernel overlayfs.rst.",
    ),
    (
        "driver",
        "How a stack is mounted: `overlay` (the kernel's OverlayFS), `fuse` (our own union behind a FUSE mount) or `direct` (the same union inside this process, without a mount). `doctor()` tells which work here.",
    ),
    ("diff-id", "The SHA-256 of a layer's uncompressed tar.\nSource: OCI image-spec, config.md."),
    (
        "chain-id",
        "The ID of a stack: SHA-256 over the chain ID beneath, a space, and the diff ID on top.\nSource: OCI image-spec, config.md.",
    ),
    ("image", "A stack with its OCI config and manifest, under a name. Images come in a later version."),
    (
        "store",
        "Where layers, names and mounts live: the platform's data directory, `--store DIR`, or `UFS_STORE`.",
    ),
    (
        "json",
        "With `--json`, all that is printed is JSON, one document a line, and what `sh` prints goes to stderr. A value \
                of ours is an object with the keys that `help()` of its command names, sorted. Names and targets that \
                are not UTF-8 are `{\"bytes\": [255, ...]}`, every other one a string; nothing is shortened but \
                `show()` and `tree()`, which count in `left_out`. Characters that a terminal would obey or not show \
                are written as `\\uXXXX`.",
    ),
    (
        "errors",
        "Every error is a map: `kind, message, path, layer, errno, hint`, `()` where there is none. \
                `try { … } catch (e) { if kind(e) == \"not_found\" { … } }`. `kind(e)` answers for Rhai's own errors too.",
    ),
];
