//! Images: what Docker, Podman and the OCI tools write, read where it lies.

pub mod blob;
pub mod pack;
