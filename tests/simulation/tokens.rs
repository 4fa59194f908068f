//! A source that takes tokens (R24): each process asks for one when it needs it, keeps it, and renews it
//! ahead of a batch; one that is refused has one successor; and a run loses nothing by it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tidegate_engine::{
    Event, RunEnd,
    ports::{Body, FormValue, Http, Request, Sent, TransportError},
};

use tidegate_simulator::{Doubles, Quiet};
use tidegate_testkit::doubles::{
    Action, Fault,
    erp::{ErpDouble, realistic_suppliers, webhook::Told},
};

use crate::world::{CLIENT_SECRET, MANUAL, WEBHOOK_SECRETS, World, suppliers_flow};

/// Life of a token in seconds.
const LIFE_S: u64 = 1_000;

/// The supplier flow, its ERP behind an authorisation server.
fn flow() -> String {
    let auth = r#"auth = { type = "bearer", secret = "ERP_TOKEN" }"#;
    let flow = suppliers_flow();
    assert!(flow.contains(auth));
    flow.replace(
        auth,
        r#"auth = { type = "oauth2", token_url = "https://authority/token", client_id = "tidegate", secret = "ERP_CLIENT_SECRET", scope = "suppliers" }"#,
    )
}

/// An authorisation server in front of the ERP, which takes the newest token alone.
struct Authority {
    doubles: Doubles,
    erp: Arc<ErpDouble>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The forms that were sent.
    asked: Vec<Vec<(&'static str, String)>>,
    secret: String,
    /// A status with which it answers instead.
    broken: Option<u16>,
    /// It gives tokens that the ERP does not take.
    useless: bool,
}

#[async_trait]
impl Http for Authority {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        if request.url != "https://authority/token" {
            return self.doubles.send(request).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let Some(Body::Form(form)) = &request.body else {
            panic!("a token is asked for by a form");
        };
        let form: Vec<(&str, String)> = form
            .iter()
            .map(|(name, value)| match value {
                FormValue::Plain(text) => (*name, text.clone()),
                other => panic!("{other:?} was not filled in"),
            })
            .collect();
        let mut state = self.state.lock().unwrap();
        let secret = form.iter().find(|(name, _)| *name == "client_secret");
        let is_known = secret.is_some_and(|(_, secret)| *secret == state.secret);
        state.asked.push(form);
        let token = format!("token-{}", state.asked.len());
        let (status, body) = match state.broken {
            Some(status) => (status, json!({"error": "temporarily_unavailable"})),
            None if !is_known => (401, json!({"error": "invalid_client"})),
            None => {
                if !state.useless {
                    self.erp.set_token(&token);
                }
                let given =
                    json!({"access_token": token, "token_type": "bearer", "expires_in": LIFE_S});
                (200, given)
            }
        };
        Ok(Sent {
            status,
            headers: Vec::new(),
            body: Some(body),
        })
    }
}

struct Story {
    world: World,
    authority: Arc<Mutex<State>>,
}

impl Story {
    fn new(records: u32) -> Self {
        let authority = Arc::new(Mutex::new(State {
            secret: CLIENT_SECRET.to_owned(),
            ..State::default()
        }));
        let state = Arc::clone(&authority);
        let suppliers = realistic_suppliers(9, records, 0);
        let world = World::with_http(suppliers, &[flow()], Arc::new(Quiet), |doubles| {
            Arc::new(Authority {
                erp: Arc::clone(&doubles.erp),
                doubles,
                state,
            })
        });
        world.erp.set_token("none is given yet");
        Self { world, authority }
    }

    fn asked(&self) -> usize {
        self.authority.lock().unwrap().asked.len()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.authority.lock().unwrap());
    }

    /// A run in the process that has made all runs of the story.
    async fn run(&self) -> RunEnd {
        self.world.run(MANUAL).await.end
    }

    fn refused(&self) -> usize {
        let calls = self.world.erp.calls();
        calls
            .iter()
            .filter(|call| call.status() == Some(401))
            .count()
    }

    fn blockers(&self) -> Vec<String> {
        let events = self.world.events().into_iter();
        let reasons = events.filter_map(|event| match event {
            Event::FlowBlocked { reason, .. } => Some(reason),
            _ => None,
        });
        reasons.collect()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_once_and_serves_all_calls_of_its_life() {
    let story = Story::new(130);
    assert_eq!(story.run().await, RunEnd::Complete);
    assert!(story.world.erp.calls().len() >= 3, "pages");
    assert_eq!(story.run().await, RunEnd::Complete);
    assert_eq!((story.asked(), story.refused()), (1, 0));
    let form = story.authority.lock().unwrap().asked.remove(0);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "tidegate"),
        ("client_secret", CLIENT_SECRET),
        ("scope", "suppliers"),
    ];
    assert_eq!(form, expected.map(|(name, text)| (name, text.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_batch_renews_a_token_once_four_fifths_of_its_life_are_over() {
    let story = Story::new(20);
    assert_eq!(story.run().await, RunEnd::Complete);
    pass(700).await;
    assert_eq!(story.run().await, RunEnd::Complete);
    assert_eq!(story.asked(), 1);
    pass(120).await;
    assert_eq!(story.run().await, RunEnd::Complete);
    assert_eq!((story.asked(), story.refused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_amid_a_run_is_replaced_and_the_run_goes_on_try_1() {
    let story = Story::new(130);
    story.world.start();
    let amid_pages = async {
        while story.world.erp.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        story.world.erp.set_token("revoked");
    };
    let (first, ()) = tokio::join!(story.run(), amid_pages);
    if first != RunEnd::Complete {
        assert_eq!(story.run().await, RunEnd::Complete);
    }
    let limit = Duration::from_secs(3_600);
    story
        .world
        .until("all is applied", limit, || story.world.is_clean())
        .await;
    assert_eq!(story.world.registers().len(), 130);
    assert!(story.refused() >= 1, "the dead token was used");
    assert_eq!(story.blockers(), [] as [String; 0]);
    let attempts = story
        .world
        .registers()
        .into_values()
        .map(|register| register.attempts);
    assert_eq!(attempts.sum::<u32>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_is_refused_too_stops_the_flow_with_its_cure() {
    let story = Story::new(20);
    story.set(|authority| authority.useless = true);
    for _ in 0..3 {
        story.run().await;
    }
    let blockers = story.blockers();
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert_eq!(
        blockers[0],
        "erp refused the credentials with 401: set ERP_CLIENT_SECRET anew, then resume the flow"
    );
    assert_eq!((story.asked(), story.refused()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_stops_the_flow_and_a_new_secret_needs_nobody() {
    let story = Story::new(20);
    story.set(|authority| authority.secret = "another".to_owned());
    story.run().await;
    let blockers = story.blockers();
    assert_eq!(
        blockers,
        [
            "erp: no token for tidegate, its credentials are refused with 401 (invalid_client): set ERP_CLIENT_SECRET anew, then resume the flow"
        ]
    );
    assert_eq!(story.world.erp.calls().len(), 0);

    let rotated = Story::new(20);
    assert_eq!(rotated.run().await, RunEnd::Complete);
    rotated.set(|authority| authority.secret = "another".to_owned());
    rotated.world.vault().put("ERP_CLIENT_SECRET", "another");
    pass(LIFE_S).await;
    for _ in 0..2 {
        rotated.run().await;
    }
    assert_eq!(rotated.run().await, RunEnd::Complete);
    assert_eq!(rotated.blockers(), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_makes_the_source_wait_and_sends_nothing_to_review_try_1() {
    let story = Story::new(20);
    story.set(|authority| authority.broken = Some(503));
    story.world.start();
    assert_ne!(story.run().await, RunEnd::Complete);
    pass(3_600).await;
    assert_eq!(story.world.erp.calls().len(), 0);
    // The breaker of the ERP keeps what is asked for few.
    assert!(story.asked() < 40, "{}", story.asked());
    story.set(|authority| authority.broken = None);
    pass(600).await;
    assert_eq!(story.run().await, RunEnd::Complete);
    assert_eq!(story.blockers(), [] as [String; 0]);
    assert_eq!(story.world.registers().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_call_for_a_token_takes_a_permit_as_any_other_lim_1() {
    let story = Story::new(20);
    story.run().await;
    let slots = tidegate_policy::keys::slots(
        &tidegate_model::EndpointId::try_new("erp").unwrap(),
        tidegate_model::Tier::Batch,
    );
    let item = story.world.table().item(&slots).unwrap();
    let taken = item.keys().filter(|name| {
        let digits = name.strip_prefix('s').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    });
    assert_eq!(taken.count(), story.world.erp.calls().len() + story.asked());
}

/// A client may be allowed to list and not to read one record.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_allowed_stops_the_flow_though_others_are_answered() {
    let story = Story::new(20);
    story.world.start();
    assert_eq!(story.run().await, RunEnd::Complete);
    let forbidden = Action::answer(403, json!({"message": "not allowed"}));
    let fault = Fault::new(forbidden).path_contains("/api/suppliers/SUP");
    story.world.erp.set_fault(fault).unwrap();
    let key = story.world.erp.suppliers()[0].id.clone();
    let hint = Told::Partial(&key);
    story.world.webhook(hint, "h1", WEBHOOK_SECRETS[0]).await;
    pass(3_600).await;
    assert_eq!(story.blockers().len(), 1, "{:?}", story.blockers());
    // Each process that met it has asked twice at most.
    assert!(story.asked() <= 12, "{}", story.asked());
}
