//! The properties of our values that are no handles.

use rhai::{Dynamic, Engine};

use super::disk::{DiskUsage, Freed};
use super::finding::Finding;
use super::values::{Change, Doctor, Explanation, Generation, Stat, Union};

macro_rules! fields {
    ($($kind:ty, $type_name:literal: $($name:literal)*;)*) => {
        /// Registers them.
        pub(super) fn register(engine: &mut Engine) {
            $($(
                engine.register_get($name, |value: &mut $kind| value.map().remove($name).unwrap_or(Dynamic::UNIT));
            )*)*
        }

        /// The properties of a type of ours that is no handle, by its name in scripts.
        pub(super) fn named(type_name: &str) -> &'static [&'static str] {
            match type_name {
                $($type_name => &[$($name),*],)*
                _ => &[],
            }
        }

        /// The properties of a value of ours that is no handle.
        pub(super) fn of(value: &Dynamic) -> &'static [&'static str] {
            $(if value.is::<$kind>() {
                return named($type_name);
            })*
            &[]
        }
    };
}

fields! {
    Change, "Change": "path" "kind" "letter" "what" "bytes" "beneath" "before" "after";
    Generation, "Generation": "name" "id" "message" "size" "files" "created" "chain_id" "download_size" "empty";
    Stat, "Stat": "kind" "size" "mode" "uid" "gid" "mtime" "atime" "ctime" "nlink" "ino" "blocks" "target";
    Union, "Tree": "title" "paths" "layers" "deleted" "left_out";
    Explanation, "Explanation": "path" "steps" "shown";
    Freed, "Freed": "done" "layers" "names" "bytes" "items" "in_use";
    DiskUsage, "DiskUsage": "store" "bytes" "gc" "prune" "items";
    Finding, "Finding": "kind" "of" "path" "what" "means" "repair" "damaged" "done" "failed";
    Doctor, "Doctor": "checks" "best" "why";
}
