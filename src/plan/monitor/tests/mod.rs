//! Tests of the judgement.

mod bad_input;
mod calendar;
mod clinic;
mod damper;
mod desk;
mod lent;
mod measures;
mod messages;
mod properties;
mod restart;
mod status;
mod told;
mod verdicts;
mod year;
