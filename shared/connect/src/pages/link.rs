//! The `Link` header (RFC 8288).

/// The address with `rel="next"` in one header's value.
pub(super) fn next(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (address, after) = after.split_once('>')?;
        let (parameters, remaining) = split_at_comma(after);
        if is_next(parameters) {
            return Some(address.trim().to_owned());
        }
        rest = remaining;
    }
    None
}

/// Cuts before the comma that ends this link: one outside quotes.
fn split_at_comma(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

/// Whether the parameters say `rel=next`, alone or among others, quoted or not.
fn is_next(parameters: &str) -> bool {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        // Of several `rel`, the first counts (RFC 8288, 3.3).
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
        .is_some_and(|(_, value)| {
            let value = value.trim().trim_matches('"');
            value
                .split_ascii_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case("next"))
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::next;

    #[rstest]
    #[case::quoted(r#"<https://a/b?page=2>; rel="next""#, Some("https://a/b?page=2"))]
    #[case::plain("<https://a/b?page=2>;rel=next", Some("https://a/b?page=2"))]
    #[case::second(
        r#"<https://a/1>; rel="prev", <https://a/3>; rel="next""#,
        Some("https://a/3")
    )]
    #[case::comma_in_address(r#"<https://a/?ids=1,2;x>; rel="next""#, Some("https://a/?ids=1,2;x"))]
    #[case::comma_in_title(
        r#"<https://a/1>; title="a, b"; rel="first", </2>; REL=Next"#,
        Some("/2")
    )]
    #[case::several(r#"<https://a/9>; rel="last next""#, Some("https://a/9"))]
    #[case::first_rel_counts(r#"<https://a/9>; rel="last"; rel="next""#, None)]
    #[case::another(r#"<https://a/9>; rel="nextish""#, None)]
    #[case::no_relation("<https://a/9>", None)]
    #[case::garbage("next", None)]
    #[case::unclosed("<https://a/9; rel=next", None)]
    #[case::nothing("", None)]
    fn the_next_address_is_found(#[case] header: &str, #[case] address: Option<&str>) {
        assert_eq!(next(header).as_deref(), address);
    }
}
