//! What `boesfsc build --emit` writes is used as its readers would, and decides as the image does.

use std::collections::{BTreeMap, HashMap, HashSet};
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
use boesfs_testbench::case;
use boesfs_testbench::policy::Policy;

/// The largest blob that is tried, and the most requests to one policy.
const SMALL: usize = 16 << 10;
const MOST_ASKED: usize = 200;

/// What asks one emitted policy, whose identifiers begin with `NAME`, and prints a line for each answer.
const ASK: &str = r#"
/* The class of @program, whose base name is @base, outside of any domain that is named. */
static __u32 NAME_class_of(const char *program, const char *base)
{
	const unsigned count = sizeof(NAME_classes) / sizeof(NAME_classes[0]);
	const char *path = 0, *name = 0;

	for (unsigned i = 0; i < count; i++) {
		if (same(NAME_classes[i].path, program))
			path = program;
		if (same(NAME_classes[i].base, base))
			name = base;
	}
	for (unsigned i = 0; i < count; i++) {
		if (NAME_classes[i].domain || !NAME_classes[i].path != !path || !NAME_classes[i].base != !name)
			continue;
		if ((!path || same(NAME_classes[i].path, path)) && (!name || same(NAME_classes[i].base, name)))
			return NAME_classes[i].class;
	}
	return BOESFS_NO_CLASS;
}

static const struct asked NAME_asked[] = {
#include "NAME_asked.h"
};

static void NAME_ask(void)
{
	for (unsigned i = 0; i < sizeof(NAME_asked) / sizeof(NAME_asked[0]); i++)
		ask((const __u8 *)NAME_blob, sizeof(NAME_blob), NAME_class_of(NAME_asked[i].program, NAME_asked[i].base),
		    &NAME_asked[i]);
}
"#;

/// What asks all of them.
const MAIN: &str = r#"
#include <stdio.h>
#include "native.c"

struct asked {
	const char *program, *base, *path;
	__u32 op, known;
	__u64 value;
};

static int same(const char *name, const char *text)
{
	return name && !strcmp(name, text);
}

static void ask(const __u8 *blob, __u64 len, __u32 class, const struct asked *asked)
{
	struct boesfs_call call = { 0 };

	call.op = asked->op;
	call.class = class;
	call.known = asked->known;
	call.value[0] = asked->value;
	call.path_len = strlen(asked->path);
	if (boesfs_native_decide(blob, len, &call, (const __u8 *)asked->path))
		puts("unusable");
	else
		puts(call.deny ? "deny" : "allow");
}
"#;

/// The compiled example called `name`: its file and the image in it.
fn built(name: &str) -> (Vec<u8>, ValidImage) {
    let text = case::example(&format!("{name}.conf")).expect("an example");
    let policy = boesfs_compiler::Policy::options().allow("all").parse(text).expect("a policy");
    let file = policy.compile().expect("an image").as_bytes().to_vec();
    let image = decode(&file).expect("an image");
    (file, image)
}

/// The small policies of all cases, each once.
fn policies() -> BTreeMap<String, Policy> {
    let mut ids = HashSet::new();
    let cases = case::embedded().expect("cases").into_iter();
    let policies = cases.filter_map(|case| Some((case.name, Policy::compile(&case.source).ok()?)));
    let small = policies.filter(|(_, policy)| policy.image().blob().len() <= SMALL);
    small.filter(|(_, policy)| ids.insert(policy.image().id())).collect()
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
    let step = requests.len().div_ceil(MOST_ASKED);
    requests.into_iter().step_by(step | 1).collect()
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
fn c_headers_decide_as_the_images() {
    let headers: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ebpf/bpf");
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a written file");
    let (mut main, mut calls, mut asked) = (MAIN.to_owned(), String::new(), Vec::new());
    for (number, (case, policy)) in policies().into_iter().enumerate() {
        let name = format!("p{number}");
        let image = policy.image();
        let mut lines = String::new();
        for request in requests(image) {
            let sized = request.args().first().is_some_and(|arg| matches!(arg, ArgValue::Number(_)));
            let [program, base, path] = [request.sub(), base_name(request.sub()), request.obj()].map(quoted);
            let (known, value) = if sized { (1, 4096) } else { (0, 0) };
            let op = request.op() as u32;
            let _ = writeln!(lines, "{{ {program}, {base}, {path}, {op}, {known}, {value} }},");
            asked.push((case.clone(), image.decide_request(&request).verdict, request));
        }
        file(&format!("{name}.h"), &c_header(image, &name));
        file(&format!("{name}_asked.h"), &lines);
        let _ = writeln!(main, "#include \"{name}.h\"{}", ASK.replace("NAME", &name));
        let _ = writeln!(calls, "\t{name}_ask();");
    }
    file("main.c", &format!("{main}\nint main(void)\n{{\n{calls}\treturn 0;\n}}\n"));
    let program = dir.path().join("main");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-I"]);
    compiler.arg(&headers).arg("-I").arg(dir.path()).arg("-o").arg(&program);
    output(compiler.arg(dir.path().join("main.c")));
    let answers = output(&mut Command::new(&program));
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), asked.len());
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut cases = HashSet::new();
    for ((case, verdict, request), answer) in asked.iter().zip(answers) {
        let wanted = if *verdict == Verdict::Deny { "deny" } else { "allow" };
        assert_eq!(answer, wanted, "{case}: {request:?}");
        *seen.entry(wanted).or_default() += 1;
        cases.insert(case);
    }
    assert!(
        cases.len() > 40 && seen["deny"] > 700 && seen["allow"] > 700,
        "{} policies, {seen:?}",
        cases.len()
    );
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
