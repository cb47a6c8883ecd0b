//! The `spectrank` program.
fn main() {}
