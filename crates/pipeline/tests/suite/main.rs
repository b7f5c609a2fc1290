//! Whole runs on small data: what a user is promised, end to end.

mod bad_input;
mod cache;
mod inheritance;
mod leaks;
mod models;
mod proofs;
mod resume;
mod support;
mod tables;
