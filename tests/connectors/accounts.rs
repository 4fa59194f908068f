//! The accounts of a Dataverse environment as their flow ships, to our own store.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::{RunEnd, RunReport};
use tidegate_model::Content;
use tidegate_policy::register::State;
use tidegate_testkit::doubles::{
    Action, Answer, Call, Fault,
    authority::{AuthorityDouble, Tokens},
    dataverse::{DataverseConfig, DataverseDouble, login},
};

use crate::{
    orders::example,
    place::{Hands, Place},
};

const HOUR: Duration = Duration::from_hours(1);
const DAYS_7: Duration = Duration::from_hours(7 * 24);

struct World {
    double: DataverseDouble,
    place: Place,
    _login: AuthorityDouble,
}

/// 600 accounts, which are three pages.
async fn world() -> World {
    let hands = Hands::new();
    let tokens = Tokens::new(hands.for_double());
    let config = DataverseConfig::new(hands.for_double(), tokens.clone()).accounts(3, 600);
    let double = DataverseDouble::start(config).await.unwrap();
    let scope = format!("{}/.default", double.url());
    let login = login(hands.for_double(), "app", "app-secret", &scope).given_as(tokens);
    let login = AuthorityDouble::start(login).await.unwrap();
    let settings = [
        ("DATAVERSE_URL", double.url()),
        ("DATAVERSE_LOGIN_URL", login.token_url()),
        ("DATAVERSE_CLIENT_ID", "app".to_owned()),
    ];
    let secrets = [("DATAVERSE_CLIENT_SECRET", "app-secret")];
    let flow = example("accounts-dataverse.toml");
    World {
        place: Place::of(&hands, &flow, &settings, &secrets),
        double,
        _login: login,
    }
}

fn id(number: u64) -> String {
    DataverseDouble::id_of(number)
}

impl World {
    fn rename(&self, number: u64, name: &str) {
        let set = |account: &mut serde_json::Map<String, Value>| {
            account.insert("name".to_owned(), json!(name));
        };
        self.double.change(&id(number), set).unwrap();
    }

    fn name(&self, number: u64) -> Value {
        self.place.field("name")[&id(number)].clone()
    }

    fn is_deleted(&self, number: u64) -> bool {
        let registers = self.place.registers();
        let register = &registers[&id(number)];
        register.state() == State::Applied && register.desired.content == Content::Deleted
    }

    /// What a run calls, and how it ends.
    async fn run(&self) -> (RunReport, Vec<Call>) {
        let before = self.double.calls().len();
        let report = self.place.run().await;
        (report, self.double.calls().split_off(before))
    }
}

fn begins_by_link(calls: &[Call]) -> bool {
    let query = calls[0].query.as_deref().unwrap();
    query.contains("$deltatoken=")
}

#[tokio::test]
async fn all_accounts_are_read_and_then_what_changed_came_or_went_alone() {
    let world = world().await;
    let (report, calls) = world.run().await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!((report.counts.staged, calls.len()), (600, 3));
    for field in ["name", "number", "email", "on_hold"] {
        let told = world.place.field(field);
        assert!(told.values().all(|value| !value.is_null()), "{field}");
    }

    world.rename(7, "Renamed");
    world.double.add(|_| {});
    assert!(world.double.delete(&id(9)));
    world.place.clock.advance(HOUR);
    let (report, calls) = world.run().await;
    assert_eq!((report.end, report.counts.staged), (RunEnd::Complete, 3));
    assert_eq!((calls.len(), begins_by_link(&calls)), (1, true));
    assert_eq!(world.name(7), "Renamed");
    assert!(world.is_deleted(9) && !world.is_deleted(601));

    world.place.clock.advance(HOUR);
    let (report, calls) = world.run().await;
    assert_eq!((report.end, report.counts.received), (RunEnd::Complete, 0));
    assert_eq!((calls.len(), begins_by_link(&calls)), (1, true));
}

#[tokio::test]
async fn after_a_link_is_over_all_is_read_anew_in_the_same_run_and_a_comparison_finds_what_went() {
    let world = world().await;
    world.run().await;
    world.rename(7, "Renamed");
    world.double.delete(&id(9));
    world.place.clock.advance(DAYS_7);
    let (report, calls) = world.run().await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    let statuses: Vec<_> = calls.iter().map(Call::status).collect();
    assert_eq!(statuses, [Some(410), Some(200), Some(200), Some(200)]);
    assert_eq!((report.counts.received, report.counts.staged), (599, 1));
    assert_eq!(world.name(7), "Renamed");
    assert!(!world.is_deleted(9), "nothing tells of it any more");

    let kept = world.place.lease().from;
    world.place.reconcile().await;
    assert!(world.is_deleted(9));
    assert_eq!(world.place.lease().from, kept, "a comparison keeps no link");
    let (_, calls) = world.run().await;
    assert_eq!((calls.len(), begins_by_link(&calls)), (1, true));
}

#[tokio::test]
async fn a_run_that_breaks_off_between_pages_goes_on_there_and_keeps_no_link_before_its_end_cp_2() {
    let world = world().await;
    world.run().await;
    let kept = world.place.lease().from;
    assert!(kept.is_some());
    for number in 1..=260 {
        world.rename(number, "Renamed");
    }
    world.double.delete(&id(300));
    let broken = Fault::new(Action::answer(503, json!({})));
    let broken = broken.path_contains("$skiptoken").times(3);
    world.double.set_fault(broken).unwrap();
    let before = world.double.calls().len();
    let report = world.place.run_part().await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    assert_eq!((report.counts.staged, report.pages), (250, 1));
    assert_eq!(world.place.lease().from, kept, "the run is incomplete");
    assert_eq!(world.double.calls().len() - before, 4);

    world.place.clock.advance(HOUR);
    let (report, calls) = world.run().await;
    assert_eq!((report.end, calls.len()), (RunEnd::Complete, 1));
    assert!(calls[0].query.as_deref().unwrap().contains("$skiptoken="));
    assert_eq!(report.counts.staged, 261);
    assert!(world.is_deleted(300));
    let now = world.place.lease().from;
    assert!(now.is_some() && now != kept);
}

#[tokio::test]
async fn an_initial_run_reads_all_whatever_link_is_kept() {
    let world = world().await;
    world.run().await;
    let before = world.double.calls().len();
    let report = world.place.run_initial().await;
    assert_eq!(
        (report.end, report.counts.received),
        (RunEnd::Complete, 600)
    );
    let calls = world.double.calls().split_off(before);
    assert_eq!((calls.len(), begins_by_link(&calls)), (3, false));
}

#[rstest]
#[case::the_next_page("@odata.nextLink")]
#[case::later_changes("@odata.deltaLink")]
#[tokio::test]
async fn a_link_to_another_place_stops_the_flow_and_is_not_kept(#[case] link: &str) {
    let world = world().await;
    world.run().await;
    let kept = world.place.lease().from;
    let away = json!({ "value": [], link: "https://elsewhere.example/api?$deltatoken=secret" });
    let fault = Fault::new(Action::answer(200, away)).times(1);
    world.double.set_fault(fault).unwrap();
    let report = world.place.run_part().await;
    assert!(
        !matches!(report.end, RunEnd::Complete | RunEnd::Continues),
        "{report:?}"
    );
    let told = "dataverse: the next page leaves the origin of the listing for https://elsewhere.example, so it is not read";
    assert_eq!(world.place.blocked(), [told]);
    assert_eq!(world.place.lease().from, kept);
}

#[tokio::test]
async fn a_call_too_many_waits_as_long_as_it_is_told() {
    let world = world().await;
    let answer = Action::Answer(Answer {
        status: 429,
        headers: [("Retry-After".to_owned(), "30".to_owned())].into(),
        body: json!({"error": {"code": "0x80072322", "message": "Number of requests exceeded"}}),
    });
    world.double.set_fault(Fault::new(answer).times(1)).unwrap();
    let (report, calls) = world.run().await;
    assert_eq!((report.end, calls.len()), (RunEnd::Complete, 4));
    assert!(calls[1].at_ms - calls[0].at_ms >= 30_000);
}
