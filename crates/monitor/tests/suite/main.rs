//! The parts of monitoring together: false alarms over many windows, and logs as kills and full queues leave them.

mod calibration;
mod log;
mod numbers;
mod review;
