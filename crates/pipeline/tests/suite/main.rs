//! Whole runs on small data: what a user is promised, end to end.

mod bad_input;
mod cache;
mod inheritance;
mod models;
mod ranking;
mod resume;
mod support;
mod tables;
