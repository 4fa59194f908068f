//! What the shops sell: the same goods under the same article numbers, so that a flow can join them.

/// A product.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) title: &'static str,
    /// Price of one in hundredths.
    pub(super) cents: u32,
    pub(super) grams: u32,
}

const fn product(sku: &'static str, title: &'static str, cents: u32, grams: u32) -> Product {
    Product {
        sku,
        title,
        cents,
        grams,
    }
}

pub(super) const GOODS: [Product; 12] = [
    product("TEA-GRN-100", "Green tea, 100 g", 690, 120),
    product("TEA-BLK-250", "Black tea, 250 g", 1_150, 280),
    product("CUP-WHT-030", "Cup, white, 0.3 l", 1_290, 340),
    product("CUP-BLU-030", "Cup, blue, 0.3 l", 1_290, 340),
    product("POT-GLS-100", "Glass pot, 1 l", 3_450, 780),
    product("SIE-STL-001", "Sieve, steel", 849, 60),
    product("HNY-LND-500", "Lime honey, 500 g", 799, 720),
    product("COF-ESP-1KG", "Espresso beans, 1 kg", 2_199, 1_040),
    product("FLT-PAP-100", "Paper filters, 100", 349, 150),
    product("GRN-HND-001", "Hand grinder", 5_990, 620),
    product("CAN-TIN-250", "Tin with lid, 250 g", 1_075, 190),
    product("BOX-GFT-001", "Gift box", 495, 210),
];

/// Hundredths as a price is written: `12.05`.
pub(super) fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn a_price_has_two_digits_behind_its_point() {
        assert_eq!(
            [0, 5, 1_205, 690].map(money),
            ["0.00", "0.05", "12.05", "6.90"]
        );
    }
}
