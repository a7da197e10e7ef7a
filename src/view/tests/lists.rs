//! Layers, mounts, histories, the machine: tables and cards.

use insta::assert_snapshot;

use super::super::{doctor, history, layer, layers, mount, mounts, stat};
use super::{ASCII, MADE, NOW, PLAIN, Style, chain, id, labels, visible};
use crate::driver::{DriverKind, Stat};
use crate::model::{Counts, DiffId, Mode, Node, Timestamp};
use crate::workspace::{
    Check, DoctorReport, HistoryItem, HistoryReport, LayerReport, MountReport, MountUser,
};

fn counts(files: u64, bytes: u64) -> Counts {
    Counts { files, bytes, dirs: 2, ..Counts::default() }
}

fn layer_report(name: &str, message: Option<&str>) -> LayerReport {
    let mut label = labels(&[name]).remove(0);
    label.message = message.map(str::to_owned);
    label.path = Some("/store/layers/sha256/0123456789abcdef/tree".into());
    LayerReport {
        label,
        diff_id: Some(DiffId(id(name).0)),
        chain_id: Some(chain(name)),
        depth: 2,
        counts: counts(5895, 167_000_000),
    }
}

#[test]
fn layers_in_a_table_and_one_as_a_card() {
    let reports = [
        layer_report("debian", None),
        layer_report("site", Some("a site on Debian, with \x1b[31m and\nmore\n")),
    ];
    assert_snapshot!(layers(&reports, &PLAIN), @r#"
    layer   ID            made        stack  files       size  message
    debian  81d93757457f  2026-11-23      2  5,895  159.3 MiB
    site    fbae041b02c4  2026-11-23      2  5,895  159.3 MiB  "a site on Debian, w…
    "#);
    assert_snapshot!(layers(&reports, &Style { width: 60, ..ASCII }), @r"
    layer   ID            made        stack  files       size
    debian  81d93757457f  2026-11-23      2  5,895  159.3 MiB
    site    fbae041b02c4  2026-11-23      2  5,895  159.3 MiB
    ");
    assert_snapshot!(layer(&reports[1], &PLAIN), @r"
    layer     site
    state     sealed
    ID        fbae041b02c41ed0fd8a4efb039bc780dd6af4a1f0c420f42561ae705dda43fe
    diff ID   fbae041b02c41ed0fd8a4efb039bc780dd6af4a1f0c420f42561ae705dda43fe
    chain ID  fbae041b02c41ed0fd8a4efb039bc780dd6af4a1f0c420f42561ae705dda43fe
    stack     2 layers
    holds     5,895 files, 2 directories, 159.3 MiB
    made      2026-11-23T02:13:20Z
    path      /store/layers/sha256/0123456789abcdef/tree
    message   a site on Debian, with \x1b[31m and
              more
    ");
    assert_snapshot!(layers(&[], &PLAIN), @"no layers");
}

#[test]
fn many_layers_are_bounded() {
    let reports: Vec<LayerReport> = (0..1200).map(|n| layer_report(&format!("l{n}"), None)).collect();
    let drawn = layers(&reports, &PLAIN);
    assert_eq!(drawn.lines().count(), 1 + 200 + 1);
    assert_snapshot!(drawn.lines().last().unwrap(), @"1,000 of 1,200 layers are not shown: a `for` over `layers()` goes through all");
}

fn history_of(names: &[&str]) -> HistoryReport {
    let items = labels(names).into_iter().map(|label| HistoryItem {
        made: None,
        chain_id: label.id.map(|_| chain(&label.name)),
        label,
        counts: counts(3, 40),
    });
    HistoryReport { title: "web".to_owned(), now: NOW, items: items.collect() }
}

#[test]
fn a_history_is_a_table_oldest_first() {
    let mut report = history_of(&["base", "v1", "upper"]);
    report.items[1].label.message = Some("the application".to_owned());
    assert_snapshot!(history(&report, &PLAIN), @r#"
    web: 3 layers, oldest first  chain ID 3bfc269594ef
    #  layer  ID            made     files  size  message
    1  base   cae662172fd4  3 h ago      3  40 B
    2  v1     3bfc269594ef  3 h ago      3  40 B  "the application"
    3  upper  uncommitted                3  40 B
    "#);
    assert_snapshot!(visible(&history(&report, &Style { color: true, ..PLAIN })), @r#"
    <b>web: 3 layers, oldest first</>  <243>chain ID </>3bfc269594ef
    <b>#</>  <b>layer</>  <b>ID</>            <b>made</>     <b>files</>  <b>size</>  <b>message</>
    <243>1</>  <33>base</>   cae662172fd4  3 h ago      3  40 B
    <243>2</>  <136>v1</>     3bfc269594ef  3 h ago      3  40 B  "the application"
    <243>3</>  <163>upper</>  uncommitted                3  40 B
    "#);
}

#[test]
fn a_history_of_five_hundred_layers_is_whole_and_aligned() {
    let names: Vec<String> = (1..=500).map(|n| format!("app/layer-{n}")).collect();
    let report = history_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let drawn = history(&report, &PLAIN);
    assert_eq!(drawn.lines().count(), 502);
    let column = |line: &str| line.find("3 h ago").unwrap();
    assert!(
        drawn.lines().skip(2).all(|line| column(line) == column(drawn.lines().nth(2).unwrap())),
        "{drawn}"
    );
}

fn mount_report() -> MountReport {
    MountReport {
        name: "web".to_owned(),
        driver: DriverKind::Overlay,
        mounted: true,
        read_only: false,
        merged: Some("/store/mounts/web/merged".into()),
        host_path: Some("/proc/4242/root/store/mounts/web/merged".into()),
        upper: Some("/store/mounts/web/up/tree".into()),
        work: Some("/store/mounts/web/work".into()),
        layers: labels(&["base", "app", "upper"]),
        dirty: true,
        user: None,
        since: Some(Timestamp { secs: 1_000, nanos: 0 }),
        now: Timestamp { secs: 8_200, nanos: 0 },
    }
}

#[test]
fn mounts_in_a_table_and_one_as_a_card() {
    let left = MountReport {
        name: "left".to_owned(),
        driver: DriverKind::Direct,
        mounted: false,
        merged: None,
        host_path: None,
        ..mount_report()
    };
    let used = MountReport { name: "used".to_owned(), user: Some(MountUser::Process(4242)), ..left.clone() };
    assert_snapshot!(mounts(&[mount_report(), left, used.clone()], &PLAIN), @r"
    mount  driver   state                  since    stack       merged
    web    overlay  mounted, changed       2 h ago  base + app  /store/mounts/web/merged
    left   direct   uncommitted            2 h ago  base + app
    used   direct   process 4242, changed  2 h ago  base + app
    ");
    assert!(mount(&used, &PLAIN).contains("in use by process 4242, with uncommitted changes"));
    assert_snapshot!(mount(&mount_report(), &PLAIN), @r"
    mount         web
    driver        overlay
    state         mounted, with uncommitted changes
    since         2 h ago
    stack         base + app
    merged        /store/mounts/web/merged
    from outside  /proc/4242/root/store/mounts/web/merged
    upper         /store/mounts/web/up/tree
    work          /store/mounts/web/work
    ");
    assert_snapshot!(mounts(&[], &PLAIN), @"no mounts");
}

#[test]
fn each_no_of_the_doctor_has_its_cure() {
    let check = |what: &str, ok: bool, found: &str, cure: Option<&str>| Check {
        what: what.to_owned(),
        ok,
        found: found.to_owned(),
        cure: cure.map(str::to_owned),
    };
    let report = DoctorReport {
        checks: vec![
            check("kernel", true, "6.18.44", None),
            check(
                "an upper in the store",
                false,
                "the file system (overlayfs) takes no whiteouts: mknod of a device 0:0 fails with EPERM",
                Some(
                    "put the store on ext4, xfs, btrfs or tmpfs: `--store DIR`, or `export UFS_STORE=DIR` for all runs",
                ),
            ),
        ],
        best: Some((DriverKind::Direct, "nothing else works here".to_owned())),
    };
    assert_snapshot!(doctor(&report, &PLAIN), @r"
    ✓ kernel                 6.18.44
    ✗ an upper in the store  the file system (overlayfs) takes no whiteouts: mknod
                             of a device 0:0 fails with EPERM
        cure: put the store on ext4, xfs, btrfs or tmpfs: `--store DIR`, or
        `export UFS_STORE=DIR` for all runs
    mount() takes direct: nothing else works here
    ");
    assert_snapshot!(doctor(&DoctorReport { best: None, ..report.clone() }, &ASCII), @r"
    y kernel                 6.18.44
    N an upper in the store  the file system (overlayfs) takes no whiteouts: mknod
                             of a device 0:0 fails with EPERM
        cure: put the store on ext4, xfs, btrfs or tmpfs: `--store DIR`, or
        `export UFS_STORE=DIR` for all runs
    mount() finds no driver that works here
    ");
    assert_snapshot!(visible(&doctor(&report, &Style { color: true, width: 200, ..PLAIN })), @r"
    <28>✓</> kernel                 <243>6.18.44</>
    <160>✗</> an upper in the store  the file system (overlayfs) takes no whiteouts: mknod of a device 0:0 fails with EPERM
        <31>cure: put the store on ext4, xfs, btrfs or tmpfs: `--store DIR`, or `export UFS_STORE=DIR` for all runs</>
    <b>mount() takes direct: nothing else works here</>
    ");
}

#[test]
fn attributes_of_a_file_as_a_card() {
    let found = Stat {
        node: Node::File { size: 20_480 },
        mode: Mode::new(0o4755),
        uid: 0,
        gid: 42,
        nlink: 2,
        size: 20_480,
        blocks: 40,
        dev: 65024,
        ino: 7,
        mtime: MADE,
        atime: NOW,
        ctime: crate::model::Timestamp { secs: 0, nanos: 1 },
    };
    assert_snapshot!(stat(&found, &PLAIN), @r"
    type      file
    size      20.0 KiB (20,480 bytes)
    on disk   20.0 KiB
    mode      4755
    owner     0:42
    links     2
    inode     7 on device 65024
    modified  2026-11-23T02:13:20Z
    changed   1970-01-01T00:00:00.000000001Z
    read      2026-11-23T05:39:05Z
    ");
}
