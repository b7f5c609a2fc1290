//! The program as a user meets it: started as a process in a folder of its own.

mod bad_input;
mod bad_parents;
mod compare;
mod documents;
mod interrupt;
mod monitoring;
mod packages;
mod place;
mod profiling;
mod proofs;
mod ranking;
mod rollouts;
mod runs;
mod samples;
mod serving;
mod serving_changes;
mod watching;
mod world;

/// Help and the commands that need no store, word for word.
#[test]
fn transcripts() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
