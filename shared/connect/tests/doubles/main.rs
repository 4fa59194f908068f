//! The connectors over true HTTP: the shipped supplier flow's against the doubles of both systems, and
//! the listing of a target that upserts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a test's way to fail"
)]

mod direct;
mod erp;
mod members;
mod qualio;

use std::sync::Arc;

use tidegate_policy::flow::{Flow, Settings};

const TOKEN: &str = "erp-token";
const API_KEY: &str = "qualio-key";

/// A moment of the doubles' clock, in milliseconds since 1970: it stands still.
const NOW_MS: i64 = 1_790_000_000_000;

fn clock() -> tidegate_testkit::doubles::Clock {
    Arc::new(|| NOW_MS)
}

/// The flow as it is shipped, with these addresses.
fn flow(erp_url: &str, qualio_url: &str) -> Arc<Flow> {
    let risk = |title: &str| {
        let level = tidegate_testkit::doubles::qualio::RiskLevel::of_title(title).unwrap();
        level.id
    };
    let settings: Settings = [
        ("ERP_URL", erp_url.to_owned()),
        ("QUALIO_URL", qualio_url.to_owned()),
        ("QUALIO_RISK_LOW", risk("Low")),
        ("QUALIO_RISK_MEDIUM", risk("Medium")),
        ("QUALIO_RISK_HIGH", risk("High")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let text = include_str!("../../../../infra/flows/suppliers.toml");
    match Flow::load("suppliers.toml", text, &settings) {
        Ok(flow) => Arc::new(flow),
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}
