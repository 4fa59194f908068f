//! The value of an attribute, as a header writes it (HTTP protocol binding, 3.1.3.2).

/// The value; none where it is not written as it must be. In quotes it is what older versions of the
/// binding sent.
pub(super) fn decoded(text: &str) -> Option<String> {
    let text = unquoted(text.trim())?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2)?;
                bytes.extend(hex::decode(digits).ok()?);
                rest = tail;
            }
            b' '..=b'~' => bytes.push(*byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return Some(text.to_owned());
    };
    let mut chars = inner.strip_suffix('"')?.chars();
    let mut plain = String::with_capacity(inner.len());
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}
