//! Hosting: configuration, telemetry, event decoding, responses.
