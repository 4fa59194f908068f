//! Where files lie, or are put: in a bucket, or in a folder of one machine.

use super::{Findings, rendered::Rendered};
use crate::flow::Settings;

const SCHEME: &str = "s3://";

pub(super) fn check(findings: &mut Findings<'_>, settings: &Settings) {
    for pointer in ["/source/place", "/warehouse/place"] {
        let rendered = Rendered::at(findings, pointer, settings);
        if let Some(rendered) = rendered.filter(|rendered| !is_place(&rendered.text)) {
            let but = rendered.but_written();
            findings.wrong(
                pointer,
                format!("`place` must be `s3://BUCKET/PREFIX/`, with the slash at its end, or a folder{but}"),
            );
        }
    }
}

fn is_place(text: &str) -> bool {
    match text.strip_prefix(SCHEME) {
        Some(rest) => rest
            .split_once('/')
            .is_some_and(|(bucket, prefix)| is_bucket(bucket) && is_prefix(prefix)),
        None => {
            !text.trim().is_empty() && !text.contains("://") && !text.contains(char::is_control)
        }
    }
}

/// A bucket has lower-case letters, digits, `.` and `-` in its name, since it is one of a host.
fn is_bucket(name: &str) -> bool {
    let is_of_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
    !name.is_empty() && name.bytes().all(is_of_host)
}

/// Empty: files lie in the bucket itself.
fn is_prefix(text: &str) -> bool {
    (text.is_empty() || text.ends_with('/'))
        && !text.starts_with('/')
        && !text.contains(char::is_control)
}
