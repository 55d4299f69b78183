//! Who vouches for an image: an ed25519 signature over everything the header's hashes cover, with a name and a
//! revision, so that an older image can be told from a newer one.
//!
//! A signature that stands in an image is verified by [`super::decode`] like any other check; whether its key is
//! trusted is for the one who loads it to say. Keys are files as other tools write them: PKCS#8 and SPKI in PEM.

use std::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::decode::sections;
use super::encode::assemble;
use super::{HEADER_LEN, ImageError, Reader, SectionKind, Writer, decode};

/// What is signed begins with this, so that the signature is good for nothing else.
const PURPOSE: &[u8] = b"boesfs policy image\0";
/// The longest name of a release, in bytes.
const LONGEST_NAME: usize = 255;

/// Which of a line of images this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    name: String,
    revision: u64,
}

impl Release {
    /// Revision `revision` of `name`; `None` if the name is empty, longer than 255 bytes or holds a control character.
    #[must_use]
    pub fn new(name: impl Into<String>, revision: u64) -> Option<Self> {
        let name = name.into();
        let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
        fits.then_some(Self { name, revision })
    }

    /// What the images of one line have in common.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grows with each image of the line.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer(self.revision.to_le_bytes().to_vec());
        w.bytes(self.name.as_bytes());
        w.0
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let (low, high) = (r.number()?, r.number()?);
        let name = std::str::from_utf8(r.bytes()?).ok()?;
        let release = Self::new(name, u64::from(low) | u64::from(high) << 32)?;
        r.finished().then_some(release)
    }
}

/// That an image is signed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// As what.
    pub release: Release,
    /// By whose key.
    pub key: PublicKey,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no key of this kind.
    #[error("not an ed25519 {0} key in PEM form")]
    Form(&'static str),
    /// The machine has no random bytes to make one of.
    #[error("no random bytes: {0}")]
    Random(String),
}

/// Who may be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key in PEM (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    /// [`KeyError::Form`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(text).map(Self).map_err(|_| KeyError::Form("public"))
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("INVARIANT: a public key has a PEM form")
    }

    /// The key's 32 bytes in hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_hex())
    }
}

/// Who can vouch. Not shown by `Debug`, wiped when dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a secret key in PEM (`-----BEGIN PRIVATE KEY-----`).
    ///
    /// # Errors
    /// [`KeyError::Form`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(text).map(Self).map_err(|_| KeyError::Form("private"))
    }

    /// The key in PEM, without the public key beside it: OpenSSL reads no other form.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let key = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = key.to_pkcs8_pem(LineEnding::LF).expect("INVARIANT: a secret key has a PEM form");
        pem.as_str().to_owned()
    }

    /// What others verify by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The image in `file`, signed by `key` as `release`; an older signature is replaced. Its id stays.
///
/// # Errors
/// As [`decode`].
pub fn sign(file: &[u8], key: &SecretKey, release: &Release) -> Result<Vec<u8>, ImageError> {
    decode(file)?;
    let mut parts: Vec<(SectionKind, Vec<u8>)> = sections(file)?
        .into_iter()
        .filter(|(kind, _)| !matches!(kind, SectionKind::Release | SectionKind::Signature))
        .map(|(kind, bytes)| (kind, bytes.to_vec()))
        .collect();
    parts.push((SectionKind::Release, release.encode()));
    parts.push((SectionKind::Signature, vec![0; 96]));
    // The hashes do not cover the signature's bytes, so they are known before it is.
    let unsigned = assemble(&parts);
    let signature = key.0.sign(&message(&unsigned[..HEADER_LEN]));
    if let Some((_, bytes)) = parts.last_mut() {
        bytes[..32].copy_from_slice(key.0.verifying_key().as_bytes());
        bytes[32..].copy_from_slice(&signature.to_bytes());
    }
    let signed = assemble(&parts);
    decode(&signed)?;
    Ok(signed)
}

/// What the sections say about who vouches for the file that begins with `header`.
///
/// # Errors
/// [`ImageError::Malformed`] and [`ImageError::Signature`].
pub(super) fn signed(
    header: &[u8],
    release: Option<&[u8]>,
    signature: Option<&[u8]>,
) -> Result<Option<Signed>, ImageError> {
    let (release, signature) = match (release, signature) {
        (None, None) => return Ok(None),
        (Some(release), Some(signature)) => (release, signature),
        _ => return Err(ImageError::Malformed("a release goes with a signature")),
    };
    let release = Release::decode(release).ok_or(ImageError::Malformed("release"))?;
    let (key, signature) = signature.split_at_checked(32).ok_or(ImageError::Malformed("signature"))?;
    let key = key.try_into().expect("INVARIANT: 32 bytes");
    let key = VerifyingKey::from_bytes(&key).map_err(|_| ImageError::Signature)?;
    let signature = Signature::from_slice(signature).map_err(|_| ImageError::Malformed("signature"))?;
    key.verify_strict(&message(header), &signature).map_err(|_| ImageError::Signature)?;
    Ok(Some(Signed { release, key: PublicKey(key) }))
}

/// What is signed: versions and both hashes, which cover all the rest.
fn message(header: &[u8]) -> Vec<u8> {
    [PURPOSE, &header[8..16], &header[32..HEADER_LEN]].concat()
}
