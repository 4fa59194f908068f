//! Two stages, compared flow by flow.

use super::*;

/// Alters a stage that is as another.
type Alter = fn(&mut Elsewhere);

#[rstest]
#[case::a_setting_of_its_own(|stage: &mut Elsewhere| set(stage, "CRM_URL", "b"), &[],
    &["settings that differ, as they may: `env.CRM_URL`", "settings that are the same: `env.LIST`"])]
#[case::a_setting_more(|stage: &mut Elsewhere| set(stage, "NEW", "b"), &["`env.NEW` is set at B only"],
    &["settings that are the same: `env.CRM_URL`, `env.LIST`"])]
#[case::a_setting_less(|stage: &mut Elsewhere| stage.settings.as_mut().unwrap().clear(),
    &["`env.CRM_URL` is set at A only", "`env.LIST` is set at A only"], &[])]
#[case::of_an_older_release(|stage: &mut Elsewhere| stage.settings = None, &[], &["settings are not told at B"])]
#[case::another_revision(|stage: &mut Elsewhere| { stage.revision = 7; stage.file_hash.clear(); }, &["revision 1 at A, 7 at B"], SAME)]
#[case::another_file(|stage: &mut Elsewhere| stage.file_hash = "0".to_owned(),
    &["another file under the same revision: hash 1 at A, 0 at B"], SAME)]
#[case::another_field(|stage: &mut Elsewhere| { stage.schema.insert("properties".to_owned(), json!({"email": {}, "phone": {}})); },
    &["`email` is {\"type\":\"string\"} at A, {} at B", "`phone` is in the schema at B only"], SAME)]
#[case::another_keyword(|stage: &mut Elsewhere| { stage.schema.remove("required"); }, &["`required` is not in the schema at B"], SAME)]
#[case::another_target(|stage: &mut Elsewhere| stage.contract = Some(accepts(&json!({"properties": {"email": {"maxLength": 9}}}))),
    &["what the target accepts, first at A, then at B: PUT /3.0/members/{}: `email` had any number characters at most and has 9"], SAME)]
#[case::a_target_that_never_told(|stage: &mut Elsewhere| stage.contract = None, &[],
    &["settings that are the same: `env.CRM_URL`, `env.LIST`", "what the target accepts is not known at B"])]
fn two_stages_are_told_apart(
    #[case] alter: Alter,
    #[case] differences: &[&str],
    #[case] notes: &[&str],
) {
    let stage = stage();
    let mut other = stage.clone();
    alter(&mut other);
    let named = |texts: &[&str]| -> Vec<String> {
        texts
            .iter()
            .map(|text| format!("contacts: {text}"))
            .collect()
    };
    let found = check::between("contacts", ("A", Some(&stage)), ("B", Some(&other)));
    assert_eq!(
        (found.differences, found.notes),
        (named(differences), named(notes))
    );
}

#[test]
fn equal_stages_match_and_a_flow_of_one_of_them_is_told() {
    let stage = stage();
    let between = |one: Option<&Elsewhere>, other: Option<&Elsewhere>| {
        check::between("contacts", ("A", one), ("B", other)).differences
    };
    assert_eq!(between(Some(&stage), Some(&stage)), [] as [String; 0]);
    assert_eq!(between(None, None), [] as [String; 0]);
    assert_eq!(
        between(Some(&stage), None),
        ["contacts: deployed at A only"]
    );
    assert_eq!(
        between(None, Some(&stage)),
        ["contacts: deployed at B only"]
    );
    // What an instance says may write to no terminal.
    let mut odd = stage.clone();
    set(&mut odd, "A\u{1b}[2J", "x");
    let told = between(Some(&stage), Some(&odd));
    assert_eq!(told, ["contacts: `env.A\\u{1b}[2J` is set at B only"]);
}

const SAME: &[&str] = &["settings that are the same: `env.CRM_URL`, `env.LIST`"];

fn stage() -> Elsewhere {
    let Value::Object(schema) =
        json!({"required": [], "properties": {"email": {"type": "string"}}})
    else {
        unreachable!()
    };
    let mut stage = Elsewhere {
        revision: 1,
        file_hash: "1".to_owned(),
        schema,
        settings: Some(BTreeMap::new()),
        contract: Some(accepts(&json!({"properties": {"email": {}}}))),
    };
    set(&mut stage, "CRM_URL", "a");
    set(&mut stage, "LIST", "a");
    stage
}

fn set(stage: &mut Elsewhere, name: &str, hash: &str) {
    let settings = stage.settings.as_mut().unwrap();
    settings.insert(name.to_owned(), hash.to_owned());
}

fn accepts(schema: &Value) -> Contract {
    Contract::read(&described(schema), &writes(EMAIL, "")).unwrap()
}
