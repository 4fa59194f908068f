//! The supplier flow's target against the double of Qualio, which takes nothing but what the
//! vendor's document allows.

use std::sync::Arc;

use tidegate_connect::connect;
use tidegate_engine::ports::{CallError, Found, Standing, Target, Write};
use tidegate_model::{Fields, RecordKey};
use tidegate_policy::flow::Flow;
use tidegate_testkit::doubles::{
    Seed,
    erp::{ErpSupplier, realistic_suppliers},
    qualio::{Contact, QualioConfig, QualioDouble, RiskLevel, Status, conflict},
    stand_in_qualio,
};

use super::{API_KEY, NOW_MS, clock, direct::Direct, flow};

struct World {
    qualio: QualioDouble,
    flow: Arc<Flow>,
    target: Arc<dyn Target>,
    calls: Direct,
    rows: Vec<ErpSupplier>,
}

async fn world(count: u32) -> World {
    let qualio = QualioDouble::start(QualioConfig::new(clock(), API_KEY))
        .await
        .unwrap();
    let flow = flow("http://127.0.0.1:1", &qualio.url());
    let (_, target) = connect(&flow);
    let calls = Direct::new(target.errors());
    let rows = realistic_suppliers(7, count, NOW_MS);
    World {
        qualio,
        flow,
        target,
        calls,
        rows,
    }
}

struct Wanted {
    key: RecordKey,
    fields: Fields,
}

impl World {
    fn wanted(&self, row: &ErpSupplier) -> Wanted {
        let row = self
            .flow
            .normalise(&serde_json::to_value(row).unwrap())
            .unwrap();
        let fields = row.content.fields().unwrap().clone();
        assert_eq!(self.target.reject(&row.key, &fields), None);
        Wanted {
            key: row.key,
            fields,
        }
    }

    async fn create(&mut self, wanted: &Wanted) -> Result<String, CallError> {
        let landed = self
            .target
            .create(&mut self.calls, wanted.write(None))
            .await?;
        Ok(landed.target_id.unwrap())
    }
}

impl Wanted {
    fn write<'a>(&'a self, target_id: Option<&'a str>) -> Write<'a> {
        Write {
            key: &self.key,
            fields: &self.fields,
            target_id,
            etag: None,
            idempotency_key: "once",
        }
    }
}

fn notes(contact: Option<&Contact>) -> &str {
    contact
        .and_then(|contact| contact.notes.as_deref())
        .unwrap()
}

#[tokio::test]
async fn realistic_suppliers_are_created_as_qualio_wants_them_and_found_again() {
    let mut world = world(30).await;
    for row in world.rows.clone() {
        let wanted = world.wanted(&row);
        let id = world.create(&wanted).await.unwrap();
        let standing = world.qualio.supplier(&id).unwrap();
        assert_eq!(standing.name, row.legal_name);
        assert!(standing.risk_type.is_some());
        let line = notes(standing.contact_information.as_ref());
        assert!(line.ends_with(&format!(" [key:{}]", row.id)), "{line}");
        let search = world
            .target
            .search_value(&wanted.key, &wanted.fields)
            .unwrap();
        let found = world.target.find(&mut world.calls, &search).await.unwrap();
        assert_eq!(found, Found::One(id));
    }
    assert!(
        world
            .qualio
            .created_by_key()
            .values()
            .all(|count| *count == 1)
    );
}

#[tokio::test]
async fn what_people_did_in_qualio_survives_an_update() {
    let mut world = world(1).await;
    let mut row = world.rows[0].clone();
    let wanted = world.wanted(&row);
    let id = world.create(&wanted).await.unwrap();
    let marked = world
        .qualio
        .supplier(&id)
        .unwrap()
        .contact_information
        .unwrap();
    let line = notes(Some(&marked)).to_owned();
    world.qualio.edit(&id, |supplier| {
        supplier.status = Status::Approved;
        let contact = supplier.contact_information.as_mut().unwrap();
        contact.notes = Some(format!("Call first.\n{line}\nClosed in August.\n"));
    });
    row.quality.blocked = true;
    row.contact.phone = "+49 731 000".to_owned();
    let wanted = world.wanted(&row);
    let write = wanted.write(Some(&id));
    world.target.update(&mut world.calls, write).await.unwrap();
    let standing = world.qualio.supplier(&id).unwrap();
    assert_eq!(standing.status, Status::Approved);
    assert_eq!(standing.risk_type, RiskLevel::of_title("High"));
    let contact = standing.contact_information.as_ref();
    assert_eq!(contact.unwrap().phone.as_deref(), Some("+49 731 000"));
    let lines: Vec<&str> = notes(contact).split('\n').collect();
    assert_eq!(
        (lines[0], lines[2], lines[3]),
        ("Call first.", "Closed in August.", "")
    );
    assert!(lines[1].contains("blocked yes") && lines[1].ends_with(&format!("[key:{}]", row.id)));
    let again = world.target.update(&mut world.calls, write).await.unwrap();
    assert_eq!(again.target_id, Some(id.clone()));
    let after = world.qualio.supplier(&id).unwrap();
    assert_eq!(
        after.contact_information, standing.contact_information,
        "a repeat changes nothing"
    );
}

#[tokio::test]
async fn suppliers_that_already_stand_are_linked_by_their_marker() {
    let mut world = world(40).await;
    let standing = stand_in_qualio(&world.qualio, &world.rows, &mut Seed::new(3));
    let index = world.target.index(&mut world.calls).await.unwrap();
    assert_eq!(index.len(), 40);
    assert_eq!(world.qualio.calls().len(), 5);
    for (row, supplier) in world.rows.clone().iter().zip(standing) {
        let wanted = world.wanted(row);
        assert_eq!(index[&wanted.key].as_ref(), Some(&supplier.supplier_id));
        let write = wanted.write(Some(&supplier.supplier_id));
        world.target.update(&mut world.calls, write).await.unwrap();
        let after = world.qualio.supplier(&supplier.supplier_id).unwrap();
        let before = notes(supplier.contact_information.as_ref()).to_owned();
        let kept = before.lines().next().unwrap();
        let now = notes(after.contact_information.as_ref());
        assert!(now.starts_with(&format!("{kept}\n")), "{now}");
        assert_eq!(now.lines().count(), 2);
    }
}

#[tokio::test]
async fn refusals_name_the_field_and_no_value() {
    let mut world = world(1).await;
    let row = world.rows[0].clone();
    let said = format!("{} is taken", row.legal_name);
    world
        .qualio
        .set_fault(conflict("name", &said).times(1))
        .unwrap();
    let wanted = world.wanted(&row);
    let error = world.create(&wanted).await.unwrap_err();
    let CallError::Refused { reason, field } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (field.as_deref(), reason.as_str()),
        (Some("name"), "… is taken")
    );

    let mut unknown = row.clone();
    unknown.sponsor_id = 9_999;
    let wanted = world.wanted(&unknown);
    let error = world.create(&wanted).await.unwrap_err();
    let CallError::Refused { field, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(field.as_deref(), Some("sponsor_user_id"));
    assert!(world.qualio.suppliers().is_empty());
}

#[tokio::test]
async fn a_wrong_key_blocks_and_is_told_to_nobody() {
    let mut world = world(1).await;
    world.calls = Direct::with_key(world.target.errors(), "a-wrong-key");
    let wanted = world.wanted(&world.rows[0].clone());
    let error = world.create(&wanted).await.unwrap_err();
    assert!(matches!(error, CallError::Blocked { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("a-wrong-key"));
}

#[tokio::test]
async fn an_update_of_a_supplier_that_never_was_finds_nothing() {
    let mut world = world(1).await;
    let wanted = world.wanted(&world.rows[0].clone());
    let write = wanted.write(Some("00000009-aaaa-4bbb-8ccc-dddddddddddd"));
    let error = world
        .target
        .update(&mut world.calls, write)
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Gone { .. }), "{error:?}");
}

/// What stands at Qualio, over all pages.
async fn standing(world: &mut World) -> Vec<Standing> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let calls = &mut world.calls;
        let page = world.target.standing(calls, cursor.as_ref()).await.unwrap();
        all.extend(page.standing);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

/// Whatever Qualio makes of what it is sent, a listing shows no edit that nobody made.
#[tokio::test]
async fn what_was_written_is_what_the_listing_shows() {
    let mut world = world(40).await;
    let rows = world.rows.clone();
    stand_in_qualio(&world.qualio, &rows[..10], &mut Seed::new(5));
    let linked = world.target.index(&mut world.calls).await.unwrap();
    for row in &rows {
        let wanted = world.wanted(row);
        if let Some(id) = linked.get(&wanted.key) {
            let write = wanted.write(id.as_deref());
            world.target.update(&mut world.calls, write).await.unwrap();
        } else {
            world.create(&wanted).await.unwrap();
        }
    }
    let shown = standing(&mut world).await;
    assert_eq!(shown.len(), rows.len());
    for row in &rows {
        let wanted = world.wanted(row);
        let found = shown.iter().find(|one| one.keys == [wanted.key.clone()]);
        let print = world.target.print(&wanted.key, &wanted.fields);
        assert_eq!(Some(&found.unwrap().print), print.as_ref(), "{}", row.id);
    }
    let id = shown[0].id.clone();
    world.qualio.edit(&id, |supplier| supplier.name.push('!'));
    let after = standing(&mut world).await;
    let changed = after.iter().filter(|one| !shown.contains(one)).count();
    assert_eq!(changed, 1);
}
