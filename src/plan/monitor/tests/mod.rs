//! Tests of the judgement.

mod bad_input;
mod calendar;
mod clinic;
mod properties;
mod status;
mod year;
