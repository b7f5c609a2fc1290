//! Signatures made here and by the reference implementation, hostile ones, and a model's folder form.

mod bills;
mod folders;
mod hostile;
mod sample;
mod signing;
mod stores;
