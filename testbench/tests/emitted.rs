//! What `boesfsc build --emit` writes is used as its readers would, and decides as the image does.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boesfs_abi::image::{ValidImage, decode};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::{ArgValue, Request};
use boesfs_abi::subjects::{SubjectLiteral, base_name};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::image::{c_header, rust_module};

const POLICIES: [&str; 5] = ["patterns", "tuples", "roles", "boesfs-whitelist", "casbin-rbac"];

/// A program that asks the emitted policy and prints a line for each answer.
const MAIN: &str = r#"
#include <stdio.h>
#include "native.c"
#include "policy.h"

static int same(const char *name, const char *text)
{
	return name && !strcmp(name, text);
}

/* The class of @program, whose base name is @base, outside of any domain that is named. */
static __u32 class_of(const char *program, const char *base)
{
	const unsigned count = sizeof(policy_classes) / sizeof(policy_classes[0]);
	const char *path = 0, *name = 0;

	for (unsigned i = 0; i < count; i++) {
		if (same(policy_classes[i].path, program))
			path = program;
		if (same(policy_classes[i].base, base))
			name = base;
	}
	for (unsigned i = 0; i < count; i++) {
		if (policy_classes[i].domain || !policy_classes[i].path != !path || !policy_classes[i].base != !name)
			continue;
		if ((!path || same(policy_classes[i].path, path)) && (!name || same(policy_classes[i].base, name)))
			return policy_classes[i].class;
	}
	return BOESFS_NO_CLASS;
}

static const struct {
	const char *program, *base, *path;
	__u32 op, known;
	__u64 value;
} asked[] = {
#include "asked.h"
};

int main(void)
{
	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct boesfs_call call = { 0 };

		call.op = asked[i].op;
		call.class = class_of(asked[i].program, asked[i].base);
		call.known = asked[i].known;
		call.value[0] = asked[i].value;
		call.path_len = strlen(asked[i].path);
		if (boesfs_native_decide((const __u8 *)policy_blob, POLICY_BLOB_LEN, &call, (const __u8 *)asked[i].path))
			puts("unusable");
		else
			puts(call.deny ? "deny" : "allow");
	}
	return 0;
}
"#;

/// The compiled example called `name`: its file and the image in it.
fn built(name: &str) -> (Vec<u8>, ValidImage) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples").join(name).with_extension("conf");
    let text = fs::read(path).expect("an example");
    let policy = boesfs_compiler::Policy::options().allow("all").parse(text).expect("a policy");
    let file = policy.compile().expect("an image").as_bytes().to_vec();
    let image = decode(&file).expect("an image");
    (file, image)
}

/// Requests of every program the policy names, and one more, at paths its rules name and beside and below them.
fn requests(image: &ValidImage) -> Vec<Request> {
    let mut programs = vec![b"/opt/unknown".to_vec()];
    for literal in &image.subjects().literals {
        programs.push(match literal {
            SubjectLiteral::Path(path) => path.clone(),
            SubjectLiteral::Name(name) => [b"/opt/", name.as_slice()].concat(),
        });
    }
    let mut paths = vec![b"/".to_vec(), b"/srv".to_vec(), b"/srv/a.pem".to_vec(), b"/var/log/x/y".to_vec()];
    for literal in image.literals() {
        paths.push(literal.path.clone());
        paths.push([literal.path.as_slice(), b"x"].concat());
        if literal.path != b"/" {
            paths.push([literal.path.as_slice(), b"/x"].concat());
        }
    }
    let mut requests = Vec::new();
    for program in &programs {
        for path in &paths {
            for op in OpSet::ALL.iter() {
                let Ok(plain) = Request::new(program, path, op) else { continue };
                if let (Op::Read, Ok(sized)) = (op, plain.clone().with_text_args(&["4096"])) {
                    requests.push(sized);
                }
                requests.push(plain);
            }
        }
    }
    requests
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        let _ = write!(out, "\\{byte:03o}");
    }
    out + "\""
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_c_header_decides_as_the_image() {
    let headers: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ebpf/bpf");
    for name in POLICIES {
        let (_, image) = built(name);
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a written file");
        let mut asked = String::new();
        let requests = requests(&image);
        for request in &requests {
            let sized = request.args().first().is_some_and(|arg| matches!(arg, ArgValue::Number(_)));
            let [program, base, path] = [request.sub(), base_name(request.sub()), request.obj()].map(quoted);
            let (known, value) = if sized { (1, 4096) } else { (0, 0) };
            let op = request.op() as u32;
            let _ = writeln!(asked, "{{ {program}, {base}, {path}, {op}, {known}, {value} }},");
        }
        file("policy.h", &c_header(&image, "policy"));
        file("asked.h", &asked);
        file("main.c", MAIN);
        let program = dir.path().join("main");
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-I"]);
        output(
            compiler
                .arg(&headers)
                .arg("-I")
                .arg(dir.path())
                .arg("-o")
                .arg(&program)
                .arg(dir.path().join("main.c")),
        );
        let answers = output(&mut Command::new(&program));
        let answers: Vec<&str> = answers.lines().collect();
        assert_eq!(answers.len(), requests.len(), "{name}");
        let mut denied = 0;
        for (request, answer) in requests.iter().zip(answers) {
            let verdict = image.decide_request(request).verdict;
            denied += usize::from(verdict == Verdict::Deny);
            assert_eq!(
                answer,
                if verdict == Verdict::Deny { "deny" } else { "allow" },
                "{name}: {request:?}"
            );
        }
        assert!(denied > 0 && denied < requests.len(), "{name}: {denied} of {} are denied", requests.len());
    }
}

#[test]
fn the_rust_module_holds_the_image() {
    let (file, image) = built("patterns");
    let dir = tempfile::tempdir().expect("a directory");
    let main = "mod policy;\nfn main() {\n    use std::io::Write as _;\n    println!(\"{} {:08x}\", policy::ID, policy::ABI_FINGERPRINT);\n    \
        std::io::stdout().write_all(policy::IMAGE).expect(\"a reader\");\n}\n";
    fs::write(dir.path().join("policy.rs"), rust_module(&file, &image)).expect("a written file");
    fs::write(dir.path().join("main.rs"), main).expect("a written file");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let program = dir.path().join("main");
    output(
        Command::new(rustc).args(["--edition", "2024", "-o"]).arg(&program).arg(dir.path().join("main.rs")),
    );
    let ran = Command::new(&program).output().expect("the program runs");
    let head = format!("{} {:08x}\n", image.id_hex(), boesfs_abi::layout::fingerprint());
    assert_eq!(ran.stdout, [head.as_bytes(), &file].concat());
}
