//! LIM-1 and LIM-2, judged by the target's log.
