//! One supplier's way, end to end.

use std::time::Duration;

use tidegate_engine::RunEnd;
use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::{register::State, run::RunRequest};
use tidegate_testkit::doubles::erp::realistic_suppliers;

use crate::world::{World, suppliers_flow};

#[tokio::test(start_paused = true)]
async fn a_supplier_of_the_erp_reaches_qualio() {
    let world = World::new(realistic_suppliers(1, 1, 0), &[suppliers_flow()]);
    world.start();
    let flow = FlowId::try_new("suppliers").unwrap();
    let request = RunRequest {
        window: None,
        mode: None,
        lookback_s: None,
        resume: None,
        trigger: None,
    };
    let report = world
        .engine
        .run(&flow, &request, UnixMs(i64::MAX))
        .await
        .unwrap();
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!((report.counts.received, report.counts.staged), (1, 1));
    world
        .until("applied", Duration::from_secs(60), || world.is_clean())
        .await;

    let key = world.erp.suppliers()[0].id.clone();
    let standing = world.qualio.suppliers_of_key(&key);
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].name, world.erp.suppliers()[0].legal_name);
    let register = &world.registers()[&("suppliers".to_owned(), key)];
    assert_eq!(register.state(), State::Applied);
    assert_eq!(
        register.target_id.as_deref(),
        Some(standing[0].supplier_id.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_run_sees_again_costs_no_write_of_a_register() {
    let world = World::new(realistic_suppliers(1, 40, 0), &[suppliers_flow()]);
    world.start();
    let flow = FlowId::try_new("suppliers").unwrap();
    let request = RunRequest {
        window: None,
        mode: None,
        lookback_s: Some(86_400),
        resume: None,
        trigger: None,
    };
    world
        .engine
        .run(&flow, &request, UnixMs(i64::MAX))
        .await
        .unwrap();
    world
        .until("applied", Duration::from_secs(600), || world.is_clean())
        .await;
    let before = world.registers();
    let calls = world.qualio.calls().len();

    let report = world
        .engine
        .run(&flow, &request, UnixMs(i64::MAX))
        .await
        .unwrap();
    assert_eq!(
        (
            report.counts.received,
            report.counts.unchanged,
            report.counts.queued
        ),
        (40, 40, 0)
    );
    assert_eq!(world.registers(), before);
    assert_eq!(world.qualio.calls().len(), calls);
}
