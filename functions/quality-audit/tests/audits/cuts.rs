//! Audits that end before their end, and those that have too much in hand.

use super::*;

/// A table that takes a second for each page.
struct Slow(MemoryStore, Arc<ManualClock>);

#[async_trait::async_trait]
impl Store for Slow {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        self.0.update(key, update).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        self.1.advance(Duration::from_secs(1));
        self.0.list(listing, after, limit).await
    }
}

/// An engine over such a table that holds what that of the host holds.
fn slow(host: &Host) -> (Engine, Arc<MemoryEvents>) {
    let clock = Arc::new(ManualClock::new(START));
    let store = Slow(MemoryStore::default(), Arc::clone(&clock));
    for (key, item) in host.store.items() {
        store.0.put(key, item);
    }
    let events = Arc::new(MemoryEvents::default());
    let flow = Flow::load("flow.toml", FLOW, &settings()).unwrap();
    let flow = Arc::new(flow);
    let (source, target) = tidegate_connect::connect(&flow);
    let ports = Ports {
        store: Arc::new(store),
        queue: Arc::new(MemoryQueue::new(
            Arc::<ManualClock>::clone(&clock),
            QueueRules::default(),
        )),
        events: Arc::<MemoryEvents>::clone(&events),
        mailer: Arc::new(MemoryMailer::default()),
        chance: Arc::new(SeededChance::new(1)),
        http: Arc::new(MemoryHttp::default()),
        secrets: Arc::new(CachedSecrets::new(
            MemoryVault::new([]),
            Arc::<ManualClock>::clone(&clock),
        )),
        metrics: Arc::new(MemoryMetrics::default()),
        clock,
    };
    (
        Engine::new(ports, vec![FlowRuntime::new(flow, source, target)]),
        events,
    )
}

/// Forty suppliers of whom four have one address, in shards far apart.
async fn forty() -> Host {
    let host = host();
    for number in 0..40 {
        let email = if number % 13 == 0 { 0 } else { number };
        let changed = json!({ "email": format!("{email}@x.example"), "blocked": number % 7 == 0 });
        has(&host, &format!("SUP-{number}"), 1, changed).await;
    }
    host
}

#[tokio::test]
async fn one_that_is_cut_anywhere_goes_on_and_finds_the_same() {
    let host = forty().await;
    let expected = complete(&host, shipped()).await;
    assert_eq!(expected.counts.shared, 4);
    // A page is begun only with 25 s left: so many pages a part.
    for pages in [2, 3, 7, 20] {
        let (engine, events) = slow(&forty().await);
        let mut request = AuditRequest {
            window: Some(WINDOW),
            resume: None,
        };
        let mut parts = 0;
        let report = loop {
            let deadline = engine.now() + Duration::from_secs(24 + pages);
            let report = engine.audit(&flow(), &request, deadline).await.unwrap();
            assert!(report.counts.add_up(), "OUT-1: {report:?}");
            parts += 1;
            assert!(parts < 40, "{report:?}");
            if report.end == RunEnd::Complete {
                break report;
            }
            assert_eq!(report.end, RunEnd::Continues);
            let asked = events.take().into_iter().find_map(|event| match event {
                Event::AuditRequested { request, .. } => Some(request),
                _ => None,
            });
            request = asked.expect("an event asks for the rest");
        };
        assert!(parts > 1, "{pages} pages a part");
        assert_eq!(report.counts, expected.counts, "{pages} pages a part");
        assert_eq!(report.tallies, expected.tallies);
        assert_eq!(report.notes, expected.notes);
        assert_eq!(report.standing, expected.standing);
    }
}

#[tokio::test]
async fn one_without_time_for_anything_is_left_to_the_heartbeat() {
    let (engine, events) = slow(&forty().await);
    let request = AuditRequest {
        window: Some(WINDOW),
        resume: None,
    };
    let deadline = engine.now() + Duration::from_secs(10);
    let report = engine.audit(&flow(), &request, deadline).await.unwrap();
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let asks = |event: &Event| matches!(event, Event::AuditRequested { .. });
    assert!(!events.all().iter().any(asks), "or it would spin");
}

#[tokio::test]
async fn values_beyond_what_memory_holds_are_counted_and_told() {
    let host = forty().await;
    let deadline = START + Duration::from_mins(15);
    let all = AuditRequest::default();
    let report = host
        .engine
        .audit_within(&flow(), &all, deadline, 10)
        .await
        .unwrap();
    // 37 addresses, of which ten are remembered.
    assert!(report.not_compared > 0, "{report:?}");
    assert!(report.not_compared <= 27, "{report:?}");
    let told = format!(
        "; {} values were too many to be compared",
        report.not_compared
    );
    assert!(report.summary().ends_with(&told), "{}", report.summary());
}
