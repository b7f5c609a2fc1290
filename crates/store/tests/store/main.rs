//! The store's contract, its behaviour under faults, and several processes at once.

mod attachments;
mod backends;
mod contract;
mod damage;
mod faults;
mod faulty;
mod many_machines;
mod packed;
mod processes;
mod recalls;
mod rollouts;
mod sample;
mod schemes;
mod transfer;
