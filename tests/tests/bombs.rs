//! Bombs: archives that are far larger inside than outside. What goes to the landing bucket is counted as it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use embedded_store::{Before, Call, Intercept, Options};
use landfall::form::LandedForm;
use landfall::observer::Observer;
use landfall_tests::crafted::{Crafted, DEFLATED, STORED, Saying, deflated_zeros};
use landfall_tests::staged::{publish_for, stage, unpack};
use landfall_tests::{Setup, World, say};

const MIB: u64 = 1 << 20;
/// More than a bomb may put out beyond its limit.
const BEYOND: u64 = 64 * MIB;
/// What the whole test may take, the bombs themselves included.
const MAX_MEMORY: u64 = 128 * MIB;

const MEMBER_BYTES: u64 = 8 * MIB;
const TOTAL_BYTES: u64 = 9 * MIB;
const LIMITS: &str = "limits = { entries = 1000, member_bytes = 8388608, total_bytes = 9437184, ratio = 100, \
                      ratio_floor_bytes = 1048576 }";

/// What a bomb must come to.
#[derive(Clone, Copy)]
enum Outcome {
    /// It is refused with this error's name.
    Refused(&'static str),
    /// It lands, and its one object has so many bytes of content: it was no bomb to whoever does not open it.
    Lands(u64),
}

use Outcome::{Lands, Refused};

struct Bomb {
    kind: &'static str,
    file: &'static str,
    bytes: Vec<u8>,
    outcome: Outcome,
}

impl Bomb {
    fn new(kind: &'static str, bytes: Vec<u8>, outcome: Outcome) -> Self {
        Self { kind, file: "bomb.zip", bytes, outcome }
    }
}

fn noise(bytes: u64) -> Vec<u8> {
    let mut noise = vec![0; usize::try_from(bytes).unwrap()];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    noise
}

fn crafted(craft: impl FnOnce(&mut Crafted)) -> Vec<u8> {
    let mut archive = Crafted::default();
    craft(&mut archive);
    archive.finish()
}

/// Zeros, of which the headers tell the truth.
fn zeros(name: &str, mebibytes: usize) -> (Saying, Vec<u8>) {
    let data = deflated_zeros(mebibytes);
    (Saying::the_truth(name, DEFLATED, &data, &vec![0; mebibytes << 20]), data)
}

/// Zeros, of which the headers tell that they are fewer.
fn understated(name: &str, size: u64, mebibytes: usize) -> (Saying, Vec<u8>) {
    let data = deflated_zeros(mebibytes);
    let content = vec![0; usize::try_from(size).unwrap()];
    (Saying::the_truth(name, DEFLATED, &data, &content), data)
}

/// What is inside a bomb whose members share it.
struct Kernel {
    data: Vec<u8>,
    content: Vec<u8>,
}

impl Kernel {
    /// A mebibyte that is a thousand times smaller.
    fn of_zeros() -> Self {
        Self { data: deflated_zeros(1), content: vec![0; 1 << 20] }
    }

    /// What cannot be made smaller: limits say nothing against a few of it.
    fn of_noise() -> Self {
        let content = noise(60_000);
        let length = u16::try_from(content.len()).unwrap();
        // The one block of a deflate stream, stored.
        let data = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &content].concat();
        Self { data, content }
    }
}

/// Members that all are the same bytes: every header of the directory names the one local header (David Fifield, "A
/// better zip bomb", full overlap).
fn full_overlap(members: usize, kernel: &Kernel) -> Vec<u8> {
    crafted(|archive| {
        let saying = Saying::the_truth("a", DEFLATED, &kernel.data, &kernel.content);
        archive.add(&saying, &kernel.data);
        for member in 1..members {
            archive.list(&Saying { name: format!("a{member}"), ..saying.clone() }, 0);
        }
    })
}

/// Members of which each holds all that follow it, their headers quoted in a stored block (ibidem, quoted overlap).
fn quoted_overlap(members: usize, kernel: Kernel) -> Vec<u8> {
    let Kernel { mut data, mut content } = kernel;
    let mut sayings = vec![Saying::the_truth("kernel", DEFLATED, &data, &content)];
    for member in 1..members {
        let header = sayings.last().unwrap().local();
        let length = u16::try_from(header.len()).unwrap();
        let quote = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &header].concat();
        data.splice(0..0, quote);
        content.splice(0..0, header);
        sayings.push(Saying::the_truth(&format!("m{member}"), DEFLATED, &data, &content));
    }
    crafted(|archive| {
        let mut offset = 0;
        for saying in sayings.iter().rev() {
            archive.list(saying, offset);
            // The next header is behind this one and the head of the block that quotes it.
            offset += saying.local().len() + 5;
        }
        archive.add_bytes(&sayings.last().unwrap().local());
        archive.add_bytes(&data);
    })
}

/// Data that goes on and on, and is nothing.
fn empty_blocks() -> Vec<u8> {
    let mut data = [0, 0, 0, 0xff, 0xff].repeat(1_000_000);
    data.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    crafted(|archive| archive.add(&Saying::the_truth("nothing", DEFLATED, &data, b""), &data))
}

/// A stored member whose descriptor knows another size than the directory.
fn stored_with_descriptor() -> Vec<u8> {
    let content = vec![b'x'; 1000];
    let truth = Saying::the_truth("streamed", STORED, &content, &content);
    let local = Saying { flags: 8, crc32: 0, compressed: 0, size: 0, ..truth.clone() };
    crafted(|archive| {
        archive.list(&Saying { flags: 8, ..truth.clone() }, 0);
        archive.add_bytes(&local.local());
        archive.add_bytes(&content);
        archive.add_bytes(b"PK\x07\x08");
        for field in [truth.crc32, 0x7fff_ffff, 0x7fff_ffff] {
            archive.add_bytes(&field.to_le_bytes());
        }
    })
}

fn nested() -> (Vec<u8>, u64) {
    let bomb = crafted(|archive| {
        let (saying, data) = understated("inner", MIB, 300);
        archive.add(&saying, &data);
    });
    let size = bomb.len() as u64;
    (crafted(|archive| archive.add_stored("inner.zip", &bomb)), size)
}

fn gzip() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    bytes.extend_from_slice(&deflated_zeros(300));
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// One member that is all right in front of one that is not: it has landed by the time that the other shows.
fn behind_good_members((saying, data): (Saying, Vec<u8>)) -> Vec<u8> {
    crafted(|archive| {
        for member in 0..20 {
            archive.add_stored(&format!("good-{member}.csv"), &noise(100_000));
        }
        archive.add(&saying, &data);
    })
}

/// Those that are large outside, too.
fn large() -> Vec<Bomb> {
    let too_large = crafted(|archive| archive.add_stored("a", &noise(MEMBER_BYTES + 1)));
    let too_large_together = crafted(|archive| {
        (0..2).for_each(|member| archive.add_stored(&format!("{member}"), &noise(5 * MIB)));
    });
    let exceeded = Refused("LimitExceeded");
    vec![
        Bomb::new("a member over its limit", too_large, exceeded),
        Bomb::new("members over their limit together", too_large_together, exceeded),
    ]
}

/// Those whose directory tells.
fn declared() -> Vec<Bomb> {
    let (exceeded, crafty) = (Refused("LimitExceeded"), Refused("UnsafeArchive"));
    let one = |(saying, data): (Saying, Vec<u8>)| crafted(|archive| archive.add(&saying, &data));
    vec![
        Bomb::new("a member's ratio", one(zeros("a", 4)), exceeded),
        Bomb::new(
            "the ratio of members below the floor",
            crafted(|archive| {
                let (saying, data) = zeros("", 1);
                for member in 0..9 {
                    archive.add(&Saying { name: format!("{member}"), ..saying.clone() }, &data);
                }
            }),
            exceeded,
        ),
        Bomb::new(
            "4 GiB declared",
            crafted(|archive| {
                let data = deflated_zeros(1);
                let saying = Saying::the_truth("a", DEFLATED, &data, b"");
                archive.add(&Saying { size: u32::MAX - 1, ..saying }, &data);
            }),
            exceeded,
        ),
        Bomb::new(
            "too many members",
            crafted(|archive| (0..1001).for_each(|member| archive.add_stored(&format!("{member}"), b""))),
            exceeded,
        ),
        Bomb::new("full overlap", full_overlap(500, &Kernel::of_zeros()), exceeded),
        Bomb::new("full overlap within the limits", full_overlap(100, &Kernel::of_noise()), crafty),
        Bomb::new("quoted overlap", quoted_overlap(60, Kernel::of_zeros()), exceeded),
        Bomb::new("quoted overlap within the limits", quoted_overlap(100, Kernel::of_noise()), crafty),
        Bomb::new("a descriptor that lies", stored_with_descriptor(), crafty),
    ]
}

/// Those whose data tells, or that are none to whoever does not open them.
fn undeclared() -> Vec<Bomb> {
    let bad = Refused("IntegrityError");
    let one = |(saying, data): (Saying, Vec<u8>)| crafted(|archive| archive.add(&saying, &data));
    let (nested, nested_size) = nested();
    let gzip = gzip();
    let gzip_size = gzip.len() as u64;
    // As large as the floor allows, so that only its own word bounds it.
    let almost = |name| understated(name, MIB, 300);
    vec![
        Bomb::new("300 MiB said to be 1,000 bytes", one(understated("a", 1000, 300)), bad),
        Bomb::new("300 MiB said to be 1 MiB", one(almost("a")), bad),
        Bomb::new("300 MiB said to be 8 MiB", one(understated("a", MEMBER_BYTES, 300)), bad),
        Bomb::new("300 MiB behind members that have landed", behind_good_members(almost("z")), bad),
        Bomb::new(
            "300 MiB said to be stored",
            one({
                let (saying, data) = understated("a", 0, 300);
                let size = saying.compressed;
                (Saying { method: STORED, size, ..saying }, data)
            }),
            bad,
        ),
        Bomb::new("empty blocks", empty_blocks(), Lands(0)),
        Bomb::new("an archive within an archive", nested, Lands(nested_size)),
        Bomb { kind: "a gzip file", file: "bomb.gz", bytes: gzip, outcome: Lands(gzip_size) },
    ]
}

/// Counts the bytes that go to the landing bucket, and those that are decoded, which a compressing form makes few of.
#[derive(Default)]
struct Scale {
    put: AtomicU64,
    decoded: AtomicU64,
}

impl Observer for Scale {
    fn unpacked(&self, bytes: u64) {
        self.decoded.fetch_add(bytes, Ordering::SeqCst);
    }
}

impl Intercept for Scale {
    fn before(&self, call: &Call) -> Before {
        let puts = matches!(call.operation, "PutObject" | "UploadPart");
        if puts && call.bucket.as_deref() == Some("landing") {
            self.put.fetch_add(call.body_bytes, Ordering::SeqCst);
        }
        Before::Proceed
    }
}

/// Lands a bomb, or not; the bytes that went to the landing bucket, and those that were decoded.
async fn explode(bomb: &Bomb, form: LandedForm) -> (u64, u64) {
    let scale = Arc::new(Scale::default());
    let intercept = Some(Arc::clone(&scale) as Arc<dyn Intercept>);
    let form = serde_json::to_value(form).unwrap();
    let destination = format!("form = {form}\n{LIMITS}");
    let setup = Setup { destination, ..Setup::default() };
    let world = World::with_store(setup, Options { fsync: false, intercept }).await;
    stage(&world.context, &[(bomb.file, &bomb.bytes)]).await;
    let context = world.anew().observed_by(Arc::clone(&scale) as Arc<dyn Observer>);
    let came = unpack(&context, 0).await;
    let (put, decoded) = (scale.put.load(Ordering::SeqCst), scale.decoded.load(Ordering::SeqCst));
    let case = format!("{}, as {form}", bomb.kind);
    match (bomb.outcome, came) {
        (Refused(name), Err(error)) => {
            assert_eq!(error.error_type().name(), name, "{case}: {}", error.line());
            assert!(publish_for(&world.context, "1").await.is_err(), "{case}: published");
            let landed = world.landed().await;
            assert!(landed.is_empty(), "{case}: left behind: {:?}", landed.keys());
        }
        (Lands(size), Ok(unpacked)) => {
            assert!(unpacked.complete, "{case}");
            publish_for(&world.context, "1").await.unwrap();
            let (_, manifest) = world.manifests().await.pop_first().unwrap();
            assert_eq!(manifest.objects.len(), 1, "{case}");
            assert_eq!(manifest.objects[0].content_bytes(), size, "{case}");
        }
        (_, came) => panic!("{case}: {:?}", came.map_err(|error| error.line())),
    }
    assert_eq!(world.unfinished_uploads().await, 0, "{case}: unfinished uploads");
    world.end().await;
    (put, decoded)
}

/// The most memory that this process has had resident, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// A bomb of any kind stops before 64 MiB beyond its limit, in every form, and leaves nothing behind; memory does not
/// grow with what it would have been.
#[tokio::test]
async fn bombs_stop_and_leave_nothing() {
    let (mut count, mut refused, mut most) = (0, 0, 0);
    for make in [large, declared, undeclared] {
        for bomb in make() {
            let mut puts = Vec::new();
            for form in [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd] {
                let (put, decoded) = explode(&bomb, form).await;
                let bytes = put.max(decoded);
                assert!(
                    bytes <= TOTAL_BYTES + BEYOND,
                    "{}, {form:?}: {put} put, {decoded} decoded",
                    bomb.kind
                );
                puts.push((put, decoded));
                most = most.max(bytes);
                count += 1;
                refused += usize::from(matches!(bomb.outcome, Refused(_)));
            }
            say(&format!(
                "bomb: {}: {} bytes; put to the landing bucket, and decoded, as it is, as gzip, as zstd: {puts:?}",
                bomb.kind,
                bomb.bytes.len()
            ));
        }
    }
    let peak = peak_memory();
    say(&format!(
        "bombs: {count} landings, {refused} refused with nothing left; at most {most} bytes put or decoded, with limits of \
         {MEMBER_BYTES} and {TOTAL_BYTES}; peak memory {peak:?} bytes"
    ));
    assert!(peak.is_none_or(|peak| peak < MAX_MEMORY), "{peak:?}");
}

/// The tests' own means: what is said to inflate to so much does.
#[test]
fn the_zeros_are_as_many_as_is_said() {
    let data = deflated_zeros(5);
    let mut reader = flate2::read::DeflateDecoder::new(&data[..]);
    assert_eq!(std::io::copy(&mut reader, &mut std::io::sink()).unwrap(), 5 * MIB);
}
