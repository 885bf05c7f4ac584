//! The migrations are read into the binary by macros, which don't notice a file that is new.
//! Must stay true: a file added to, taken from or changed in db/migrations leads to a rebuild.

fn main() {
    println!("cargo:rerun-if-changed=../../db/migrations");
    println!("cargo:rerun-if-changed=build.rs");
}
