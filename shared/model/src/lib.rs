//! Nouns and ids of Tidegate: no I/O, no clock, no async.
