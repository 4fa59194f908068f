//! What audits find, count and tell.

use super::*;

#[tokio::test]
async fn each_kind_of_finding_is_counted_and_named_without_a_value() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    has(&host, "SUP-2", 1, json!({ "email": null, "purpose": " " })).await;
    has(
        &host,
        "SUP-3",
        1,
        json!({ "email": "c@x.example", "certification_status": "expired" }),
    )
    .await;
    has(&host, "SUP-4", 1, json!({ "email": "secret@x.example" })).await;
    has(&host, "SUP-5", 1, json!({ "email": "secret@x.example" })).await;
    has(
        &host,
        "SUP-6",
        1,
        json!({ "email": "f@x.example", "certificates": 7 }),
    )
    .await;
    let report = complete(&host, shipped()).await;
    assert_eq!(report.window, Some(WINDOW));
    assert_eq!(
        notes(&report),
        [
            ("SUP-2", FindingKind::Missing, "email"),
            ("SUP-2", FindingKind::Missing, "purpose"),
            ("SUP-3", FindingKind::Broken, "approved-is-certified"),
            ("SUP-4", FindingKind::Shared, "email"),
            ("SUP-5", FindingKind::Shared, "email"),
            ("SUP-6", FindingKind::Failed, "valid-has-certificates"),
        ]
    );
    let counts = report.counts;
    assert_eq!(
        (counts.audited, counts.clean, counts.with_findings),
        (6, 1, 5)
    );
    assert_eq!(
        (counts.missing, counts.broken, counts.failed, counts.shared),
        (2, 1, 1, 2)
    );
    assert_eq!(
        report.summary(),
        "6 audited: 1 clean, 5 with findings (1 email missing, 1 purpose missing, 1 approved-is-certified broken, 1 valid-has-certificates failed, 2 email shared)"
    );
    assert_eq!(
        host.engine.latest_audit(&flow()).await.unwrap(),
        Some(report)
    );
    let everything = format!(
        "{:?}{:?}",
        host.events.all(),
        host.store.item(&keys::latest_audit(&flow()))
    );
    assert!(!everything.contains("x.example"), "{everything}");
    assert_eq!(host.http.requests(), [], "no other system is called");
}

#[tokio::test]
async fn what_is_deleted_or_not_readable_is_neither_clean_nor_found() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    let gone = register::stage_applied(&change(1, Content::Deleted), START);
    write_register(&host, "SUP-2", &gone).await;
    let broken = Update::when(Condition::ALWAYS).set("dv", "no version");
    write_register(&host, "SUP-3", &broken).await;
    let counts = complete(&host, shipped()).await.counts;
    assert_eq!((counts.audited, counts.clean, counts.unreadable), (2, 1, 1));
}

#[tokio::test]
async fn the_report_tells_what_the_target_does_not_hold_beside_what_was_compared_last() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    let record = |name: &str| Content::Record(supplier(&json!({ "email": name })));
    for (name, after_s) in [("SUP-2", 60), ("SUP-3", 30)] {
        let at = START + Duration::from_secs(after_s);
        write_register(&host, name, &register::stage(&change(1, record(name)), at)).await;
    }
    let report = complete(&host, shipped()).await;
    let standing = report.standing;
    assert_eq!((standing.applied, standing.pending), (1, 2));
    assert_eq!(
        standing.pending_since,
        Some(START + Duration::from_secs(30))
    );
    assert_eq!(report.compared, None);

    let rows =
        json!({ "items": realistic_suppliers(1, 3, START.0 - 3_600_000), "has_more": false });
    host.http.answer(move |request| {
        let of_erp = request.url.starts_with("https://erp.");
        let rows = if of_erp {
            rows.clone()
        } else {
            json!({ "items": [] })
        };
        Ok(MemoryHttp::json(200, rows))
    });
    let deadline = START + Duration::from_mins(15);
    let (flow, request) = (flow(), ReconcileRequest::default());
    let compared = host.engine.reconcile(&flow, &request, deadline).await;
    let report = complete(&host, by_hand()).await;
    assert_eq!(
        report.compared.unwrap().findings,
        compared.unwrap().findings
    );
}

#[tokio::test]
async fn a_complete_one_is_measured_and_told() {
    let host = host();
    has_sound(&host, "SUP-1").await;
    has(&host, "SUP-2", 1, json!({ "email": null })).await;
    let report = complete(&host, shipped()).await;
    let values = |metric, dimensions: &[&str]| host.metrics.values(metric, dimensions);
    assert_eq!(values(&metric::AUDITED, &["suppliers"]), [2.0]);
    for (kind, count) in [
        ("missing", 1.0),
        ("broken", 0.0),
        ("failed", 0.0),
        ("shared", 0.0),
    ] {
        assert_eq!(
            values(&metric::AUDIT_FINDINGS, &["suppliers", kind]),
            [count],
            "{kind}"
        );
    }
    let told = Event::AuditFinished {
        flow: flow(),
        run: format!("audit-{}", WINDOW.0),
        complete: true,
        counts: report.counts,
    };
    assert_eq!(host.events.all(), [told]);
}
