//! Test cases that an ancestor has been trained on.
