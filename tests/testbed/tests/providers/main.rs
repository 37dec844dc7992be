//! The simulators of Hero Health and Insight Health over real sockets: one test per rule and switch.

mod faults;
mod herohealth;
mod herohealth_deliveries;
mod insighthealth;
mod insighthealth_push;
mod support;
