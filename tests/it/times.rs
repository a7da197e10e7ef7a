//! Times that the store's file system cannot hold: what a tar said is what is shown and kept.

use std::process::Command;

use crate::program::Place;

#[test]
fn a_time_of_another_century_stays_what_it_is() {
    let place = Place::new();
    let make = "mkdir d; echo x >d/f; ln -s f d/l; tar -cf t.tar --format=posix --mtime=@-6798822499 -C d f l; \
                tar -cf u.tar --format=posix --mtime=@20000000000 -C d f l";
    let made = Command::new("sh").args(["-ec", make]).current_dir(place.path()).status();
    assert!(made.unwrap().success());
    place
        .code(
            r#"
            for it in [["t", -6798822499], ["u", 20000000000]] {
                let l = layer(it[0]); l.add(it[0] + ".tar");
                assert_eq(l.stat("f").mtime, it[1]); assert_eq(l.stat("l").mtime, it[1]);
                let m = mount_direct(l);
                assert_eq(m.stat("f").mtime, it[1]); assert_eq(m.stat("l").mtime, it[1]);
                m.cp("f", "copy"); m.chmod("f", "0600");
                assert_eq(m.stat("copy").mtime, it[1]); assert_eq(m.stat("f").mtime, it[1]);
                let one = squash([l], it[0] + "-one");
                assert_eq(one.diff_id, l.diff_id);
                // a time of its own counts again
                m.touch("copy"); assert(m.stat("copy").mtime != it[1]);
            }
            "#,
        )
        .ok();
}
