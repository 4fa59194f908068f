//! decide: telemetry, configuration, adapters, run.

use std::sync::Arc;

use lambda_http::run;
use tidegate_aws::Aws;
use tidegate_connect::{HttpClient, connect};
use tidegate_engine::{Decisions, Ports};
use tidegate_lambda::{
    Bus, Config, Emf, FlowsFolder, LogFilter, SystemChance, SystemClock, Table, Unwired, assemble,
    begin_flows, start_telemetry,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env();
    let (log, table, bus, folder, emf) =
        config.read::<(LogFilter, Table, Bus, FlowsFolder, Emf)>()?;
    let flows = begin_flows(folder, config.settings());
    start_telemetry(&log)?;
    let aws = Aws::connect(config.values()).await?;
    let secrets = Arc::new(aws.secrets(config.vault(), Arc::new(SystemClock)));
    let ports = Ports {
        store: Arc::new(aws.store(table.0)),
        queue: Arc::new(Unwired),
        events: Arc::new(aws.events(bus.0)),
        mailer: Arc::new(Unwired),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        http: Arc::new(HttpClient::new(secrets.clone())),
        secrets,
        metrics: Arc::new(emf),
    };
    let decisions = Decisions::of(&assemble(ports, flows.await??, connect));
    run(tidegate_decide::router(Arc::new(decisions)))
        .await
        .map_err(anyhow::Error::from_boxed)
}
