//! `boesfsc keygen`, `boesfsc sign` and `boesfsc verify`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use boesfs_abi::image::{ImageError, PublicKey, Release, SecretKey, Signed, ValidImage, decode, sign};
use clap::Args;
use serde_json::{Value, json};

use super::destination::{Destination, apart};
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `keygen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc keygen -o release.key
  boesfsc build policy.conf -o policy.bin --sign release.key --release web --revision 7
  boesfs run --trust release.key.pub policy.bin -- make")]
pub(super) struct KeygenArgs {
    /// Where the secret key goes, readable by its owner only; the public one goes beside it, as FILE.pub.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// As what an image is signed.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// What the images of one line have in common, such as the name of a service.
    #[arg(long = "release", value_name = "NAME")]
    name: Option<String>,
    /// Which image of the line this is: greater than the last.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// Arguments of `sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
An older signature is replaced. The policy's id stays.

Examples:
  boesfsc sign --key release.key --release web --revision 7 policy.bin
  boesfsc sign --key release.key --release web --revision 7 policy.bin -o signed.bin")]
pub(super) struct SignArgs {
    /// The image.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// The secret key, a PKCS#8 PEM file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the signed image goes; IMAGE itself if not given, `-` is the standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 1: not signed, signed by another key, of another line, or too old.

Examples:
  boesfsc verify --key release.key.pub policy.bin
  boesfsc verify --key old.key.pub --key new.key.pub --release web --revision 7 policy.bin")]
pub(super) struct VerifyArgs {
    /// The image.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// A public key that may have signed it, an SPKI PEM file. May be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The line it must be of.
    #[arg(long = "release", value_name = "NAME")]
    name: Option<String>,
    /// The revision it must have at least.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

impl KeygenArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let public_path = public_path(&self.output);
        for path in [&self.output, &public_path] {
            if fs::symlink_metadata(path).is_ok() {
                return Err(CommandError::World(format!(
                    "`{}` is there already: a key is never overwritten",
                    path.display()
                )));
            }
        }
        let key = SecretKey::generate().map_err(|error| CommandError::World(error.to_string()))?;
        create(&self.output, 0o600, &key.to_pem())?;
        if let Err(error) = create(&public_path, 0o644, &key.public().to_pem()) {
            // Half a pair is none.
            let _ = fs::remove_file(&self.output);
            return Err(error);
        }
        match screen.format {
            Format::Human => {
                writeln!(screen.out, "{}: key {}", public_path.display(), key.public().to_hex())?;
            }
            Format::Json => screen.json(&json!({
                "version": 1,
                "secret": self.output.display().to_string(),
                "public": public_path.display().to_string(),
                "key": key.public().to_hex(),
            }))?,
        }
        Ok(Exit::Fine)
    }
}

impl ReleaseArgs {
    /// As what to sign.
    pub(super) fn release(&self) -> Result<Release, CommandError> {
        let (Some(name), Some(revision)) = (&self.name, self.revision) else {
            return Err(CommandError::Usage("signing needs `--release NAME` and `--revision N`".to_owned()));
        };
        Release::new(name, revision).ok_or_else(|| {
            CommandError::Usage(
                "the name of a release has 1 to 255 bytes and no control characters".to_owned(),
            )
        })
    }

    /// Whether anything is said.
    pub(super) fn is_given(&self) -> bool {
        self.name.is_some() || self.revision.is_some()
    }
}

impl SignArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let release = self.release.release()?;
        let output = self.output.as_ref().unwrap_or(&self.image);
        apart(output, [self.key.as_path()])?;
        let key = secret_key(&self.key)?;
        let file = read(&self.image, LONGEST_IMAGE)?;
        let signed = sign(&file, &key, &release).map_err(|error| unusable(&self.image, &error))?;
        let image = decode(&signed).map_err(|error| unusable(output, &error))?;
        let destination = Destination::of(output);
        destination.write(&signed, screen)?;
        if let Some(words) = words(screen.format, output, &image, None) {
            destination.say(&words, screen)?;
        }
        Ok(Exit::Fine)
    }
}

impl VerifyArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let keys = self.key.iter().map(|path| public_key(path)).collect::<Result<Vec<_>, _>>()?;
        let image = decode(&read(&self.image, LONGEST_IMAGE)?);
        let image = match image {
            // The file is there and is an image: it is the signature that does not hold.
            Err(error @ ImageError::Signature) => {
                let _ = writeln!(io::stderr(), "error: `{}`: {error}", self.image.display());
                return Ok(Exit::Refused);
            }
            image => image.map_err(|error| unusable(&self.image, &error))?,
        };
        let objection = self.objection(image.signed(), &keys);
        if let Some(objection) = &objection {
            let _ = writeln!(io::stderr(), "error: `{}` {objection}", self.image.display());
        }
        if objection.is_none() || screen.format == Format::Json {
            let words = words(screen.format, &self.image, &image, objection.as_deref());
            words.map_or(Ok(()), |words| writeln!(screen.out, "{words}"))?;
        }
        Ok(if objection.is_some() { Exit::Refused } else { Exit::Fine })
    }

    /// What is wrong with who vouches for the image, if anything.
    fn objection(&self, signed: Option<&Signed>, keys: &[PublicKey]) -> Option<String> {
        let Some(Signed { release, key }) = signed else { return Some("is not signed".to_owned()) };
        if !keys.contains(key) {
            return Some(format!("is signed by another key, {}", key.to_hex()));
        }
        if let Some(name) = self.name.as_ref().filter(|name| *name != release.name()) {
            return Some(format!("is signed as `{}`, not as `{name}`", release.name()));
        }
        if let Some(revision) = self.revision.filter(|revision| *revision > release.revision()) {
            return Some(format!("has revision {}, at least {revision} is asked for", release.revision()));
        }
        None
    }
}

/// The secret key in the file at `path`. That others can read it is said.
pub(super) fn secret_key(path: &Path) -> Result<SecretKey, CommandError> {
    let key = SecretKey::from_pem(&text(path)?).map_err(|error| unusable(path, &error))?;
    let mode = fs::metadata(path).map_or(0, |found| if found.is_file() { found.mode() & 0o777 } else { 0 });
    if mode & 0o077 != 0 {
        let _ = writeln!(
            io::stderr(),
            "warning: secret key `{}` is open to others: its mode is {mode:04o}",
            path.display()
        );
    }
    Ok(key)
}

fn public_key(path: &Path) -> Result<PublicKey, CommandError> {
    PublicKey::from_pem(&text(path)?).map_err(|error| unusable(path, &error))
}

/// What a signed image is signed as.
fn words(format: Format, path: &Path, image: &ValidImage, objection: Option<&str>) -> Option<String> {
    let Format::Json = format else {
        let Signed { release, key } = image.signed()?;
        return Some(format!(
            "{}: `{}` revision {}, policy {}, signed by {}",
            path.display(),
            release.name(),
            release.revision(),
            image.id_hex(),
            key.to_hex()
        ));
    };
    let value = json!({
        "version": 1,
        "image": path.display().to_string(),
        "id": image.id_hex(),
        "signed": image.signed().map_or(Value::Null, |signed| json!({
            "release": signed.release.name(),
            "revision": signed.release.revision(),
            "key": signed.key.to_hex(),
        })),
        "ok": objection.is_none(),
        "error": objection,
    });
    Some(value.to_string())
}

fn public_path(secret: &Path) -> PathBuf {
    let mut name = secret.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn create(path: &Path, mode: u32, text: &str) -> Result<(), CommandError> {
    let failed = |error| unwritable(path, &error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// The most bytes of an image.
const LONGEST_IMAGE: u64 = 256 << 20;
/// The most bytes of a key.
const LONGEST_KEY: u64 = 1 << 16;

/// The file at `path`, which has `most` bytes at most: it may be anything, as a device that never ends.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, CommandError> {
    let unreadable = |error| CommandError::World(format!("`{}` cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(unreadable(io::Error::other(format!("longer than {most} bytes"))));
    }
    Ok(bytes)
}

fn text(path: &Path) -> Result<String, CommandError> {
    let bytes = read(path, LONGEST_KEY)?;
    String::from_utf8(bytes).map_err(|_| CommandError::World(format!("`{}`: not a PEM file", path.display())))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> CommandError {
    CommandError::World(format!("`{}`: {error}", path.display()))
}

fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::World(format!("`{}` cannot be written: {error}", path.display()))
}
