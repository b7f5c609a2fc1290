//! heirloom
fn main() {}
