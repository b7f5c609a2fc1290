//! The store's contract, its behaviour under faults, and several processes at once.

mod contract;
mod damage;
mod faults;
mod faulty;
mod processes;
mod recalls;
mod sample;
mod schemes;
mod transfer;
