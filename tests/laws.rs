//! Laws of the ground floor, held over thousands of made-up stories of one person: what may not depend on the
//! order of arrival, on when the sweep comes by, on a restart; and, said as short stories, what a rule means.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "laws/builder.rs"]
mod builder;
#[path = "laws/decisions.rs"]
mod decisions;
#[path = "laws/limits.rs"]
mod limits;
#[path = "laws/order.rs"]
mod order;
#[path = "laws/reference.rs"]
mod reference;
#[path = "laws/sessions.rs"]
mod sessions;
#[path = "laws/stories.rs"]
mod stories;
#[path = "laws/time.rs"]
mod time;
#[path = "laws/totality.rs"]
mod totality;
#[path = "laws/validity.rs"]
mod validity;
