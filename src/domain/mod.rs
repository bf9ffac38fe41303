//! The ground floor: what events do to profiles and which decisions follow. Pure: no I/O, no clock, and
//! nothing in it can fail.

pub mod catalogue;
pub mod command;
pub mod event;
pub mod person;
pub mod scalar;
pub mod time;
