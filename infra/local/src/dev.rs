//! `tidegate dev`: everything on this machine.

use std::{io::IsTerminal as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tidegate_engine::ports::Clock;
use tidegate_lambda::{Config, SystemClock};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    cli::{DevArgs, Outcome},
    data::{DataDir, Instance, Lock, is_token},
    demo::{Demo, Traffic},
    flows,
    host::{Host, Parts},
    log::{self, LogTo},
    place::Place,
    screen::{self, Banner, Screen},
};

/// Another command looks at the lock for a moment; it is tried again before it counts as held.
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: Duration = Duration::from_millis(50);
/// Key in the environment of the API's token, where a person sets it.
const TOKEN_KEY: &str = "TIDEGATE_API_TOKEN";

/// Runs until Ctrl-C.
pub(crate) async fn run(args: DevArgs) -> anyhow::Result<Outcome> {
    let config = Config::from_env();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let data = DataDir::create(&args.data)?;
    let _lock = lock(&data, clock.as_ref()).await?;
    let log_to = if args.verbose {
        LogTo::Stderr
    } else {
        LogTo::File(data.log())
    };
    log::start(&log_to, &config)?;
    let (listener, url) = listen(args.listen).await?;
    let demo = if args.no_demo {
        None
    } else {
        Some(Demo::start(&data, Arc::clone(&clock)).await?)
    };
    let place = place(&config, &data, demo.as_ref())?;
    let files = if args.no_demo {
        flows::read(args.flows.as_deref())?
    } else {
        flows::read_or_demo(args.flows.as_deref())?
    };
    let host = Host::start(Parts {
        data: &data,
        flows: flows::load(&files, &place, clock.now())?,
        place,
        clock: Arc::clone(&clock),
        listener,
        url: url.clone(),
    })
    .await?;
    data.announce(&Instance {
        url: url.clone(),
        table: host.table.clone(),
    })?;
    let banner = Banner {
        url: url.clone(),
        warning: warning(args.listen),
        data: data.root().to_owned(),
        log: log_to,
        refilled: host.refilled,
        flows: host
            .engine
            .flows()
            .map(|runtime| runtime.flow.id().to_string())
            .collect(),
        token_in_env: named_token(&config).is_some(),
        demo: demo
            .as_ref()
            .map(|demo| (demo.erp.url(), demo.qualio.url())),
    };
    if let Some(demo) = &demo {
        start_traffic(demo, &host, &url, &clock);
    }
    show_until_stopped(host, banner, clock).await
}

async fn lock(data: &DataDir, clock: &dyn Clock) -> anyhow::Result<Lock> {
    for _ in 0..LOCK_TRIES {
        if let Some(lock) = data.try_lock()? {
            return Ok(lock);
        }
        clock.wait_until(clock.now() + LOCK_WAIT).await;
    }
    bail!(
        "another tidegate works with the data folder {}; stop it, or name another one with --data",
        data.root().display()
    )
}

/// Listens there, and gives the address by which it is reached.
pub(crate) async fn listen(at: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(at).await.with_context(|| {
        format!(
            "can not listen on {at}; name another address with --listen, port 0 takes a free one"
        )
    })?;
    let mut bound = listener.local_addr()?;
    if bound.ip().is_unspecified() {
        // Listens everywhere; here it is reached by loopback.
        bound.set_ip(match bound {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok((listener, format!("http://{bound}")))
}

/// What to know of an address that others than this machine may reach.
pub(crate) fn warning(at: SocketAddr) -> Option<String> {
    let warning = format!(
        "Warning: {at} may be reached from other machines, over plain HTTP: the token is all that guards it, and whoever sees the traffic sees the token. Put TLS before it, or listen on 127.0.0.1."
    );
    (!at.ip().to_canonical().is_loopback()).then_some(warning)
}

/// Reads an address to listen on.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    let told = "write an address with its port, such as 127.0.0.1:8787 or [::1]:8787";
    text.parse().map_err(|_| told)
}

/// Settings and secrets: of the environment, then of the demo; the API's tokens are our own.
fn place(config: &Config, data: &DataDir, demo: Option<&Demo>) -> anyhow::Result<Place> {
    let mut place = Place::of_config(config);
    if let Some(demo) = demo {
        place = place.with_defaults(&demo.place.settings, &demo.place.secrets);
    }
    let token = match named_token(config) {
        Some(token) if is_token(token) => token.clone(),
        Some(_) => bail!(
            "{TOKEN_KEY} is not one word of visible ASCII; set it without spaces and line breaks, or leave it out to have one made"
        ),
        None => data.token()?,
    };
    let place = place.with_secret(tidegate_api::TOKEN_SECRET, &token);
    let place = place.with_secret(tidegate_api::FIELDS_TOKEN_SECRET, &data.fields_token()?);
    Ok(place.with_secret(tidegate_decide::TOKEN_SECRET, &data.decide_token()?))
}

/// The API's token, where a person set it.
fn named_token(config: &Config) -> Option<&String> {
    let named = config.values().get(TOKEN_KEY);
    named.filter(|token| !token.is_empty())
}

fn start_traffic(demo: &Demo, host: &Host, url: &str, clock: &Arc<dyn Clock>) {
    let secrets = &demo.place.secrets;
    let traffic = Traffic {
        erp: Arc::clone(&demo.erp),
        secret: secrets
            .get("SUPPLIERS_WEBHOOK_1")
            .cloned()
            .unwrap_or_default(),
        url: url.to_owned(),
        clock: Arc::clone(clock),
        engine: Arc::clone(&host.engine),
        events: Arc::clone(&host.events),
    };
    tokio::spawn(traffic.run());
}

async fn show_until_stopped(
    mut host: Host,
    banner: Banner,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Outcome> {
    let screen = if std::io::stdout().is_terminal() {
        Screen::bars(&banner)
    } else {
        Screen::lines(&banner)
    };
    let mut screen = screen?;
    let (asked, stop_asked) = oneshot::channel();
    tokio::spawn(async move {
        let signal = stop_signal().await;
        drop(asked.send(signal));
    });
    let engine = Arc::clone(&host.engine);
    tokio::select! {
        signal = stop_asked => signal.context("the process can not be told to stop")??,
        shown = screen::show(&mut screen, &engine, &mut host.news, clock.as_ref()) => shown?,
    }
    screen.say("Stopping: calls in hand end first. A second Ctrl-C stops at once.")?;
    tokio::select! {
        () = host.stop() => {}
        signal = stop_signal() => signal?,
    }
    screen.say("Stopped. The next start goes on from here.")?;
    Ok(Outcome::Fine)
}

/// Ctrl-C, or what a service manager sends.
pub(crate) async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_can_reach_is_warned_of() {
        for near in [
            "127.0.0.1:8787",
            "127.9.9.9:0",
            "[::1]:80",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(warning(parse_address(near).unwrap()), None, "{near}");
        }
        for far in ["0.0.0.0:8787", "[::]:8787", "192.168.1.4:80"] {
            let told = warning(parse_address(far).unwrap()).unwrap();
            assert!(told.contains(far) && told.contains("plain HTTP"), "{told}");
        }
        assert!(
            parse_address("0.0.0.0")
                .unwrap_err()
                .contains("with its port")
        );
    }
}
