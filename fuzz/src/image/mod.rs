//! Real images, changed and given right hashes again: what is still an image is read alike by Rust and by C, and what is
//! none is read by C without leaving it.

mod ask;
mod change;
mod file;

use std::ops::Range;
use std::sync::LazyLock;

use boesfs_abi::image::{Defaults, Parts, Release, SecretKey, ValidImage, decode, encode, sign, strip};
#[cfg(feature = "compiler")]
use boesfs_compiler::image::{Place, Summary, check, dump};
use boesfs_ebpf::native::NativePolicy;

use crate::draw::Draw;
use ask::Question;
use change::{Input, change};
use file::Apart;

/// How many changes one image gets: mostly one, for most changes are seen.
const CHANGES: [usize; 8] = [1, 1, 1, 1, 1, 2, 3, 6];
/// Questions to an image.
const QUESTIONS: usize = 6;
/// One image of so many is also shown, stripped and signed.
const SHOWN: usize = 128;

/// What became of a changed image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is no image.
    Refused,
    /// It is one that decides as the one it was made of.
    Same,
    /// It is another one.
    Other,
}

/// An image that is changed.
struct Base {
    file: Vec<u8>,
    image: ValidImage,
    native: NativePolicy,
    apart: Apart,
    /// Where in the blob its tables are.
    tables: Vec<Range<usize>>,
    paths: Vec<Vec<u8>>,
}

macro_rules! images {
    ($($name:literal),* $(,)?) => {
        [$(include_bytes!(concat!("../../../abi/tests/images/", $name, ".bin")).as_slice()),*]
    };
}

/// Images of every shape: both forms, lists, texts, hidden names, patterns, many classes.
const IMAGES: [&[u8]; 5] = images!["boesfs", "casbin", "tuples", "patterns", "roles"];
/// A key that is no secret: inputs do the same in every run.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEICoqKioqKioqKioqKioqKioqKioqKioqKioqKioqKioq\n-----END PRIVATE KEY-----\n";

/// Each image with its notes and without them, and one that is signed.
static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let key = SecretKey::from_pem(KEY).expect("a key");
    let release = Release::new("fuzz", 7).expect("a release");
    let unsigned = IMAGES.iter().flat_map(|whole| [whole.to_vec(), strip(whole).expect("an image")]);
    let signed = sign(IMAGES[0], &key, &release).expect("an image");
    unsigned.chain([signed]).map(Base::new).collect()
});

impl Base {
    fn new(file: Vec<u8>) -> Self {
        let image = decode(&file).expect("an image");
        let header = image.header();
        let starts = [
            0,
            header.nodes_off,
            header.rows_off,
            header.cells_off,
            header.entries_off,
            header.tests_off,
            header.sets_off,
            header.gains_off,
            header.blob_len,
        ];
        let tables = starts.windows(2).map(|pair| pair[0] as usize..pair[1] as usize);
        let tables = tables.filter(|table| !table.is_empty()).collect();
        let around = |path: &Vec<u8>| {
            let below = if path.len() > 1 { [path, b"/x".as_slice()].concat() } else { b"/x".to_vec() };
            [path.clone(), below, [path, b"x".as_slice()].concat()]
        };
        let mut paths: Vec<Vec<u8>> =
            [&b"/"[..], b"/srv/a.key", b"/home/u/.ssh/id", b"/etc/passwd", b"/\xff"]
                .map(<[u8]>::to_vec)
                .to_vec();
        paths.extend(image.literals().iter().flat_map(|literal| around(&literal.path)));
        Self { native: NativePolicy::new(&image), apart: Apart::of(&file), file, image, tables, paths }
    }
}

/// Changes an image as `data` says: which, whether its hashes are mended, and then change by change. It is refused, or it
/// is an image of which everything can be asked, by Rust and by C. Under the id of the image it was made of it decides as
/// that one does; and without new hashes it is that one.
pub fn image_changed(data: &[u8]) -> Fate {
    let input = &mut Input(data);
    // The last is signed, and verifying that takes longer than all the rest.
    let (signed, unsigned) = BASES.split_last().expect("an image");
    let base = match input.byte() {
        255 => signed,
        choice => &unsigned[choice % unsigned.len()],
    };
    let with_old_hashes = input.byte() % 8 == 0;
    let mut apart = base.apart.clone();
    for _ in 0..CHANGES[input.byte() % CHANGES.len()] {
        if input.is_empty() {
            break;
        }
        change(&mut apart, &base.tables, input);
    }
    let mut file = apart.together();
    if with_old_hashes {
        file[32..96].copy_from_slice(&base.file[32..96]);
    }
    let mut draw = Draw::of_bytes(data);
    let native = NativePolicy::from_blob(apart.blob());
    let Ok(image) = decode(&file) else {
        assert_ne!(file, base.file, "an intact image is refused");
        let classes = base.image.header().class_count;
        (0..QUESTIONS / 2).for_each(|_| Question::draw(&base.paths, classes, &mut draw).attempt(&native));
        return Fate::Refused;
    };
    if with_old_hashes {
        assert_eq!(file, base.file, "another file has the same hashes");
    }
    let same = image.id() == base.image.id();
    for _ in 0..QUESTIONS {
        let question = Question::draw(&base.paths, image.header().class_count, &mut draw);
        let answer = question.agreed(&image, &native);
        if same {
            assert_eq!(answer, question.agreed(&base.image, &base.native), "of {:?}", question.path);
        }
    }
    if draw.below(SHOWN) == 0 {
        show(&image, draw.of::<Vec<u8>>(&base.paths));
        written_again(&file, &image);
    }
    if same { Fate::Same } else { Fate::Other }
}

/// Everything that is said of an image can be said of this one.
fn show(image: &ValidImage, path: &[u8]) {
    let _ = image.denial_outside(b"/srv", Defaults::Count);
    #[cfg(feature = "compiler")]
    {
        let place = Place::at(image, path);
        let _ = (dump(image), place.to_string(), place.json(), Summary::of(image).json(), check(image));
    }
    #[cfg(not(feature = "compiler"))]
    let _ = path;
}

/// It can be written again, without its notes and with a signature, and stays what it is.
fn written_again(file: &[u8], image: &ValidImage) {
    let parts = Parts {
        blob: image.blob().to_vec(),
        subjects: image.subjects().clone(),
        literals: image.literals().to_vec(),
        debug: image.debug().cloned(),
    };
    let release = Release::new("again", u64::MAX).expect("a release");
    let key = SecretKey::from_pem(KEY).expect("a key");
    let written = [encode(&parts), strip(file), sign(file, &key, &release)];
    for again in written {
        let again = decode(&again.expect("an image can be written")).expect("and read");
        assert_eq!((again.id(), again.blob()), (image.id(), image.blob()));
    }
}
