//! The ground floor: what events do to profiles and which decisions follow. Pure: no I/O, no clock, and
//! nothing in it can fail. `react` is its only door.

pub mod affinity;
mod aggregation;
pub mod attribute;
pub mod catalogue;
pub mod command;
pub mod decide;
pub mod decision;
mod derived;
pub mod distinct;
pub mod event;
pub mod expression;
pub mod field;
mod firing;
pub mod frequencies;
pub mod freshness;
pub mod funnel;
pub mod interest;
pub mod lifecycle;
pub mod person;
pub mod points;
pub mod profile;
pub mod purchase;
pub mod quality;
pub mod react;
mod retention;
pub mod rulebook;
pub mod scalar;
pub mod scope;
pub mod segment;
pub mod session;
pub mod session_values;
pub mod time;
pub mod validity;
pub mod visit;
pub mod window;
pub mod zone;
