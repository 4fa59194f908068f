//! Addresses of a flow, with settings in place.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::expr::{Context, Encoding, Template};

/// The base address of a source or target: http or https, a host, no query, no slash at the end.
pub(crate) fn base_url(template: &str, base: &Context) -> Result<String, String> {
    address("base_url", template, base)
}

/// The address of a warehouse: the same, and what proves who we are can not be read on the way.
pub(crate) fn warehouse_url(template: &str, base: &Context) -> Result<String, String> {
    closed("base_url", base_url(template, base)?)
}

/// The address of a token endpoint, to which a client's secret can not be read on the way (RFC 6749, 3.2).
pub(crate) fn token_url(template: &str, base: &Context) -> Result<String, String> {
    closed("token_url", address("token_url", template, base)?)
}

fn address(name: &str, template: &str, base: &Context) -> Result<String, String> {
    let url = Template::compile(template, Encoding::Plain)
        .and_then(|template| template.render(base))
        .map_err(|error| error.to_string())?;
    let url = url.trim_end_matches('/');
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split('/').next().unwrap_or_default();
    let fits = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !host.starts_with(':')
        && !rest.contains(['?', '#', '@', '\\'])
        && !rest.chars().any(|c| c.is_whitespace() || c.is_control());
    if !fits {
        // Without what stands there: it may hold a password.
        return Err(format!(
            "`{name}` must be an address such as `https://api.example.com`, without user, query or fragment"
        ));
    }
    Ok(url.to_owned())
}

/// An address whose requests nobody reads on the way: of https, or of this machine.
fn closed(name: &str, url: String) -> Result<String, String> {
    let plain = url.strip_prefix("http://");
    let host = plain.map(|rest| rest.split('/').next().unwrap_or_default());
    if host.is_none_or(is_loopback) {
        return Ok(url);
    }
    Err(format!(
        "`{name}` must be an address of `https://`: what proves who we are goes there, and over `http://` all on the way can read it; that is for this machine alone, as `http://127.0.0.1:8080`"
    ))
}

/// Whether a host, with its port, is this machine. `localhost` is never asked of others (RFC 6761, 6.3).
fn is_loopback(host: &str) -> bool {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return address
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let is_address = name
        .parse()
        .is_ok_and(|address: Ipv4Addr| address.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::https("https://login.example.com/token", true)]
    #[case::plain("http://login.example.com/token", false)]
    #[case::plain_address("http://10.0.0.7:8080", false)]
    #[case::plain_ipv6("http://[2001:db8::1]:80", false)]
    #[case::loopback("http://127.0.0.1:9902", true)]
    #[case::all_of_loopback("http://127.8.8.8", true)]
    #[case::loopback_ipv6("http://[::1]:9902/token", true)]
    #[case::this_machine("http://LocalHost:9902/token", true)]
    #[case::as_if_this_machine("http://localhost.example.com/token", false)]
    #[case::as_if_loopback("http://127.0.0.1.example.com", false)]
    #[case::everywhere("http://0.0.0.0:80", false)]
    fn what_proves_who_we_are_is_plain_on_this_machine_alone(
        #[case] url: &str,
        #[case] fits: bool,
    ) {
        let base = Context::new();
        for read in [token_url, warehouse_url] {
            let told = read(url, &base);
            assert_eq!(told.is_ok(), fits, "{told:?}");
        }
        assert!(base_url(url, &base).is_ok());
    }
}
