//! The demo: an ERP and a Qualio that are simulated on loopback, and changes that trickle in.
//!
//! Both systems outlive the process, as true ones do: each write is in a journal before it is
//! answered. Otherwise a second start would find an empty Qualio while the registers say "applied".

mod journal;
mod traffic;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tidegate_engine::ports::Clock;
use tidegate_testkit::doubles::{
    Limit, Seed,
    erp::{ErpConfig, ErpDouble, ErpSupplier, realistic_suppliers},
    qualio::{QualioConfig, QualioDouble, RISK_LEVELS, Supplier},
    stand_in_qualio,
};

use self::journal::Journal;
pub(crate) use self::traffic::Traffic;
use crate::data::{DataDir, random_bytes, random_hex, write_private};

/// Suppliers of the ERP at the first start.
const SUPPLIERS: u32 = 120;
/// Every so many of them stands in Qualio already: 40 in all.
const STANDS_EVERY: usize = 3;
/// The same companies at every first start, so that two people see the same.
const SEED: u64 = 7;

const PLACE_FILE: &str = "place.json";
const ERP_FILE: &str = "erp.jsonl";
const QUALIO_FILE: &str = "qualio.jsonl";

/// Settings and secrets under which the flow reaches the simulated systems.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DemoPlace {
    /// What the flow file sees as `env.NAME`.
    pub settings: BTreeMap<String, String>,
    /// Secrets by name, made at random for each data folder.
    pub secrets: BTreeMap<String, String>,
}

impl DemoPlace {
    /// What the newest start wrote; `None` when the folder has never seen the demo.
    pub(crate) fn read(data: &DataDir) -> anyhow::Result<Option<Self>> {
        let path = data.demo().join(PLACE_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .with_context(|| format!("{} is not what the demo writes", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} can not be read", path.display())),
        }
    }

    fn secret(&mut self, name: &str, make: fn() -> String) -> String {
        let entry = self.secrets.entry(name.to_owned());
        entry.or_insert_with(make).clone()
    }

    /// The port that a system had at the last start, so that its address stays; 0: any.
    fn port(&self, name: &str) -> u16 {
        let port = self
            .settings
            .get(name)
            .and_then(|url| url.rsplit(':').next());
        port.and_then(|port| port.parse().ok()).unwrap_or(0)
    }
}

/// The simulated systems, running.
pub(crate) struct Demo {
    /// The ERP.
    pub erp: Arc<ErpDouble>,
    /// Qualio.
    pub qualio: Arc<QualioDouble>,
    /// How they are reached.
    pub place: DemoPlace,
}

impl Demo {
    /// Starts both systems as they last stood, or anew.
    pub(crate) async fn start(data: &DataDir, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let folder = data.demo();
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} can not be made", folder.display()))?;
        let mut place = DemoPlace::read(data)?.unwrap_or_default();
        let world = World { folder, clock };
        let is_new = !world.path(ERP_FILE).exists();
        if is_new {
            // Half made by a start that was killed: the ERP's file is written last.
            drop(fs::remove_file(world.path(QUALIO_FILE)));
        }
        let qualio = world.qualio(&mut place).await?;
        if is_new {
            world.make_suppliers(&qualio)?;
        }
        let erp = world.erp(&mut place).await?;
        set_settings(&mut place, &erp, &qualio);
        write_private(
            &world.path(PLACE_FILE),
            &serde_json::to_string_pretty(&place)?,
        )
        .context("the demo's settings can not be written")?;
        Ok(Self {
            erp: Arc::new(erp),
            qualio: Arc::new(qualio),
            place,
        })
    }
}

struct World {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl World {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn double_clock(&self) -> tidegate_testkit::doubles::Clock {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || clock.now().0)
    }

    fn open<T>(&self, file: &str) -> anyhow::Result<(Journal, Vec<T>)>
    where
        T: Serialize + serde::de::DeserializeOwned,
    {
        let path = self.path(file);
        Journal::open(&path).with_context(|| journal_fault(&path))
    }

    async fn qualio(&self, place: &mut DemoPlace) -> anyhow::Result<QualioDouble> {
        let (journal, suppliers) = self.open::<Supplier>(QUALIO_FILE)?;
        let key = place.secret("QUALIO_API_KEY", random_hex);
        let config = QualioConfig::new(self.double_clock(), &key)
            .limit(Limit::QUALIO)
            .suppliers(suppliers)
            .on_write(move |supplier| journal.put(&supplier.supplier_id, Some(supplier)));
        let at_port = |port| QualioDouble::start(config.clone().port(port));
        let started = match at_port(place.port("QUALIO_URL")).await {
            Ok(double) => Ok(double),
            Err(_) => at_port(0).await,
        };
        started.context("no port of loopback is free for the simulated Qualio")
    }

    async fn erp(&self, place: &mut DemoPlace) -> anyhow::Result<ErpDouble> {
        let (journal, rows) = self.open::<ErpSupplier>(ERP_FILE)?;
        let token = place.secret("ERP_TOKEN", random_hex);
        let config = ErpConfig::new(self.double_clock(), &token)
            .suppliers(rows)
            .on_write(move |id, row| journal.put(id, row));
        let at_port = |port| ErpDouble::start(config.clone().port(port));
        let started = match at_port(place.port("ERP_URL")).await {
            Ok(double) => Ok(double),
            Err(_) => at_port(0).await,
        };
        started.context("no port of loopback is free for the simulated ERP")
    }

    fn make_suppliers(&self, qualio: &QualioDouble) -> anyhow::Result<()> {
        let rows = realistic_suppliers(SEED, SUPPLIERS, self.clock.now().0);
        let standing: Vec<ErpSupplier> = rows.iter().step_by(STANDS_EVERY).cloned().collect();
        stand_in_qualio(qualio, &standing, &mut Seed::new(SEED));
        let path = self.path(ERP_FILE);
        let by_id = rows.iter().map(|row| (row.id.as_str(), row));
        Journal::write_all(&path, by_id).with_context(|| journal_fault(&path))
    }
}

fn journal_fault(path: &Path) -> String {
    format!(
        "the state of the simulated systems in {} can not be used; remove the data folder to start anew",
        path.display()
    )
}

fn set_settings(place: &mut DemoPlace, erp: &ErpDouble, qualio: &QualioDouble) {
    let mut set = |name: &str, value: String| place.settings.insert(name.to_owned(), value);
    set("ERP_URL", erp.url());
    set("QUALIO_URL", qualio.url());
    for (id, title, ..) in RISK_LEVELS {
        set(
            &format!("QUALIO_RISK_{}", title.to_ascii_uppercase()),
            id.to_owned(),
        );
    }
    for name in ["SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_2"] {
        place.secret(name, webhook_secret);
    }
}

/// A secret in the form of Standard Webhooks.
fn webhook_secret() -> String {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.encode(random_bytes());
    format!("whsec_{key}")
}

#[cfg(test)]
mod tests {
    use tidegate_lambda::SystemClock;
    use tidegate_testkit::doubles::erp::ChangeKind;

    use super::*;

    #[tokio::test]
    async fn both_systems_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::create(folder.path()).unwrap();
        let start = || Demo::start(&data, Arc::new(SystemClock));
        let one = start().await.unwrap();
        assert_eq!(one.erp.suppliers().len(), 120);
        assert_eq!(one.qualio.suppliers().len(), 40);
        one.erp
            .random_change(&mut Seed::new(1), ChangeKind::Critical);
        let id = one.qualio.suppliers()[3].supplier_id.clone();
        one.qualio.edit(&id, |supplier| supplier.archived = true);
        let (rows, suppliers) = (one.erp.suppliers(), one.qualio.suppliers());
        // As after kill -9: nothing of the first is told that it ends.
        let two = start().await.unwrap();
        assert_eq!(two.erp.suppliers(), rows);
        assert_eq!(two.qualio.suppliers(), suppliers);
        assert_eq!(two.place.secrets, one.place.secrets);
    }
}
