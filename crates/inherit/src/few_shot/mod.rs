//! Heads learnt from a few examples a class, over features that do not change.
