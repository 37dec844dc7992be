//! Tests of the judgement.

mod bad_input;
mod calendar;
mod clinic;
mod desk;
mod properties;
mod status;
mod year;
