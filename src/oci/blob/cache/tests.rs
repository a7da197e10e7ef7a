//! What is kept, what is not believed, what goes.

use std::os::unix::fs::FileExt as _;
use std::thread::yield_now;

use super::*;
use crate::oci::blob::{Limits, open as open_blob, pass};

struct World {
    _dir: tempfile::TempDir,
    cache: Cache,
    file: Arc<File>,
    plain: Vec<u8>,
}

impl World {
    /// A gzip blob in a file that is old enough to be believed.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plain: Vec<u8> =
            (0..900_000_u32).flat_map(|number| (number.wrapping_mul(number) % 7919).to_le_bytes()).collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        packed.write_all(&plain).unwrap();
        let path = dir.path().join("blob");
        fs::write(&path, packed.finish().unwrap()).unwrap();
        let file = Arc::new(File::options().read(true).write(true).open(path).unwrap());
        let cache = Cache::new(dir.path().join("cache"), BOUND);
        let world = Self { _dir: dir, cache, file, plain };
        world.settle();
        world
    }

    fn extent(&self) -> Extent {
        Extent::whole(Arc::clone(&self.file)).unwrap()
    }

    /// Waits until a change would be seen by the file's times.
    fn settle(&self) {
        while !Place::of(&self.extent()).unwrap().is_settled() {
            yield_now();
        }
    }

    fn kept(&self) -> Key {
        let place = Place::of(&self.extent()).unwrap();
        let passed = pass(&self.extent(), &Limits::default(), &mut |_| Ok::<(), Error>(())).unwrap();
        let known = Known {
            digests: Some((passed.digest, passed.diff_id)),
            checkpoints: passed.checkpoints,
            index: b"an index".to_vec(),
        };
        let key = Key::Blob(passed.digest);
        self.cache.put(&key, &known, &place);
        key
    }

    /// The file of a part that has one.
    fn only(&self, part: &str) -> PathBuf {
        let mut found: Vec<PathBuf> =
            fs::read_dir(self.cache.dir.join(part)).unwrap().map(|item| item.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.pop().unwrap()
    }
}

#[test]
fn what_was_kept_reads_back_and_opens_the_blob_at_any_place() {
    let world = World::new();
    let key = world.kept();
    let known = world.cache.get(&key, &world.extent()).unwrap();
    assert_eq!(known.index, b"an index");
    assert!(known.checkpoints.points.len() > 1);
    assert_eq!(known.digests.map(|(_, diff_id)| diff_id.0), Some(Digest::of(&world.plain)));
    let blob = open_blob(world.extent(), known.checkpoints);
    let mut end = vec![0; 1000];
    let from = world.plain.len() - 1000;
    assert_eq!(blob.read_at(&mut end, from as u64).unwrap(), 1000);
    assert!(end == world.plain[from..]);
}

#[test]
fn a_blob_at_another_place_is_hashed_before_it_is_believed() {
    let world = World::new();
    let key = world.kept();
    let mut bytes = vec![0; usize::try_from(world.extent().len()).unwrap()];
    world.file.read_exact_at(&mut bytes, 0).unwrap();
    let elsewhere = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Extent::whole(Arc::new(file)).unwrap()
    };
    assert!(world.cache.get(&key, &elsewhere(&bytes)).is_some());
    bytes[500_000] ^= 1;
    assert!(world.cache.get(&key, &elsewhere(&bytes)).is_none());
    assert!(world.cache.get(&key, &elsewhere(&bytes[1..])).is_none());
}

#[test]
fn a_blob_that_changed_is_not_taken_for_what_it_was() {
    let world = World::new();
    let key = world.kept();
    assert!(world.cache.get(&key, &world.extent()).is_some());
    world.file.write_all_at(b"x", 5000).unwrap();
    assert!(world.cache.get(&key, &world.extent()).is_none());
}

#[test]
fn what_is_known_by_place_alone_ends_with_the_next_change() {
    let world = World::new();
    let place = Place::of(&world.extent()).unwrap();
    let known = |key: &Key| world.cache.get(key, &world.extent());
    let passed = pass(&world.extent(), &Limits::default(), &mut |_| Ok::<(), Error>(())).unwrap();
    let new = Known { digests: None, checkpoints: passed.checkpoints, index: vec![7] };
    world.cache.put(&Key::Place(place), &new, &place);
    assert_eq!(known(&Key::Place(place)).unwrap().index, [7]);
    world.file.write_all_at(b"x", 5000).unwrap();
    let now = Place::of(&world.extent()).unwrap();
    assert!(known(&Key::Place(now)).is_none());
    // a file that changed just now could change again unseen
    world.cache.put(&Key::Place(now), &new, &now);
    assert!(now.is_settled() || known(&Key::Place(now)).is_none());
}

#[test]
fn a_flipped_or_missing_byte_means_that_it_is_not_there() {
    let world = World::new();
    let key = world.kept();
    let path = world.only("blobs");
    let whole = fs::read(&path).unwrap();
    let Known { checkpoints, .. } = world.cache.get(&key, &world.extent()).unwrap();
    let Checkpoints { points, windows: super::super::checkpoints::Windows::File { start, .. }, .. } =
        checkpoints
    else {
        panic!("windows lie in the file");
    };
    let start = usize::try_from(start).unwrap();
    for at in 0..start {
        let mut other = whole.clone();
        other[at] ^= 0x10;
        fs::write(&path, other).unwrap();
        assert!(world.cache.get(&key, &world.extent()).is_none(), "byte {at}");
    }
    for length in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(world.cache.get(&key, &world.extent()).is_none(), "length {length}");
    }
    // a damaged window is left out: reading begins earlier, and is right
    let mut other = whole.clone();
    for byte in &mut other[start..] {
        *byte ^= 0x55;
    }
    fs::write(&path, other).unwrap();
    let known = world.cache.get(&key, &world.extent()).unwrap();
    let blob = open_blob(world.extent(), known.checkpoints);
    let (mut found, from) = (vec![0; 5000], points.last().unwrap().plain);
    blob.read_at(&mut found, from).unwrap();
    let from = usize::try_from(from).unwrap();
    assert!(found == world.plain[from..from + 5000]);
}

#[test]
fn what_was_used_longest_ago_goes_when_all_is_too_much() {
    let world = World::new();
    let key = world.kept();
    let place = Place::of(&world.extent()).unwrap();
    let none = Checkpoints {
        compression: super::super::Compression::None,
        plain: 0,
        points: Vec::new(),
        windows: super::super::checkpoints::Windows::Memory(Arc::from([])),
    };
    let small = Known { digests: None, checkpoints: none, index: vec![1; 5000] };
    let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    let first = Key::Place(place);
    world.cache.put(&first, &small, &place);
    // all that is there fits, and no more
    let parts = ["blobs", "places", "seen"].map(|part| world.cache.dir.join(part));
    let items = parts.iter().flat_map(|part| fs::read_dir(part).into_iter().flatten());
    let bound = items.map(|item| item.unwrap().metadata().unwrap().len().next_multiple_of(4096)).sum();
    let cache = Cache { bound, ..world.cache.clone() };
    File::options().append(true).open(cache.path(&first)).unwrap().set_times(old).unwrap();
    // it is used, so it stays, and what is older goes
    assert!(cache.get(&first, &world.extent()).is_some());
    File::options().append(true).open(cache.path(&key)).unwrap().set_times(old).unwrap();
    cache.put(&Key::Blob(Digest::of(b"other")), &small, &place);
    assert!(cache.get(&first, &world.extent()).is_some());
    assert!(!cache.path(&key).exists());
}

#[test]
fn a_cache_that_cannot_be_written_keeps_nothing_and_a_pipe_is_not_waited_for() {
    let world = World::new();
    fs::write(&world.cache.dir, b"a file").unwrap();
    let key = world.kept();
    assert!(world.cache.get(&key, &world.extent()).is_none());
    fs::remove_file(&world.cache.dir).unwrap();
    let key = world.kept();
    let path = world.only("blobs");
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(world.cache.get(&key, &world.extent()).is_none());
}
