//! The language server over real streams: the program is started, and spoken with as an editor speaks with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const POLICY: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, path, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && pathMatch(r.obj, p.path) && r.act == p.act
[policy]
#@ id=all
p, dev, /**, *, allow
p, dev, /srv/secret/**, read, deny
g, /usr/bin/bash, dev
";

/// A server and the conversation with it.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: i32,
}

impl Editor {
    fn silent() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("boesfsc starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, next: 0 }
    }

    fn new() -> Self {
        Self::with(json!({}), Value::Null)
    }

    fn with(capabilities: Value, options: Value) -> Self {
        let mut editor = Self::silent();
        let params = json!({"processId": null, "rootUri": null, "capabilities": capabilities, "initializationOptions": options});
        let answer = editor.ask("initialize", params);
        assert_eq!(answer["serverInfo"]["name"], "boesfsc");
        editor.tell("initialized", json!({}));
        editor
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open stream");
        input.write_all(bytes).expect("the server reads");
        input.flush().expect("the server reads");
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn request(&mut self, method: &str, params: Value) -> i32 {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        self.next
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("a header") > 0, "the server has gone");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(text) => length = text.parse().expect("a length"),
                None if line.trim().is_empty() => break,
                None => panic!("a header: {line}"),
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The answer to request `id`, whatever comes before it.
    fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.read();
            if message.get("id") == Some(id) {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let answer = self.answer(&id.into());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn error(&mut self, method: &str, params: Value) -> i64 {
        let id = self.request(method, params);
        self.answer(&id.into())["error"]["code"].as_i64().expect("an error")
    }

    fn open(&mut self, uri: &str, text: &str) {
        self.tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri, "languageId": "boesfs", "version": 1, "text": text}}),
        );
    }

    fn change(&mut self, uri: &str, version: i32, changes: Value) {
        let document = json!({"uri": uri, "version": version});
        self.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    /// The next findings for `uri` at `version`.
    fn findings(&mut self, uri: &str, version: Option<i32>) -> Vec<Value> {
        loop {
            let message = self.read();
            let params = &message["params"];
            if message["method"] == "textDocument/publishDiagnostics"
                && params["uri"] == uri
                && params.get("version").and_then(Value::as_i64) == version.map(i64::from)
            {
                return params["diagnostics"].as_array().expect("findings").clone();
            }
        }
    }

    fn end(mut self) -> Option<i32> {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        self.child.wait().expect("an end").code()
    }
}

/// Line and unit of the `offset`th byte of the first `word` in `text`.
fn at(text: &str, word: &str, offset: usize) -> Value {
    let place = text.find(word).expect("the word") + offset;
    let line = text[..place].matches('\n').count();
    let start = text[..place].rfind('\n').map_or(0, |end| end + 1);
    json!({"line": line, "character": text[start..place].encode_utf16().count()})
}

fn place(uri: &str, position: &Value) -> Value {
    json!({"textDocument": {"uri": uri}, "position": position})
}

/// `text` after the changes of a workspace edit for `uri`.
fn apply(text: &str, edits: &Value) -> String {
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64().expect("a line")).expect("small");
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        start + usize::try_from(position["character"].as_u64().expect("a unit")).expect("small")
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .expect("edits")
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            (offset(&range["start"]), offset(&range["end"]), edit["newText"].as_str().expect("text"))
        })
        .collect();
    edits.sort_unstable();
    let mut text = text.to_owned();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}

const URI: &str = "file:///policies/a.conf";

#[test]
fn findings_follow_the_text() {
    let mut editor = Editor::new();
    editor.open(URI, &POLICY.replace("read", "raed"));
    let findings = editor.findings(URI, Some(1));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0]["code"], "E0301");
    assert_eq!(findings[0]["source"], "boesfsc");
    assert_eq!(findings[0]["severity"], 1);
    assert_eq!(findings[0]["range"]["start"], at(POLICY, "read", 0));
    // The two letters are put right, one change after the other.
    let place = at(POLICY, "read", 1);
    let line = place["line"].clone();
    let range = |start: u64, end: u64| json!({"start": {"line": line, "character": start}, "end": {"line": line, "character": end}});
    let start = place["character"].as_u64().expect("a unit");
    editor.change(
        URI,
        2,
        json!([{"range": range(start, start + 1), "text": ""}, {"range": range(start, start + 1), "text": "ea"}]),
    );
    assert_eq!(editor.findings(URI, Some(2)), Vec::<Value>::new());
    editor.change(URI, 3, json!([{"text": POLICY.replace("p.eft == deny", "p.eft = deny")}]));
    assert!(!editor.findings(URI, Some(3)).is_empty());
    editor.tell("textDocument/didClose", json!({"textDocument": {"uri": URI}}));
    assert_eq!(editor.findings(URI, None), Vec::<Value>::new());
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_burst_of_changes_is_one_check() {
    let mut editor = Editor::new();
    let mut burst = Vec::new();
    let mut push = |message: Value| {
        let text = message.to_string();
        burst.extend(format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes());
    };
    let open = json!({"uri": URI, "languageId": "boesfs", "version": 0, "text": POLICY});
    push(json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": open}}));
    for version in 1..=50 {
        let text = format!("{POLICY}# {version}\n");
        let params =
            json!({"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]});
        push(json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}));
    }
    editor.raw(&burst);
    let first = editor.read();
    assert_eq!(first["params"]["version"], 50, "{first}");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn hover_says_what_words_mean() {
    let mut editor = Editor::new();
    editor.open(URI, POLICY);
    for (word, offset, told) in [
        ("request_definition", 3, "fields of a request"),
        ("r.sub", 3, "program that asks"),
        ("p.path", 3, "column"),
        ("pathMatch", 2, "crosses"),
        ("g(r.sub", 0, "role relation"),
        ("some(where", 1, "Allowed if some rule that matches allows and none denies"),
        ("read, deny", 1, "(len, offset)"),
        ("*, allow", 0, "Every operation"),
        ("dev, /**", 1, "`/usr/bin/bash`"),
        ("/usr/bin/bash", 4, "Has the roles: `dev`"),
        ("p, dev, /srv", 0, "Denies"),
        ("p, dev, /srv", 0, "`read`"),
        ("id=all", 0, "name in events"),
        ("deny\ng", 1, "The rule denies"),
    ] {
        let hover = editor.ask("textDocument/hover", place(URI, &at(POLICY, word, offset)));
        let text = hover["contents"]["value"].as_str().unwrap_or_default();
        assert!(text.contains(told), "{word}: {hover}");
    }
    assert_eq!(
        editor.ask("textDocument/hover", place(URI, &json!({"line": 9, "character": 3}))),
        Value::Null
    );
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn completion_offers_what_fits() {
    let mut editor = Editor::new();
    editor.open(URI, POLICY);
    let mut version = 1;
    for (line, offered, not_offered) in [
        ("[", "[matchers]", "read"),
        ("p, ", "dev", "read"),
        ("p, dev, /a, ", "read", "allow"),
        ("p, dev, /a, read @", "@modify", "dev"),
        ("p, dev, /a, read, ", "deny", "read"),
        ("g, /bin/x, ", "dev", "allow"),
        ("#@ ", "errno=", "read"),
        ("#@ errno=", "ENOENT", "EACCESS"),
        ("#@ allow=", "inert-rule", "id="),
        ("", "p", "read"),
        ("[options]\nmo", "moves =", "r ="),
        ("[options]\nmoves = ", "no-gain", "exe"),
        ("[matchers]\nm2 = r.", "sub", "uid"),
        ("[matchers]\nm2 = r.args.", "offset", "sub"),
        ("[matchers]\nm2 = p.", "path", "eft"),
        ("[matchers]\nm2 = key", "keyMatch2", "sub"),
        ("[matchers]\nm2 = r.act == \"", "unlink", "dev"),
        ("[policy_effect]\ne2 = ", "priority(p.eft) || deny", "r"),
        ("[request_definition]\nr2 = sub, ", "uid", "eft"),
        ("[policy_definition]\np2 = ", "eft", "uid"),
    ] {
        version += 1;
        let text = format!("{POLICY}{line}");
        editor.change(URI, version, json!([{"text": text}]));
        let end = at(&format!("{text}\u{1}"), "\u{1}", 0);
        let answer = editor.ask("textDocument/completion", place(URI, &end));
        let labels: Vec<&str> = answer["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|item| item["label"].as_str())
            .collect();
        assert!(labels.contains(&offered), "{line:?}: {labels:?}");
        assert!(!labels.contains(&not_offered), "{line:?}: {labels:?}");
    }
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn what_is_completed_takes_the_place_of_what_was_typed() {
    let mut editor = Editor::new();
    let text = format!("{POLICY}p, dev, /a, read unl");
    editor.open(URI, &text);
    let answer = editor.ask("textDocument/completion", place(URI, &at(&text, "unl", 3)));
    let items = answer["items"].as_array().expect("items");
    let unlink = items.iter().find(|item| item["label"] == "unlink").expect("an offer");
    assert!(apply(&text, &json!([unlink["textEdit"]])).ends_with("read unlink"));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn definitions_references_and_names() {
    let mut editor = Editor::new();
    editor.open(URI, POLICY);
    let lines = |value: &Value| -> Vec<u64> {
        let places = value.as_array().expect("places");
        places.iter().filter_map(|place| place["range"]["start"]["line"].as_u64()).collect()
    };
    let role = place(URI, &at(POLICY, "dev, /srv", 1));
    assert_eq!(lines(&editor.ask("textDocument/definition", role.clone())), [14]);
    let column = place(URI, &at(POLICY, "p.path", 3));
    assert_eq!(lines(&editor.ask("textDocument/definition", column.clone())), [3]);
    let mut asked = role.clone();
    asked["context"] = json!({"includeDeclaration": true});
    assert_eq!(lines(&editor.ask("textDocument/references", asked)), [12, 13, 14]);

    let prepared = editor.ask("textDocument/prepareRename", role.clone());
    assert_eq!(prepared["placeholder"], "dev");
    let renamed = |place: &Value, name: &str| {
        let mut asked = place.clone();
        asked["newName"] = name.into();
        asked
    };
    let edit = editor.ask("textDocument/rename", renamed(&role, "staff, all"));
    assert_eq!(apply(POLICY, &edit["changes"][URI]), POLICY.replace("dev", "\"staff, all\""));
    let edit = editor.ask("textDocument/rename", renamed(&column, "where_"));
    assert_eq!(
        apply(POLICY, &edit["changes"][URI]),
        POLICY.replace("path,", "where_,").replace("p.path", "p.where_")
    );
    // Not names, names in use, and things with fixed names.
    assert_eq!(editor.error("textDocument/rename", renamed(&role, "/bin/x")), -32602);
    assert_eq!(editor.error("textDocument/rename", renamed(&role, "")), -32602);
    assert_eq!(editor.error("textDocument/rename", renamed(&role, "/usr/bin/bash")), -32602);
    assert_eq!(editor.error("textDocument/rename", renamed(&column, "sub")), -32803);
    let operation = place(URI, &at(POLICY, "read, deny", 0));
    assert_eq!(editor.error("textDocument/rename", renamed(&operation, "x")), -32803);
    assert_eq!(editor.error("textDocument/prepareRename", operation), -32803);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn symbols_and_colours() {
    let mut editor = Editor::with(
        json!({"textDocument": {"documentSymbol": {"hierarchicalDocumentSymbolSupport": true}}}),
        Value::Null,
    );
    editor.open(URI, POLICY);
    let symbols = editor.ask("textDocument/documentSymbol", json!({"textDocument": {"uri": URI}}));
    let sections = symbols.as_array().expect("symbols");
    assert_eq!(sections.len(), 6);
    assert_eq!(sections[5]["name"], "[policy]");
    assert_eq!(sections[5]["children"][0]["name"], "all: p, dev, /**, *, allow");
    let tokens = editor.ask("textDocument/semanticTokens/full", json!({"textDocument": {"uri": URI}}));
    let data = tokens["data"].as_array().expect("numbers");
    assert!(data.len() > 100 && data.len().is_multiple_of(5));
    assert_eq!(data[..5], [json!(0), json!(1), json!(18), json!(0), json!(1)]);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn formatting_is_the_formatters() {
    let mut editor = Editor::new();
    let text = POLICY.replace("p, dev, /**", "p,dev ,   /**");
    editor.open(URI, &text);
    let asked = json!({"textDocument": {"uri": URI}, "options": {"tabSize": 4, "insertSpaces": true}});
    let edits = editor.ask("textDocument/formatting", asked.clone());
    let formatted = apply(&text, &edits);
    assert!(formatted.contains("p, dev, /**, *, allow\n"), "{formatted}");
    editor.change(URI, 2, json!([{"text": formatted}]));
    assert_eq!(editor.ask("textDocument/formatting", asked.clone()), json!([]));
    editor.change(URI, 3, json!([{"text": "[matchers\n"}]));
    assert_eq!(editor.ask("textDocument/formatting", asked), Value::Null);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn findings_can_be_mended_or_allowed() {
    let mut editor =
        Editor::with(json!({"workspace": {"workspaceEdit": {"documentChanges": true}}}), Value::Null);
    let text = POLICY.replace('\n', "\r\n").replace("g, /usr/bin/bash, dev", "p, bash, /x, open, allow");
    let text = text.replace("g(r.sub, p.sub)", "r.sub == p.sub").replace("p, dev, /**", "p, /bin/dev, /**");
    let text =
        text.replace("p, dev, /srv", "p, /bin/dev, /srv").replace("[role_definition]\r\ng = _, _\r\n", "");
    editor.open(URI, &text);
    let findings = editor.findings(URI, Some(1));
    let named = findings.iter().find(|finding| finding["code"] == "W0311").expect("a finding").clone();
    let asked = json!({
        "textDocument": {"uri": URI},
        "range": named["range"],
        "context": {"diagnostics": [named], "only": ["quickfix"]},
    });
    let actions = editor.ask("textDocument/codeAction", asked);
    let titles: Vec<&Value> =
        actions.as_array().expect("actions").iter().map(|action| &action["title"]).collect();
    let allow = actions
        .as_array()
        .expect("actions")
        .iter()
        .find(|action| action["title"] == "allow `base-name` on this rule");
    let allow = allow.unwrap_or_else(|| panic!("{titles:?}"));
    let change = &allow["edit"]["documentChanges"][0];
    assert_eq!(change["textDocument"]["version"], 1);
    let mended = apply(&text, &change["edits"]);
    assert!(mended.contains("#@ allow=base-name\r\np, bash"), "{mended}");
    editor.change(URI, 2, json!([{"text": mended}]));
    let findings = editor.findings(URI, Some(2));
    assert!(findings.iter().all(|finding| finding["code"] != "W0311"), "{findings:?}");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn two_files_are_one_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    let uri = |name: &str| format!("file://{}", folder.path().join(name).display());
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a section");
    fs::write(folder.path().join("model.conf"), model).expect("a file");
    let mut editor = Editor::new();
    let policy = uri("rules.csv");
    editor.open(&policy, &rules.replace("read", "raed"));
    let findings = editor.findings(&policy, Some(1));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(editor.findings(&uri("model.conf"), None), Vec::<Value>::new());
    // The model in the editor goes before the one on disk, and its findings are shown there.
    editor.open(&uri("model.conf"), &model.replace("r.act", "r.atc"));
    assert!(!editor.findings(&uri("model.conf"), Some(1)).is_empty());
    let definition = editor.ask("textDocument/definition", place(&uri("model.conf"), &at(model, "p.sub", 3)));
    assert_eq!(definition[0]["uri"], uri("model.conf"));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn the_settings_name_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a section");
    fs::create_dir(path("models")).expect("a folder");
    fs::write(path("models/files.conf"), model).expect("a file");
    let mut editor = Editor::with(json!({}), json!({"boesfsc": {"model": path("models/files.conf")}}));
    let policy = format!("file://{}", path("a.csv").display());
    editor.open(&policy, rules);
    assert_eq!(editor.findings(&policy, Some(1)), Vec::<Value>::new());
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn places_are_counted_as_agreed() {
    let text = POLICY.replace("p, dev, /srv/secret/**, read", "p, dev, \"/srv/\u{1f600}\u{e9}/**\", raed");
    for (capabilities, unit) in
        [(json!({}), 23), (json!({"general": {"positionEncodings": ["utf-8", "utf-16"]}}), 26)]
    {
        let mut editor = Editor::with(capabilities, Value::Null);
        editor.open(URI, &text);
        let findings = editor.findings(URI, Some(1));
        let found = findings.iter().find(|finding| finding["code"] == "E0301").expect("the finding");
        assert_eq!(found["range"]["start"], json!({"line": 13, "character": unit}));
        assert_eq!(editor.end(), Some(0));
    }
}

#[test]
fn marks_carriage_returns_and_foreign_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a b.conf");
    let uri = format!("file://{}", path.display().to_string().replace(' ', "%20"));
    let mut bytes = POLICY.replace('\n', "\r\n").into_bytes();
    bytes.splice(0..0, *b"\xef\xbb\xbf");
    bytes.extend(b"p, dev, /\xff\xfe, raed, deny\r\n");
    fs::write(&path, &bytes).expect("a file");
    let mut editor = Editor::new();
    editor.open(&uri, &String::from_utf8_lossy(&bytes));
    let findings = editor.findings(&uri, Some(1));
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains(&"N0102") && codes.contains(&"E0108"), "{codes:?}");
    let foreign = findings.iter().find(|finding| finding["code"] == "E0108").expect("the finding");
    assert_eq!(foreign["range"]["start"], json!({"line": 15, "character": 9}));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn wrong_requests_get_the_protocols_errors() {
    let mut editor = Editor::silent();
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": 0, "character": 0}))), -32002);
    assert_eq!(editor.error("initialize", json!([1])), -32602);
    // A notification before `initialize` is dropped.
    editor.open(URI, "[");
    editor.ask("initialize", json!({"processId": null, "rootUri": null, "capabilities": {}}));
    assert_eq!(editor.error("initialize", json!({"capabilities": {}})), -32600);
    assert_eq!(editor.error("textDocument/telepathy", json!({})), -32601);
    assert_eq!(editor.error("textDocument/hover", json!({"line": "x"})), -32602);
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": 0, "character": 0}))), -32602);
    editor.open(URI, POLICY);
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": 99, "character": 0}))), -32602);
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": -1, "character": 0}))), -32602);
    for message in [
        json!([]),
        json!(1),
        json!({"jsonrpc": "2.0", "id": null, "method": "x"}),
        json!({"id": 7, "method": 3}),
    ] {
        editor.send(&message);
        loop {
            let answer = editor.read();
            if answer.get("error").is_some() {
                assert_eq!(answer["error"]["code"], -32600, "{message}");
                break;
            }
        }
    }
    // Unknown notifications are dropped, those that do not fit are told.
    editor.tell("$/telepathy", json!({}));
    editor.tell("textDocument/didClose", json!({"textDocument": {"uri": "file:///never"}}));
    loop {
        let message = editor.read();
        if message["method"] == "window/showMessage" {
            assert!(message["params"]["message"].as_str().is_some_and(|text| text.contains("is not open")));
            break;
        }
    }
    editor.ask("shutdown", Value::Null);
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": 0, "character": 0}))), -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.child.wait().expect("an end").code(), Some(0));
}

#[test]
fn broken_streams_are_answered_and_left_behind() {
    let mut editor = Editor::new();
    let broken: [&[u8]; 6] = [
        b"Content-Length: 5\r\n\r\n{oops",
        b"Content-Length: 99999999999999999\r\n\r\n{}",
        b"Content-Length: minus one\r\n\r\n{}",
        b"Content-Type: text\r\n\r\n{\"jsonrpc\":\"2.0\"}",
        b"hello there\r\n\r\n",
        b"Content-Length: 3\r\n\r\n\xff\xfe\xfd",
    ];
    for bytes in broken {
        editor.raw(bytes);
        // The next message is read, wherever the broken one was thought to end.
        let id = editor.request("textDocument/telepathy", json!({}));
        let mut parse_errors = 0;
        loop {
            let answer = editor.read();
            if answer["id"] == Value::Null {
                assert_eq!(answer["error"]["code"], -32700, "{answer}");
                parse_errors += 1;
            } else {
                assert_eq!(answer["id"], id);
                break;
            }
        }
        assert!(parse_errors >= 1, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn an_edit_that_does_not_fit_is_told_and_the_text_can_be_sent_again() {
    let mut editor = Editor::new();
    editor.open(URI, POLICY);
    editor.findings(URI, Some(1));
    let range = json!({"start": {"line": 500, "character": 0}, "end": {"line": 501, "character": 0}});
    editor.change(URI, 2, json!([{"range": range, "text": "x"}]));
    assert_eq!(editor.read()["method"], "window/showMessage");
    assert_eq!(editor.findings(URI, Some(2)), Vec::<Value>::new());
    assert_eq!(editor.error("textDocument/hover", place(URI, &json!({"line": 0, "character": 1}))), -32801);
    editor.change(URI, 3, json!([{"text": POLICY.replace("read", "raed")}]));
    assert_eq!(editor.findings(URI, Some(3)).len(), 1);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn what_is_cancelled_in_time_is_not_answered() {
    let mut editor = Editor::new();
    editor.open(URI, POLICY);
    let mut burst = Vec::new();
    let mut push = |message: Value| {
        let text = message.to_string();
        burst.extend(format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes());
    };
    let hover = place(URI, &json!({"line": 0, "character": 1}));
    for id in 100..140 {
        push(json!({"jsonrpc": "2.0", "id": id, "method": "textDocument/hover", "params": hover}));
    }
    push(json!({"jsonrpc": "2.0", "id": "last", "method": "textDocument/hover", "params": hover}));
    push(json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "last"}}));
    push(json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "never asked"}}));
    editor.raw(&burst);
    let answer = editor.answer(&json!("last"));
    // Whether the cancellation came in time is a matter of chance; that there is exactly one answer is not.
    let cancelled = answer["error"]["code"] == -32800;
    assert!(cancelled || answer.get("result").is_some(), "{answer}");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn going_away_without_a_word_is_a_failure() {
    let mut editor = Editor::new();
    editor.tell("exit", Value::Null);
    assert_eq!(editor.child.wait().expect("an end").code(), Some(1));
    let mut editor = Editor::new();
    editor.input = None;
    assert_eq!(editor.child.wait().expect("an end").code(), Some(1));
    let mut editor = Editor::new();
    editor.raw(b"Content-Length: 400\r\n\r\n{");
    editor.input = None;
    assert_eq!(editor.child.wait().expect("an end").code(), Some(1));
}

#[test]
fn the_examples_open_without_findings_that_are_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
    let mut editor = Editor::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let uri = format!("untitled:{}", path.file_name().expect("a name").display());
        let text = fs::read_to_string(&path).expect("an example");
        editor.open(&uri, &text);
        let findings = editor.findings(&uri, Some(1));
        assert!(findings.iter().all(|finding| finding["severity"] != 1), "{findings:?}");
        // Everything can be asked everywhere.
        for (line, content) in text.lines().enumerate() {
            for character in (0..content.len()).step_by(7) {
                let here = place(&uri, &json!({"line": line, "character": character}));
                editor.ask("textDocument/hover", here.clone());
                editor.ask("textDocument/completion", here.clone());
                editor.ask("textDocument/definition", here);
            }
        }
        count += 1;
    }
    assert!(count >= 8);
    assert_eq!(editor.end(), Some(0));
}
