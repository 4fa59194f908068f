//! The checkers, by what they look at. Each keeps what it needs of the past.

pub mod breaker;
pub mod decision;
pub mod delivery;
pub mod end;
pub mod limit;
pub mod message;
pub mod news;
pub mod permit;
pub mod register;
pub mod run;
