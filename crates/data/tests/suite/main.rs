//! Every source on small files made here, on the data sets inside the program, and on hostile bytes.

mod bad_input;
mod choose;
mod contract;
mod files;
mod formats;
mod properties;
mod real_data;
