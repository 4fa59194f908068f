//! What a flow says of itself is what its file says.

use super::*;

#[test]
fn a_flow_says_what_its_file_says() {
    let flow = contacts(&[
        ("revision = 1", "revision = 7"),
        (
            "every_minutes = 15",
            "every_minutes = 15\nmax_run_minutes = 9",
        ),
        ("[freshness]", "[retry]\nafter_s = [7, 70]\n\n[freshness]"),
    ]);
    assert_eq!((flow.id().as_str(), flow.revision()), ("contacts", 7));
    assert_eq!(flow.deletion(), Deletion::Delete);
    assert_eq!(flow.critical_fields(), ["subscribed"]);
    assert_eq!(flow.retry_steps(), [7, 70].map(Duration::from_secs));
    assert_eq!(flow.critical_goal(), Duration::from_mins(5));
    assert_eq!(flow.other_goal(), Duration::from_mins(30));
    assert_eq!(flow.max_run(), Duration::from_mins(9));
    assert_eq!(flow.limits().batch.calls(), 60);
    assert_eq!(flow.settings().len(), 2);
    assert_eq!(flow.file().revision, 7);
}

#[test]
fn a_flow_s_hash_is_that_of_its_text() {
    let (one, same) = (suppliers(), suppliers());
    assert_eq!(one.hash(), same.hash());
    assert_eq!(one.hash(), hash_of(SUPPLIERS));
    assert_ne!(one.hash(), contacts(&[]).hash());
    assert!(
        one.hash().len() == 12 && one.hash().chars().all(|c| c.is_ascii_hexdigit()),
        "{}",
        one.hash()
    );
}

#[test]
fn a_flow_names_every_secret_that_it_needs() {
    let flow = contacts(&[]);
    assert_eq!(texts(flow.webhook_secrets()), ["CRM_WEBHOOK"]);
    let names: Vec<&str> = flow.secret_names().into_iter().collect();
    assert_eq!(names, ["CRM_API_KEY", "CRM_WEBHOOK", "NEWSLETTER_TOKEN"]);
    assert!(suppliers().secret_names().contains("QUALIO_API_KEY"));
}
