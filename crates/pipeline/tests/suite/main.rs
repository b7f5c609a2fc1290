//! Whole runs on small data: what a user is promised, end to end.

mod architectures;
mod bad_input;
mod cache;
mod comparison;
mod convolutions;
mod few;
mod gates;
mod golden;
mod heads;
mod holding;
mod inheritance;
mod leaks;
mod memory;
mod merging;
mod models;
mod profiles;
mod proofs;
mod ranking;
mod resume;
mod support;
mod tables;
