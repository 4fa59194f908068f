use super::*;

#[test]
fn real_time_is_the_more_urgent_tier() {
    assert!(Tier::RealTime > Tier::Batch);
}

#[test]
fn a_tier_is_written_as_it_is_named() {
    for tier in [Tier::Batch, Tier::RealTime] {
        let written = serde_json::to_value(tier).unwrap();
        assert_eq!(written, tier.as_str());
    }
}

#[test]
fn a_reason_is_stored_in_this_form() {
    let reason = TierReason::Critical {
        fields: vec!["blocked".to_owned()],
    };
    let written = serde_json::to_string(&reason).unwrap();
    assert_eq!(written, r#"{"why":"critical","fields":["blocked"]}"#);
    assert_eq!(
        serde_json::from_str::<TierReason>(&written).unwrap(),
        reason
    );
}
