//! Sources and targets over HTTP, described by data.
