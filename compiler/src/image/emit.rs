//! An image as constants of a programming language, for programs that carry their policy in themselves.

use std::fmt::{self, Write as _};

use base64ct::{Base64, Encoding as _};
use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::layout::fingerprint;
use boesfs_abi::subjects::SubjectLiteral;
use serde_json::{Value, json};

/// Bytes on one line of a Rust literal.
const ROW: usize = 24;
/// Words on one line of a C array.
const WORDS: usize = 4;

/// The blob of `image` as a C header to use with the decision headers, whose identifiers begin with `name`: the aligned
/// words of the blob, and which class each program that the policy names falls into.
#[must_use]
pub fn c_header(image: &ValidImage, name: &str) -> String {
    let mut text = String::new();
    write_c(&mut text, image, name).expect("INVARIANT: writing to a string does not fail");
    text
}

fn write_c(out: &mut String, image: &ValidImage, name: &str) -> fmt::Result {
    let upper = name.to_uppercase();
    let id = image.id_hex();
    writeln!(out, "/* Policy {id}, by `boesfsc build --emit header`. */")?;
    writeln!(out, "#ifndef {upper}_H\n#define {upper}_H\n\n#include \"boesfs_abi.h\"\n")?;
    let wanted = fingerprint();
    writeln!(
        out,
        "_Static_assert(BOESFS_ABI_FINGERPRINT == {wanted:#010x}u, \"the policy is for another boesfs_abi.h\");"
    )?;
    writeln!(
        out,
        "_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, \"the policy is little-endian\");\n"
    )?;
    writeln!(out, "#define {upper}_ID \"{id}\"")?;
    writeln!(out, "#define {upper}_BLOB_LEN {}u", image.blob().len())?;
    writeln!(out, "#define {upper}_CLASS_COUNT {}u\n", image.header().class_count)?;
    writeln!(out, "/* What is decided by; aligned as it has to be. */")?;
    writeln!(out, "static const __u64 {name}_blob[] = {{")?;
    let (words, _) = image.blob().as_chunks::<8>();
    for line in words.chunks(WORDS) {
        out.push('\t');
        for word in line {
            write!(out, "{:#018x},", u64::from_le_bytes(*word))?;
        }
        out.push('\n');
    }
    writeln!(out, "}};\n")?;
    write_classes(out, image, name)?;
    writeln!(out, "\n#endif")
}

/// The class of every combination of names that the policy tells apart.
fn write_classes(out: &mut String, image: &ValidImage, name: &str) -> fmt::Result {
    let subjects = image.subjects();
    writeln!(
        out,
        "/*\n * The class of a program and a domain: of the line whose path is the program's (if one has it), whose base is its\n * base name (likewise) and whose domain is the sandbox's (likewise). 0 stands for any other.\n */"
    )?;
    writeln!(
        out,
        "static const struct {{\n\tconst char *path;\n\tconst char *base;\n\tconst char *domain;\n\t__u32 class;\n}} {name}_classes[] = {{"
    )?;
    let literal = |index: Option<u32>| {
        index.map(|index| match &subjects.literals[index as usize] {
            SubjectLiteral::Path(text) | SubjectLiteral::Name(text) => text.as_slice(),
        })
    };
    let domains: Vec<Option<&[u8]>> =
        std::iter::once(None).chain(subjects.domains.iter().map(|domain| Some(domain.as_slice()))).collect();
    for (group, classes) in subjects.groups.iter().zip(subjects.classes.chunks(domains.len())) {
        for (domain, ClassId(class)) in domains.iter().zip(classes) {
            let [path, base, domain] = [literal(group.0), literal(group.1), *domain].map(c_string);
            writeln!(out, "\t{{ {path}, {base}, {domain}, {class} }},")?;
        }
    }
    writeln!(out, "}};")
}

/// `text` as a string literal. Octal escapes have three digits, so that none runs on into what follows.
fn c_string(text: Option<&[u8]>) -> String {
    let Some(text) = text else { return "0".to_owned() };
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            // A question mark may begin a trigraph.
            b' '..=b'~' if *byte != b'?' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out.push('"');
    out
}

/// The image file in `file`, which decodes to `image`, as constants of a Rust module, for `boesfs_abi::image::decode`.
#[must_use]
pub fn rust_module(file: &[u8], image: &ValidImage) -> String {
    let mut text = String::new();
    write_rust(&mut text, file, image).expect("INVARIANT: writing to a string does not fail");
    text
}

fn write_rust(out: &mut String, file: &[u8], image: &ValidImage) -> fmt::Result {
    writeln!(out, "// A policy, by `boesfsc build --emit rust`.\n")?;
    writeln!(out, "/// The policy's id.\npub const ID: &str = \"{}\";\n", image.id_hex())?;
    writeln!(
        out,
        "/// What the image was built for: `boesfs_abi::layout::fingerprint()` of the one that reads it."
    )?;
    writeln!(out, "pub const ABI_FINGERPRINT: u32 = {:#010x};\n", fingerprint())?;
    writeln!(out, "/// The image, as `boesfsc build` writes it: for `boesfs_abi::image::decode`.")?;
    writeln!(out, "pub static IMAGE: &[u8] = b\"\\")?;
    for line in file.chunks(ROW) {
        out.push_str("    ");
        for byte in line {
            write!(out, "\\x{byte:02x}")?;
        }
        out.push_str("\\\n");
    }
    writeln!(out, "\";")
}

/// The image file in `file`, which decodes to `image`, with what it is.
#[must_use]
pub fn json_value(file: &[u8], image: &ValidImage) -> Value {
    json!({
        "version": 1,
        "id": image.id_hex(),
        "abi_fingerprint": fingerprint(),
        "format_version": boesfs_abi::image::VERSION,
        "bytes": file.len(),
        "blob_bytes": image.blob().len(),
        "classes": image.header().class_count,
        "rules": image.debug().map(|debug| debug.rules.len()),
        "signed": image.signed().map(|signed| json!({
            "release": signed.release.name(),
            "revision": signed.release.revision(),
            "key": signed.key.to_hex(),
        })),
        "image": Base64::encode_string(file),
    })
}
