use rstest::rstest;

use super::*;

fn item(entries: &[(&str, Value)]) -> Item {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn sample() -> Item {
    item(&[("n", 5.into()), ("t", "m".into())])
}

fn holds(condition: Condition) -> bool {
    Update::when(condition).evaluate(Some(&sample())).is_some()
}

#[rstest]
#[case::eq(Op::Eq, [false, true, false])]
#[case::ne(Op::Ne, [true, false, true])]
#[case::lt(Op::Lt, [true, false, false])]
#[case::le(Op::Le, [true, true, false])]
#[case::gt(Op::Gt, [false, false, true])]
#[case::ge(Op::Ge, [false, true, true])]
fn an_attribute_compares_by_its_kind(#[case] op: Op, #[case] below_equal_above: [bool; 3]) {
    let numbers = [6, 5, 4].map(|wanted| holds(Condition::is("n", op, wanted)));
    assert_eq!(numbers, below_equal_above, "numbers");
    let texts = ["n", "m", "l"].map(|wanted| holds(Condition::is("t", op, wanted)));
    assert_eq!(texts, below_equal_above, "texts");
    let alone = op == Op::Ne;
    assert_eq!(holds(Condition::is("t", op, 5)), alone, "another kind");
    assert_eq!(holds(Condition::is("none", op, 5)), alone, "absent");
}

#[test]
fn texts_compare_by_their_bytes_as_the_table_does() {
    let upper = Condition::is("t", Op::Gt, "Z");
    assert!(holds(upper), "a small letter is after every capital one");
    assert!(!holds(Condition::is("t", Op::Gt, "ä")));
}

#[rstest]
#[case::always(Condition::ALWAYS, true)]
#[case::there(Condition::Exists("n"), true)]
#[case::not_there(Condition::Exists("none"), false)]
#[case::absent(Condition::Absent("none".to_owned()), true)]
#[case::not_absent(Condition::Absent("n".to_owned()), false)]
#[case::absent_or_absent(Condition::absent_or("none", Op::Lt, 0), true)]
#[case::absent_or_less(Condition::absent_or("n", Op::Lt, 6), true)]
#[case::absent_or_neither(Condition::absent_or("n", Op::Lt, 5), false)]
#[case::all(Condition::All(vec![Condition::Exists("n"), Condition::Exists("t")]), true)]
#[case::not_all(Condition::All(vec![Condition::Exists("n"), Condition::Exists("none")]), false)]
#[case::any(Condition::Any(vec![Condition::Exists("none"), Condition::Exists("t")]), true)]
#[case::none(Condition::Any(Vec::new()), false)]
fn a_condition_is_what_it_says(#[case] condition: Condition, #[case] expected: bool) {
    assert_eq!(holds(condition), expected);
}

#[test]
fn a_refused_write_changes_nothing_and_one_without_item_makes_it() {
    let update = Update::when(Condition::Exists("n")).set("n", 1);
    assert_eq!(update.evaluate(None), None);
    let first = Update::when(Condition::Absent("n".to_owned())).set("n", 1);
    assert_eq!(first.evaluate(None), Some(item(&[("n", 1.into())])));
    assert_eq!(first.evaluate(Some(&sample())), None);
}

#[rstest]
#[case::set(Change::Set(9.into()), Some(9.into()), Some(9.into()))]
#[case::default(Change::Default(9.into()), Some(5.into()), Some(9.into()))]
#[case::copy_where_absent(Change::DefaultCopy("t", "z".into()), Some(5.into()), Some("m".into()))]
#[case::text_where_both_absent(Change::DefaultCopy("none", "z".into()), Some(5.into()), Some("z".into()))]
#[case::add(Change::Add(-2), Some(3.into()), Some((-2).into()))]
#[case::copy(Change::Copy("t"), Some("m".into()), Some("m".into()))]
#[case::remove(Change::Remove, None, None)]
fn a_change_does_what_it_says(
    #[case] change: Change,
    #[case] over_five: Option<Value>,
    #[case] over_nothing: Option<Value>,
) {
    for (attribute, expected) in [("n", over_five), ("new", over_nothing)] {
        let update = Update::when(Condition::ALWAYS).change(attribute, change.clone());
        let after = update.evaluate(Some(&sample())).unwrap();
        assert_eq!(after.get(attribute), expected.as_ref(), "{attribute}");
    }
}

#[test]
fn every_right_side_reads_the_item_as_it_was() {
    let update = Update::when(Condition::ALWAYS)
        .set("n", 6)
        .change("old", Change::Copy("n"))
        .change("older", Change::DefaultCopy("n", "".into()));
    let after = update.evaluate(Some(&sample())).unwrap();
    assert_eq!(after.get("old"), Some(&5.into()));
    assert_eq!(after.get("older"), Some(&5.into()));
}

#[test]
fn an_attribute_that_is_not_named_stays() {
    let update = Update::when(Condition::ALWAYS)
        .set_or_remove("n", None::<i64>)
        .set_or_remove("x", Some("y"))
        .remove(&["none"]);
    let after = update.evaluate(Some(&sample())).unwrap();
    assert_eq!(after, item(&[("t", "m".into()), ("x", "y".into())]));
}

#[test]
fn the_last_change_of_an_attribute_counts() {
    let update = Update::when(Condition::ALWAYS).set("n", 1).remove(&["n"]);
    assert_eq!(update.changes.len(), 1);
    assert!(!update.evaluate(Some(&sample())).unwrap().contains_key("n"));
}

#[test]
fn a_sum_stays_within_its_bounds() {
    let update = Update::when(Condition::ALWAYS).change("n", Change::Add(i64::MAX));
    let after = update.evaluate(Some(&sample())).unwrap();
    assert_eq!(after.get("n"), Some(&i64::MAX.into()));
}
