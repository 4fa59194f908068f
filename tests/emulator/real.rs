//! The program of one machine: killed again and again, and minutes at its true limits. Here, and not beside
//! the program, since it mostly waits, and so do those beside it.

#![allow(clippy::unwrap_used, reason = "tests fail by panic")]

mod kill;
mod limits;
mod machine;
mod orders;
