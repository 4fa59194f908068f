//! The words from which realistic suppliers are made.
//!
//! Nothing here can reach anybody: the domains end in `.example` (RFC 2606), and the telephone
//! numbers have 555 where a subscriber's number begins.

use crate::doubles::Seed;

pub(super) const STEMS: [&str; 40] = [
    "Aldenhof",
    "Alpensera",
    "Arvida",
    "Belcarra",
    "Brightwater",
    "Calderon",
    "Cerulean",
    "Corvinus",
    "Dalwhinnie",
    "Eastbrook",
    "Elvara",
    "Fjordlab",
    "Galtymore",
    "Granitra",
    "Halvorsen",
    "Hexacore",
    "Ilmarinen",
    "Juniper Lane",
    "Kestrel",
    "Kirchberg",
    "Lakemont",
    "Lindqvist",
    "Meridian",
    "Montclair",
    "Norvale",
    "Novaterra",
    "Oakhaven",
    "Orsola",
    "Penrose",
    "Quillon",
    "Ravenscar",
    "Rhonetal",
    "Sandoval",
    "Silverline",
    "Tamarind",
    "Tregarth",
    "Umbria",
    "Vantage",
    "Westerholm",
    "Zellbach",
];

pub(super) const FIELDS: [&str; 20] = [
    "Biologics",
    "Calibration",
    "Cleanroom Services",
    "Cold Chain",
    "Diagnostics",
    "Excipients",
    "Filtration",
    "Glassworks",
    "Instruments",
    "Labels",
    "Laboratories",
    "Logistics",
    "Medical Plastics",
    "Packaging",
    "Pharma Ingredients",
    "Polymers",
    "Precision Parts",
    "Reagents",
    "Sterilisation",
    "Validation",
];

pub(super) const PURPOSES: [&str; 20] = [
    "Sterile vials and stoppers",
    "Primary packaging for injectables",
    "Calibration of balances and pipettes",
    "Contract sterilisation by gamma radiation",
    "Buffer salts and excipients",
    "Chemical reagents for release testing",
    "Injection-moulded device housings",
    "Temperature-controlled transport",
    "Cleanroom gowning and laundry",
    "Environmental monitoring",
    "Machined titanium components",
    "Single-use bioreactor bags",
    "Printed cartons and leaflets",
    "Tamper-evident labels",
    "HEPA filters and integrity tests",
    "Cell culture media",
    "Microbiological testing",
    "Software validation services",
    "Chromatography columns",
    "Waste disposal, category B",
];

pub(super) const CERTIFICATES: [&str; 8] = [
    "ISO 13485",
    "ISO 9001",
    "ISO 17025",
    "ISO 15378",
    "ISO 14644",
    "ISO 11137",
    "GDP",
    "GMP",
];

pub(super) const CERTIFICATION: [&str; 4] = ["valid", "expired", "suspended", "none"];

const FIRST_NAMES: [&str; 24] = [
    "Aoife",
    "Birgit",
    "Carlos",
    "Chiara",
    "Daniel",
    "Elif",
    "Emma",
    "Fatima",
    "Georg",
    "Hanna",
    "Ines",
    "Jakub",
    "Katrin",
    "Liam",
    "Marta",
    "Nils",
    "Oluwaseun",
    "Priya",
    "Quentin",
    "Rosa",
    "Sven",
    "Tomasz",
    "Ursula",
    "Yuki",
];

const LAST_NAMES: [&str; 24] = [
    "Andersen",
    "Bauer",
    "Byrne",
    "Costa",
    "Dubois",
    "Eriksson",
    "Fischer",
    "Gallagher",
    "Hoffmann",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lefevre",
    "Moretti",
    "Nowak",
    "Okafor",
    "Patel",
    "Quinn",
    "Ricci",
    "Schmid",
    "Tanaka",
    "Vermeulen",
    "Walsh",
    "Yilmaz",
];

const STREETS: [&str; 16] = [
    "Industriestrasse",
    "Harbour Road",
    "Science Park",
    "Rue de la Gare",
    "Via Galilei",
    "Mill Lane",
    "Technology Drive",
    "Bahnhofstrasse",
    "Kanaalweg",
    "Foundry Street",
    "Airport Boulevard",
    "Avenue Pasteur",
    "Quality Way",
    "Station Road",
    "Laborgasse",
    "Orchard Court",
];

/// A town with what goes with it: legal form, town and country, dialling prefix.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) legal_form: &'static str,
    town: &'static str,
    dial: &'static str,
}

const PLACES: [Place; 14] = [
    Place {
        legal_form: "GmbH",
        town: "68161 Mannheim, Germany",
        dial: "+49 621",
    },
    Place {
        legal_form: "GmbH & Co. KG",
        town: "22767 Hamburg, Germany",
        dial: "+49 40",
    },
    Place {
        legal_form: "AG",
        town: "4057 Basel, Switzerland",
        dial: "+41 61",
    },
    Place {
        legal_form: "Ltd",
        town: "Cambridge CB4 0WS, United Kingdom",
        dial: "+44 1223",
    },
    Place {
        legal_form: "Ltd",
        town: "Cork T12 XY45, Ireland",
        dial: "+353 21",
    },
    Place {
        legal_form: "Inc.",
        town: "Worcester, MA 01605, USA",
        dial: "+1 508",
    },
    Place {
        legal_form: "LLC",
        town: "Durham, NC 27703, USA",
        dial: "+1 919",
    },
    Place {
        legal_form: "S.A.S.",
        town: "69007 Lyon, France",
        dial: "+33 4",
    },
    Place {
        legal_form: "S.p.A.",
        town: "20126 Milano, Italy",
        dial: "+39 02",
    },
    Place {
        legal_form: "B.V.",
        town: "2333 CH Leiden, Netherlands",
        dial: "+31 71",
    },
    Place {
        legal_form: "A/S",
        town: "2800 Kongens Lyngby, Denmark",
        dial: "+45 45",
    },
    Place {
        legal_form: "AB",
        town: "223 63 Lund, Sweden",
        dial: "+46 46",
    },
    Place {
        legal_form: "Sp. z o.o.",
        town: "50-204 Wrocław, Poland",
        dial: "+48 71",
    },
    Place {
        legal_form: "S.L.",
        town: "08028 Barcelona, Spain",
        dial: "+34 93",
    },
];

pub(super) fn place(seed: &mut Seed) -> Place {
    seed.pick(&PLACES)
}

/// First and last name of a person.
pub(in crate::doubles) fn person(seed: &mut Seed) -> (&'static str, &'static str) {
    (seed.pick(&FIRST_NAMES), seed.pick(&LAST_NAMES))
}

pub(super) fn phone(seed: &mut Seed, place: &Place) -> String {
    format!("{} 555 {:04}", place.dial, seed.below(10_000))
}

pub(super) fn address(seed: &mut Seed, place: &Place) -> String {
    let number = 1 + seed.below(180);
    format!("{} {number}, {}", seed.pick(&STREETS), place.town)
}

/// `text` as a part of a domain: small letters and digits, all else one hyphen.
pub(super) fn domain_part(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}
