//! Images: what Docker, Podman and the OCI tools write, read where it lies; and written as they take it.

pub mod blob;
pub mod pack;
pub mod save;
