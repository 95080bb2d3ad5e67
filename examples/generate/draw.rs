//! The luck of one person or thing: the same seed and number, the same draws.

use fake::Fake;
use fake::faker::name::en::{FirstName, LastName};
// The very rand that fake draws with; it would not take another version's.
use fake::rand::rngs::StdRng;
use fake::rand::{RngExt, SeedableRng};
use jiff::ToSpan;
use jiff::civil::date;

use super::practice::{Guarantor, Insurance, Kin, Phone, Place, Plan};

#[rustfmt::skip]
const PLANS: [Plan; 8] = [
    (982, "UNITED HEALTHCARE CHOICE PLUS", 123), (1352, "AETNA PPO", 77),
    (560272, "MEDICARE PART B", 4), (291393, "MASSHEALTH", 9),
    (31, "BLUE CROSS & BLUE SHIELD PPO", 12), (2210, "CIGNA OPEN ACCESS PLUS", 58),
    (336661, "HUMANA GOLD CHOICE", 66), (4071, "TUFTS HEALTH PLAN", 91),
];
const ACCENTED: [&str; 4] = ["N\u{fa}\u{f1}ez", "M\u{fc}ller", "Lef\u{e8}vre", "S\u{f8}ndergaard"];

/// The luck of one person or thing.
pub struct Draw(pub StdRng);

impl Draw {
    /// Begins the luck of a person or thing: what it is, and its number.
    pub fn new(seed: u64, of: &str, number: u64) -> Draw {
        // FNV-1a, so that neighbours share no luck.
        let bytes = of.bytes().chain(seed.to_le_bytes()).chain(number.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Draw(StdRng::seed_from_u64(hash))
    }

    /// Returns a whole number of 0 to less than `end`.
    pub fn up_to(&mut self, end: i64) -> i64 {
        self.0.random_range(0..end)
    }

    pub fn percent(&mut self) -> f64 {
        self.0.random_range(0.0..100.0)
    }

    pub fn chance(&mut self, percent: f64) -> bool {
        self.percent() < percent
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.up_to(all.len() as i64) as usize].clone()
    }

    /// Returns one of `all`, which weigh a hundred together.
    pub fn weighted<T: Copy>(&mut self, all: &[(u32, T)]) -> T {
        let mut left = self.up_to(100) as u32;
        for &(weight, what) in all {
            if left < weight {
                return what;
            }
            left -= weight;
        }
        all[0].1
    }

    pub fn first_name(&mut self) -> &'static str {
        FirstName().fake_with_rng(&mut self.0)
    }

    pub fn last_name(&mut self) -> String {
        let name: &str = LastName().fake_with_rng(&mut self.0);
        match self.up_to(250) {
            0 => self.of(&ACCENTED).to_string(),
            1..10 => format!("{name}-{}", LastName().fake_with_rng::<&str, _>(&mut self.0)),
            _ => name.to_string(),
        }
    }

    pub fn initial(&mut self) -> String {
        char::from(b'A' + self.up_to(26) as u8).to_string()
    }

    pub fn phone(&mut self, percent: f64, place: Place) -> Phone {
        Phone(self.chance(percent).then(|| (place.3, self.up_to(100) as u8)))
    }

    pub fn kin(&mut self, last: &str, place: Place) -> Kin {
        Kin {
            last: if self.chance(70.0) { last.to_string() } else { self.last_name() },
            first: self.first_name(),
            relationship: self.of(&["SPOUSE", "PARENT", "CHILD", "SIBLING", "FRIEND", "OTHER"]),
            phone: self.phone(90.0, place),
        }
    }

    pub fn guarantor(&mut self, child: bool, last: &str, place: Place) -> Option<Guarantor> {
        self.chance(if child { 95.0 } else { 8.0 }).then(|| Guarantor {
            last: last.to_string(),
            first: self.first_name(),
            born: date(1965, 1, 1).saturating_add(self.up_to(12_000).days()),
            phone: self.phone(80.0, place),
            relationship: if child { 3 } else { 2 },
        })
    }

    /// Returns no insurance, one, or two. Member IDs may begin with zeros.
    pub fn insurances(&mut self, patient: u64) -> [Option<Insurance>; 2] {
        let mut one = |letter: &str| Insurance {
            plan: self.of(&PLANS),
            member: format!("{letter}{:010}", patient * 7 + self.up_to(7) as u64),
            group: if self.chance(50.0) {
                format!("GRP{:05}", self.up_to(900))
            } else {
                String::new()
            },
            since: date(2024, 1, 1).saturating_add((31 * self.up_to(34)).days()),
        };
        let (first, second) = (one("0"), one("W"));
        match self.up_to(100) {
            0..8 => [None, None],
            8..92 => [Some(first), None],
            _ => [Some(first), Some(second)],
        }
    }
}
