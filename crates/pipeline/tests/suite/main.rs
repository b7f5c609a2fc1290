//! Whole runs on small data: what a user is promised, end to end.

mod bad_input;
mod cache;
mod comparison;
mod inheritance;
mod models;
mod resume;
mod support;
mod tables;
