//! The library without the shell: two layers, their union, a change, a commit, and a picture of it all.
//!
//! ```text
//! cargo run --example layers
//! ```

use std::rc::Rc;

use ufs::sys::namespace;
use ufs::view::{self, Style};
use ufs::workspace::{Error, MountOptions, Options, Quiet, StackItem, StorePlace, Subject, Workspace};

fn main() -> Result<(), Error> {
    // before any thread exists: an ordinary user gets a namespace in which mounts are allowed
    let options = Options {
        store: StorePlace::Ephemeral,
        sync: true,
        driver: None,
        keep: false,
        epoch: None,
        namespace: namespace::enter(true),
        sandbox: None,
    };
    let workspace = Workspace::open(options, Rc::new(Quiet))?;

    let base = workspace.layer("base")?;
    base.write(b"/etc/motd", b"hello\n")?;
    let app = workspace.layer("app")?;
    app.write(b"/app/main", b"#!/bin/sh\n")?;

    // bottom → top; the best driver that works here
    let stack = workspace.stack(&[StackItem::Layer(base), StackItem::Layer(app)])?;
    let mount = workspace.mount(None, &stack, &MountOptions::default())?;
    mount.rm(b"/etc/motd")?;
    mount.write(b"/etc/hostname", b"box\n")?;
    let site = workspace.commit(&mount, Some("site"), Some("a name for the machine"))?;

    let report = workspace.show(&Subject::Stack(site.stack()?), 60)?;
    let text = view::stack(&report, &Style { unicode: true, ..Style::plain(100) });
    for line in text.lines().chain(workspace.close().iter().map(String::as_str)) {
        // the lint that keeps printing in one place is about the library
        #[expect(clippy::print_stdout)]
        {
            println!("{line}");
        }
    }
    Ok(())
}
