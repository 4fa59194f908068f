//! warehouse: telemetry, configuration, adapters, run.

use std::sync::Arc;

use lambda_runtime::{run, service_fn};
use tidegate_aws::Aws;
use tidegate_connect::{HttpClient, Snowflake, connect};
use tidegate_engine::Ports;
use tidegate_lambda::{
    Common, Config, SystemChance, SystemClock, Unwired, assemble, begin_flows, guarded,
    start_telemetry,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env();
    let (log, table, _, bus, folder, emf) = config.read::<Common>()?;
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
    let warehouse = Snowflake::over(&ports, aws.files());
    let engine = assemble(ports, flows.await??, connect);
    run(service_fn(|event| {
        guarded(tidegate_warehouse::handle(&engine, &warehouse, event))
    }))
    .await
    .map_err(anyhow::Error::from_boxed)
}
