//! What reviewers say: the same opinions at each source of reviews, in three languages.

use super::Seed;

/// An opinion of the shop that sells the [`goods`](super::goods).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opinion {
    pub(super) stars: u8,
    pub(super) language: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

const fn opinion(
    stars: u8,
    language: &'static str,
    title: &'static str,
    text: &'static str,
) -> Opinion {
    Opinion {
        stars,
        language,
        title,
        text,
    }
}

/// As shops have them: most are content, some are not at all, few lie between.
const OPINIONS: [Opinion; 15] = [
    opinion(
        5,
        "en",
        "Fresh and fast",
        "Ordered on Monday, in the pot by Wednesday. Lovely tea.",
    ),
    opinion(
        5,
        "nl",
        "Snel en lekker",
        "Heel snelle levering, en de groene thee is heerlijk.",
    ),
    opinion(
        5,
        "de",
        "Gerne wieder",
        "Schnell geliefert, gut verpackt, der Honig ist ein Traum.",
    ),
    opinion(
        5,
        "en",
        "Perfect gift",
        "The gift box was wrapped with care. My mother was delighted.",
    ),
    opinion(
        5,
        "nl",
        "Aanrader",
        "Mooie kopjes, netjes ingepakt. Zeker een aanrader!",
    ),
    opinion(
        5,
        "de",
        "Alles bestens",
        "Mahlwerk läuft leise, Bohnen duften schon im Karton.",
    ),
    opinion(
        4,
        "en",
        "Good, small snag",
        "Great grinder. One paper filter pack was dented, no harm.",
    ),
    opinion(
        4,
        "nl",
        "Prima winkel",
        "Goede service, alleen de verzending duurde een dag langer.",
    ),
    opinion(
        4,
        "de",
        "Gut",
        "Schöne Tassen. Die Farbe ist etwas dunkler als im Bild.",
    ),
    opinion(
        3,
        "en",
        "Fair",
        "Tea is fine, but for that price I expected more than 100 g.",
    ),
    opinion(
        3,
        "nl",
        "Redelijk",
        "Product is goed, maar de klantenservice reageert traag.",
    ),
    opinion(
        2,
        "de",
        "Zu langsam",
        "Zwei Wochen gewartet, und niemand wusste, wo das Paket war.",
    ),
    opinion(
        2,
        "en",
        "Lid does not close",
        "The tin's lid sits loose, so the tea goes stale.",
    ),
    opinion(
        1,
        "nl",
        "Kapot aangekomen",
        "De glazen pot kwam in scherven aan. Nog geen antwoord gehad.",
    ),
    opinion(
        1,
        "en",
        "Never again",
        "Charged twice, and it took \"three\" mails & a call to be heard.",
    ),
];

/// What the shop says to those who are not content.
const REPLIES: [&str; 3] = [
    "We are sorry to hear that and have written to you.",
    "Thank you for telling us. A new one is on its way.",
    "That should not happen. Please send us the number of your order.",
];

pub(super) fn opinion_of(seed: &mut Seed) -> Opinion {
    seed.pick(&OPINIONS)
}

/// An answer of the shop, for those who gave three stars or fewer.
pub(super) fn reply_to(opinion: Opinion, seed: &mut Seed) -> Option<&'static str> {
    (opinion.stars <= 3).then(|| seed.pick(&REPLIES))
}
