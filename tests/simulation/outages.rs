//! TRY-1 and BRK-1: outages spend no retries.
