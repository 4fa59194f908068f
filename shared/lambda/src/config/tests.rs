use super::*;
use crate::Emf;

fn config(values: &[(&str, &str)]) -> Config {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Config::from_map(values.collect(), "a test")
}

#[test]
fn every_fault_is_reported_at_once_with_where_was_looked() {
    let config = config(&[
        ("TIDEGATE_TABLE", ""),
        ("TIDEGATE_QUEUE_BATCH", "arn:aws:sqs:x"),
        ("TIDEGATE_MAIL_FROM", "sync@example.com"),
        ("TIDEGATE_MAIL_TO", "a@example.com, nobody"),
    ]);
    let error = config
        .read::<(Table, QueueAddresses, Bus, MailAddresses)>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration (looked in a test) is not complete:\n  \
         TIDEGATE_TABLE is not set\n  \
         TIDEGATE_QUEUE_REALTIME is not set\n  \
         TIDEGATE_QUEUE_BATCH is not an http address: arn:aws:sqs:x\n  \
         TIDEGATE_BUS is not set\n  \
         TIDEGATE_MAIL_TO has what is not a mail address: \"nobody\""
    );
}

#[test]
fn a_function_needs_only_what_it_asks_for() {
    let config = config(&[
        ("TIDEGATE_BUS", "bus"),
        ("TIDEGATE_BASE_URL", "https://x.example/"),
    ]);
    let (bus, base, log, emf) = config.read::<(Bus, BaseUrl, LogFilter, Emf)>().unwrap();
    assert_eq!(bus, Bus("bus".to_owned()));
    assert_eq!(base, BaseUrl(Some("https://x.example".to_owned())));
    assert_eq!(log, LogFilter("info".to_owned()));
    assert_eq!(emf, Emf::new("tidegate"));
}

fn config_of_two_senders() -> Config {
    config(&[
        ("TIDEGATE_MAIL_FROM", "a@example.com,b@example.com"),
        ("TIDEGATE_MAIL_TO", "c@example.com"),
    ])
}

#[test]
fn receivers_are_separated_by_commas() {
    let config = config(&[
        ("TIDEGATE_MAIL_FROM", "sync@example.com"),
        ("TIDEGATE_MAIL_TO", "a@example.com, b@example.com"),
    ]);
    let mail = config.read::<MailAddresses>().unwrap();
    assert_eq!(mail.to, ["a@example.com", "b@example.com"]);
    let several = config_of_two_senders().read::<MailAddresses>().unwrap_err();
    assert!(
        several
            .to_string()
            .ends_with("TIDEGATE_MAIL_FROM names more than one address")
    );
}

#[test]
fn secrets_and_settings_are_told_apart_and_no_secret_is_shown() {
    let config = config(&[
        ("TIDEGATE_SECRET_ERP_TOKEN", "hush"),
        ("TIDEGATE_SECRET_UNSET", ""),
        ("TIDEGATE_VAR_ERP_URL", "https://erp.example"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ]);
    assert_eq!(
        config.secrets(),
        [("ERP_TOKEN".to_owned(), "hush".to_owned())].into()
    );
    let settings = [("ERP_URL".to_owned(), "https://erp.example".to_owned())];
    assert_eq!(config.settings(), settings.into());
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn the_environment_is_one_case_of_a_map() {
    assert!(!Config::from_env().values().is_empty());
}
