//! `tidegate double`: a stand-in of another system on loopback, to try a flow or a connector against.
//!
//! It is the double that the tests use, with the clock of the machine. Its credentials are words that
//! never change: it holds nothing but what it made up, and only this machine reaches it.

mod served;
mod trial;

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tidegate_engine::ports::Clock as _;
use tidegate_lambda::SystemClock;
use tidegate_testkit::doubles;

use crate::{cli::Outcome, dev, offline::print};
use served::Served;

/// The most records at the start: an ERP holds its suppliers in memory, about 1 KB each.
const MAX_RECORDS: i64 = 1_000_000;

const HELP: &str = "\
It answers until Ctrl-C, on 127.0.0.1 only, and remembers nothing beyond that. What it got is told by
  curl -s URL/_double/calls
and it fails as it is told to:
  curl -s -H 'Content-Type: application/json' -d '{\"times\":3,\"do\":{\"answer\":{\"status\":503}}}' \\
    URL/_double/faults";

/// What `double` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct DoubleArgs {
    /// Which system [default: list them]
    #[arg(value_enum, value_name = "NAME")]
    pub name: Option<Name>,
    /// Port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "name")]
    pub port: u16,
    /// Records that amazon, dataverse, erp, shopify, trustpilot or webwinkelkeur holds at the start
    #[arg(long, value_name = "N", requires = "name", value_parser = clap::value_parser!(u32).range(1..=MAX_RECORDS))]
    pub records: Option<u32>,
}

/// The systems that there are doubles of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// The Orders API v0 of Amazon's Selling Partner API, with its login, its lag and its quotas
    Amazon,
    /// An OAuth 2.0 token endpoint: client credentials, refresh tokens, and tokens that are taken back
    Authority,
    /// Accounts of Dynamics 365 by Dataverse's Web API: delta links that last a week, deletions, its login
    Dataverse,
    /// An ERP that lists its suppliers by time of change
    Erp,
    /// A service that upserts members under the caller's own key, as newsletters and search indexes do
    Members,
    /// Qualio's supplier API: no paging, no external id, 200 calls a minute
    Qualio,
    /// Orders of Shopify's Admin REST API: cursors in the Link header, 40 calls and then 2 a second
    Shopify,
    /// Reviews of Trustpilot's private API: ids, numbered pages, a filter by time of creation, its login
    Trustpilot,
    /// Reviews of Webwinkelkeur: no ids, local times, some listed twice, errors told with status 200
    Webwinkelkeur,
}

impl Name {
    /// As it is typed, and a sentence for whoever chooses.
    fn told(self) -> (String, String) {
        let value = self.to_possible_value();
        let name = value.as_ref().map(|value| value.get_name().to_owned());
        let about = value.and_then(|value| Some(value.get_help()?.to_string()));
        (name.unwrap_or_default(), about.unwrap_or_default())
    }
}

/// Lists the doubles, or serves one until it is told to stop.
pub(crate) async fn run(args: &DoubleArgs) -> anyhow::Result<Outcome> {
    let Some(name) = args.name else {
        print(&listed())?;
        return Ok(Outcome::Fine);
    };
    let clock: doubles::Clock = Arc::new(|| SystemClock.now().0);
    let served = Served::start(name, args, &clock).await?;
    print(&served.told())?;
    dev::stop_signal()
        .await
        .context("the process can not be told to stop")?;
    Ok(Outcome::Fine)
}

fn listed() -> String {
    let lines: Vec<String> = Name::value_variants()
        .iter()
        .map(|name| name.told())
        .map(|(name, about)| format!("{name:<13} {about}.\n"))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: Name, records: Option<u32>) -> DoubleArgs {
        DoubleArgs {
            name: Some(name),
            port: 0,
            records,
        }
    }

    fn clock() -> doubles::Clock {
        Arc::new(|| SystemClock.now().0)
    }

    #[test]
    fn each_double_is_listed_with_a_sentence() {
        let listed = listed();
        assert_eq!(listed.lines().count(), Name::value_variants().len());
        for line in listed.lines() {
            assert!(line.len() > 40 && !line.ends_with(".."), "{line}");
        }
    }

    #[tokio::test]
    async fn what_each_double_says_to_try_is_answered() {
        for name in Name::value_variants() {
            let served = Served::start(*name, &args(*name, None), &clock())
                .await
                .unwrap();
            let told = served.told();
            assert_eq!(told.matches("\n  curl ").count(), 3, "{told}");
            for trial in &served.trials {
                let status = trial.sent().await;
                assert!(status.is_success(), "{}: {status}", trial.curl());
                assert!(told.contains(&trial.curl()), "{told}");
            }
        }
    }

    #[tokio::test]
    async fn a_shop_holds_as_many_records_as_it_is_told_and_others_say_that_they_hold_none() {
        for (name, told) in [
            (Name::Shopify, "1000000 orders"),
            (Name::Dataverse, "1000000 accounts"),
            (Name::Trustpilot, "1000000 reviews"),
            (Name::Webwinkelkeur, "1000000 ratings"),
        ] {
            let many = args(name, Some(1_000_000));
            let served = Served::start(name, &many, &clock()).await.unwrap();
            assert!(served.told().contains(told), "{}", served.told());
        }
        for name in [Name::Authority, Name::Members, Name::Qualio] {
            let refused = Served::start(name, &args(name, Some(5)), &clock()).await;
            let error = refused.err().unwrap().to_string();
            assert!(error.contains("--records"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_of() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let args = DoubleArgs {
            port,
            ..args(Name::Shopify, None)
        };
        let refused = Served::start(Name::Shopify, &args, &clock()).await;
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
