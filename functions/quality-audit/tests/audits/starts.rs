//! What asks for an audit, and what it does not do.

use super::*;

#[tokio::test]
async fn a_window_is_audited_once_and_a_person_may_ask_again() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    // What a person asked for while the window's run went on has not seen all that it brings.
    complete(&host, by_hand()).await;
    complete(&host, shipped()).await;
    assert_eq!(audit(&host, shipped()).await.end, RunEnd::AlreadyDone);
    let again = json!({ "flow": "suppliers", "window": WINDOW });
    assert_eq!(
        audit(&host, envelope(&again)).await.end,
        RunEnd::AlreadyDone
    );
    complete(&host, by_hand()).await;
}

#[tokio::test]
async fn tick_asks_for_the_audit_of_a_window_whose_event_was_lost() {
    let host = host();
    let asked = || {
        let events = host.events.take().into_iter();
        let requests = events.filter_map(|event| match event {
            Event::AuditRequested { request, .. } => Some(request.window),
            _ => None,
        });
        requests.collect::<Vec<_>>()
    };
    let paused = PauseRequest {
        reason: "no run starts meanwhile".to_owned(),
        by: "ada".to_owned(),
        scope: Scope::All,
    };
    host.engine.pause(&flow(), paused).await.unwrap();
    host.engine.tick(None).await.unwrap();
    assert_eq!(asked(), [], "no window is complete");
    let complete_window = Update::when(Condition::ALWAYS).set("done_window", WINDOW.0);
    host.store
        .update(&keys::lease(&flow()), &complete_window)
        .await
        .unwrap();
    host.engine.tick(None).await.unwrap();
    assert_eq!(asked(), [Some(WINDOW)]);
    complete(&host, shipped()).await;
    host.engine.tick(None).await.unwrap();
    assert_eq!(asked(), []);
}

#[tokio::test]
async fn the_complete_run_of_a_window_asks_for_its_audit_and_no_other_does() {
    for (window, expected) in [
        (Some(WINDOW), vec![WINDOW]),
        (Some(WINDOW + Duration::from_hours(8)), vec![]),
        (None, vec![]),
    ] {
        let host = host();
        host.clock.set(WINDOW + Duration::from_hours(9));
        host.http.answer(|request| {
            let of_erp = request.url.starts_with("https://erp.");
            let rows = json!({ "items": [], "has_more": false });
            Ok(MemoryHttp::json(
                200,
                if of_erp { rows } else { json!({ "items": [] }) },
            ))
        });
        let request = RunRequest {
            window,
            ..RunRequest::default()
        };
        let deadline = host.clock.now() + Duration::from_mins(15);
        let report = host.engine.run(&flow(), &request, deadline).await.unwrap();
        assert_eq!(report.end, RunEnd::Complete);
        let asked = host
            .events
            .all()
            .into_iter()
            .filter_map(|event| match event {
                Event::AuditRequested { request, .. } => request.window,
                _ => None,
            });
        assert_eq!(asked.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_flow_without_an_audit_is_told_so() {
    let (before, rest) = FLOW.split_once("[audit]").unwrap();
    let (_, after) = rest.split_once("# --- Where suppliers go").unwrap();
    let text = format!("{before}\n# --- Where suppliers go{after}");
    let host = Host::new(&[&text], [], tidegate_connect::connect).unwrap();
    let report = audit(&host, by_hand()).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
}

#[tokio::test]
async fn a_table_that_fails_is_an_error_and_the_next_one_goes_on() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    host.store.fail(true);
    handle(&host.engine, shipped()).await.unwrap_err();
    host.store.fail(false);
    complete(&host, shipped()).await;
}
