use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{RequestId, RunId};

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn keys(count: usize) -> Vec<RecordKey> {
    (0..count)
        .map(|number| RecordKey::try_new(format!("SUP-{number}")).unwrap())
        .collect()
}

fn message(count: usize) -> Message {
    Message::new(flow(), keys(count), Tier::Batch, UnixMs(7))
}

#[test]
fn a_message_has_this_form_until_its_number_rises() {
    assert_eq!(
        message(2).encode(),
        r#"{"v":1,"flow":"suppliers","keys":["SUP-0","SUP-1"],"tier":"batch","first_sent":7}"#
    );
    let mut full = Message::new(flow(), keys(1), Tier::RealTime, UnixMs(7)).fetching(Fetch::Forced);
    full.not_before = Some(UnixMs(9));
    full.had_turn = true;
    full.repeat = true;
    full.turn = Some(Turn { at: 40, calls: 2 });
    full.after_read = Some(3);
    full.hops = 8;
    full.failing_since = Some(UnixMs(6));
    full.trace = Trace {
        request_id: RequestId::try_new("8f5f3f4c").ok(),
        run: RunId::try_new("manual-1").ok(),
    };
    assert_eq!(
        full.encode(),
        concat!(
            r#"{"v":1,"flow":"suppliers","keys":["SUP-0"],"tier":"real_time","fetch":"forced","#,
            r#""first_sent":7,"not_before":9,"had_turn":true,"repeat":true,"#,
            r#""turn":{"at":40,"calls":2},"after_read":3,"hops":8,"failing_since":6,"#,
            r#""trace":{"request_id":"8f5f3f4c","run":"manual-1"}}"#
        )
    );
}

#[rstest]
#[case::nothing("")]
#[case::no_json("run everything")]
#[case::no_object("[1]")]
#[case::no_form("{}")]
#[case::no_flow(r#"{"v":1,"keys":["a"],"tier":"batch","first_sent":7}"#)]
#[case::bad_flow(r#"{"v":1,"flow":"No Flow","keys":["a"],"tier":"batch","first_sent":7}"#)]
#[case::bad_key(r#"{"v":1,"flow":"f","keys":["a\u0000"],"tier":"batch","first_sent":7}"#)]
#[case::empty_key(r#"{"v":1,"flow":"f","keys":[""],"tier":"batch","first_sent":7}"#)]
#[case::bad_tier(r#"{"v":1,"flow":"f","keys":["a"],"tier":"soon","first_sent":7}"#)]
#[case::cut_short(r#"{"v":1,"flow":"f","keys":["a"],"tier":"bat"#)]
fn a_body_that_is_no_message_is_told(#[case] body: &str) {
    assert!(matches!(
        Message::decode(body),
        Err(MessageError::Form { .. })
    ));
}

#[test]
fn a_message_of_an_older_or_a_newer_release_of_the_form_is_read() {
    let older = r#"{"v":1,"flow":"suppliers","keys":["SUP-0"],"tier":"batch","first_sent":7}"#;
    assert_eq!(Message::decode(older).unwrap(), message(1));
    let newer = older.replace(r#""v":1"#, r#""v":1,"later":{"more":true}"#);
    assert_eq!(Message::decode(&newer).unwrap(), message(1));
}

#[rstest]
#[case::too_long(format!(r#"{{"request_id":"{}"}}"#, "a".repeat(65)))]
#[case::unclean(r#"{"request_id":"a b"}"#.to_owned())]
#[case::a_text(r#""8f5f3f4c""#.to_owned())]
#[case::nothing("null".to_owned())]
fn a_trace_that_can_not_be_read_costs_no_work(#[case] trace: String) {
    let body = message(1).encode();
    let body = body.replace(r#""v":1"#, &format!(r#""v":1,"trace":{trace}"#));
    assert_eq!(Message::decode(&body).unwrap(), message(1));
}

#[test]
fn a_form_of_another_release_is_told_as_such_whatever_else_it_holds() {
    for body in [r#"{"v":2}"#, r#"{"v":2,"flow":7,"what":"else"}"#] {
        let error = Message::decode(body).unwrap_err();
        assert!(matches!(error, MessageError::UnknownForm(2)), "{error}");
    }
}

#[rstest]
#[case::none(0, false)]
#[case::one(1, true)]
#[case::a_full_pack(MAX_PACK_KEYS, true)]
#[case::too_many(MAX_PACK_KEYS + 1, false)]
fn a_message_has_one_key_to_a_full_pack(#[case] count: usize, #[case] readable: bool) {
    match Message::decode(&message(count).encode()) {
        Ok(read) => assert!(readable && read.keys.len() == count),
        Err(MessageError::Keys(found)) => assert!(!readable && found == count),
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_what_is_read(
        texts in prop::collection::vec("[^\\p{Cc}]{1,40}", 1..=MAX_PACK_KEYS),
        sent: i64,
        not_before: Option<i64>,
        had_turn: bool,
        turn: Option<(i64, u32)>,
        after_read: Option<u64>,
        request_id in prop::option::of("[A-Za-z0-9_-]{1,64}"),
        fetch in prop::option::of(prop_oneof![Just(Fetch::Forced), Just(Fetch::Hint)]),
    ) {
        let keys = texts.into_iter().map(|text| RecordKey::try_new(text).unwrap()).collect();
        let mut message = Message::new(flow(), keys, Tier::RealTime, UnixMs(sent));
        message.fetch = fetch;
        message.not_before = not_before.map(UnixMs);
        message.had_turn = had_turn;
        message.turn = turn.map(|(at, calls)| Turn { at, calls });
        message.after_read = after_read;
        message.trace.request_id = request_id.map(|id| RequestId::try_new(id).unwrap());
        prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn no_body_makes_the_reader_fail_otherwise_than_by_an_error(body in ".{0,200}") {
        // Whatever comes, it is answered.
        drop(Message::decode(&body));
    }
}
