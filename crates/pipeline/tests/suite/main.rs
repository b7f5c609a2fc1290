//! Whole runs on small data: what a user is promised, end to end.

mod bad_input;
mod cache;
mod few;
mod heads;
mod holding;
mod inheritance;
mod merging;
mod models;
mod ranking;
mod resume;
mod support;
mod tables;
