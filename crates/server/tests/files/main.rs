//! Folders of static files, over raw sockets.

#[path = "../common/mod.rs"]
mod common;
mod races;
mod told;
mod traversal;
mod world;
