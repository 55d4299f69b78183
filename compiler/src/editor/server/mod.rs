//! The language server: the protocol on two streams, over what the rest of this room knows of a text.
//!
//! One thread answers, in order; another reads, so that a request that is cancelled before its turn is not worked on,
//! and so that documents are checked when nothing more is waiting: a burst of changes is one check.

mod answers;
mod convert;
mod documents;
mod transport;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use lsp_server::ErrorCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::convert::Converter;
use self::documents::{Document, Documents, Project, normal};
use self::transport::{Incoming, listen, write};
use crate::diagnostic::Diagnostic;
use crate::editor::lines::Encoding;
use crate::model::Settings;
use crate::pipeline::{self, Stage};

/// How long nothing must come before documents are checked.
const QUIET: Duration = Duration::from_millis(60);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client said `shutdown` and then `exit`, or closed the stream.
    Properly,
    /// The client went away without `shutdown`.
    Abruptly,
}

/// Serves the client at the other end of `input` and `output` until it goes away.
///
/// # Errors
/// If `output` takes no more.
pub fn serve(input: impl BufRead + Send + 'static, output: impl Write) -> io::Result<Ended> {
    let mut server = Server {
        output,
        incoming: listen(input),
        waiting: VecDeque::new(),
        cancelled: BTreeSet::new(),
        state: State::New,
        documents: Documents::default(),
        client: Client::default(),
        dirty: BTreeSet::new(),
        told: BTreeMap::new(),
    };
    server.run()
}

/// Where the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Running,
    ShutDown,
}

/// What the client can do.
#[derive(Clone, Copy, Debug, Default)]
struct Client {
    encoding: Encoding,
    /// Edits may name the version of the document they are of.
    versioned_edits: bool,
    /// Symbols may be nested.
    nested_symbols: bool,
    /// Names may be asked for before they are changed.
    related: bool,
}

/// What was found in one policy.
struct Told {
    /// For each of its files, what the editor shows there.
    files: Vec<(String, Vec<lsp_types::Diagnostic>)>,
    /// The findings themselves, for their fixes.
    findings: Vec<Diagnostic>,
}

/// A request that gets an error.
#[derive(Debug)]
struct Failure {
    code: ErrorCode,
    message: String,
}

impl Failure {
    fn params(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::InvalidParams, message: message.into() }
    }

    fn request(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::RequestFailed, message: message.into() }
    }
}

struct Server<W> {
    output: W,
    incoming: Receiver<Incoming>,
    waiting: VecDeque<Incoming>,
    /// Requests, by their ids as JSON, that the client wants no answer to any more.
    cancelled: BTreeSet<String>,
    state: State,
    documents: Documents,
    client: Client,
    /// Documents that have changed since they were checked.
    dirty: BTreeSet<String>,
    told: BTreeMap<Project, Told>,
}

impl<W: Write> Server<W> {
    fn run(&mut self) -> io::Result<Ended> {
        loop {
            let incoming = match self.next() {
                Some(incoming) => incoming,
                None => {
                    self.check()?;
                    continue;
                }
            };
            match incoming {
                Incoming::End => return Ok(self.ended()),
                Incoming::Bad(code, why) => self.fail(Value::Null, code, &why)?,
                Incoming::Message(message) => {
                    if message.get("method").and_then(Value::as_str) == Some("exit")
                        && message.get("id").is_none()
                    {
                        return Ok(self.ended());
                    }
                    self.message(message)?;
                }
            }
        }
    }

    fn ended(&self) -> Ended {
        if self.state == State::ShutDown { Ended::Properly } else { Ended::Abruptly }
    }

    /// The next message; `None` if it is time to check what has changed.
    fn next(&mut self) -> Option<Incoming> {
        while let Ok(incoming) = self.incoming.try_recv() {
            self.enqueue(incoming);
        }
        if let Some(incoming) = self.waiting.pop_front() {
            return Some(incoming);
        }
        if self.dirty.is_empty() {
            return Some(self.incoming.recv().unwrap_or(Incoming::End));
        }
        match self.incoming.recv_timeout(QUIET) {
            Ok(incoming) => Some(incoming),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Incoming::End),
        }
    }

    /// Puts `incoming` behind what is waiting; a cancellation goes before all of it.
    fn enqueue(&mut self, incoming: Incoming) {
        if let Incoming::Message(message) = &incoming
            && message.get("method").and_then(Value::as_str) == Some("$/cancelRequest")
            && let Some(id) = message.pointer("/params/id")
        {
            let asked = |other: &Incoming| matches!(other, Incoming::Message(other) if other.get("id") == Some(id) && other.get("method").is_some());
            if self.waiting.iter().any(asked) {
                self.cancelled.insert(id.to_string());
            }
            return;
        }
        self.waiting.push_back(incoming);
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        write(&mut self.output, message)
    }

    fn fail(&mut self, id: Value, code: ErrorCode, message: &str) -> io::Result<()> {
        let error = json!({"code": code as i32, "message": message});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
    }

    fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Says `text` to the person at the editor.
    fn show_error(&mut self, text: &str) -> io::Result<()> {
        self.notify("window/showMessage", json!({"type": 1, "message": text}))
    }

    fn message(&mut self, message: Value) -> io::Result<()> {
        let Value::Object(mut message) = message else {
            let why = "a message is an object; batches are not part of the protocol";
            return self.fail(Value::Null, ErrorCode::InvalidRequest, why);
        };
        let id = message.remove("id");
        if let Some(id) = &id
            && !(id.is_string() || id.is_i64() || id.is_u64())
        {
            return self.fail(Value::Null, ErrorCode::InvalidRequest, "an id is a whole number or a string");
        }
        let params = message.remove("params").unwrap_or(Value::Null);
        match (id, message.remove("method")) {
            (Some(id), Some(Value::String(method))) => self.request(id, &method, params),
            (None, Some(Value::String(method))) => self.notification(&method, params),
            // An answer to something: this server asks nothing.
            (Some(_), None) if message.contains_key("result") || message.contains_key("error") => Ok(()),
            (id, _) => {
                let why = "a message has a `method`, which is a string";
                self.fail(id.unwrap_or(Value::Null), ErrorCode::InvalidRequest, why)
            }
        }
    }

    fn request(&mut self, id: Value, method: &str, params: Value) -> io::Result<()> {
        if self.cancelled.remove(&id.to_string()) {
            return self.fail(id, ErrorCode::RequestCanceled, "cancelled");
        }
        let answer = match (self.state, method) {
            (State::New, "initialize") => self.initialize(params),
            (State::New, _) => Err(Failure {
                code: ErrorCode::ServerNotInitialized,
                message: "`initialize` comes first".to_owned(),
            }),
            (State::Running, "initialize") => Err(Failure {
                code: ErrorCode::InvalidRequest,
                message: "`initialize` comes once".to_owned(),
            }),
            (State::Running, "shutdown") => {
                self.state = State::ShutDown;
                Ok(Value::Null)
            }
            (State::Running, _) => self.answer(method, params),
            (State::ShutDown, _) => Err(Failure {
                code: ErrorCode::InvalidRequest,
                message: "after `shutdown` only `exit` may come".to_owned(),
            }),
        };
        match answer {
            Ok(result) => self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result})),
            Err(failure) => self.fail(id, failure.code, &failure.message),
        }
    }

    fn initialize(&mut self, params: Value) -> Result<Value, Failure> {
        let params: lsp_types::InitializeParams = read(params)?;
        let general = params.capabilities.general.unwrap_or_default();
        let offered = general.position_encodings.unwrap_or_default();
        let (encoding, name) = if offered.contains(&lsp_types::PositionEncodingKind::UTF8) {
            (Encoding::Utf8, "utf-8")
        } else {
            (Encoding::Utf16, "utf-16")
        };
        let text = params.capabilities.text_document.unwrap_or_default();
        let edits = params.capabilities.workspace.and_then(|workspace| workspace.workspace_edit);
        self.client = Client {
            encoding,
            versioned_edits: edits.and_then(|edits| edits.document_changes).unwrap_or(false),
            nested_symbols: text
                .document_symbol
                .and_then(|symbols| symbols.hierarchical_document_symbol_support)
                .unwrap_or(false),
            related: text
                .publish_diagnostics
                .and_then(|diagnostics| diagnostics.related_information)
                .unwrap_or(false),
        };
        self.documents.model = params
            .initialization_options
            .as_ref()
            .and_then(|options| options.pointer("/boesfsc/model").or_else(|| options.get("model")))
            .and_then(Value::as_str)
            .map(Into::into);
        self.state = State::Running;
        Ok(json!({
            "serverInfo": {"name": "boesfsc", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "positionEncoding": name,
                "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
                "hoverProvider": true,
                "completionProvider": {"triggerCharacters": [".", "@", ",", "[", "=", "\"", " "]},
                "definitionProvider": true,
                "referencesProvider": true,
                "documentHighlightProvider": true,
                "renameProvider": {"prepareProvider": true},
                "documentSymbolProvider": true,
                "documentFormattingProvider": true,
                "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll.boesfsc"]},
                "semanticTokensProvider": {
                    "legend": {"tokenTypes": convert::TOKEN_TYPES, "tokenModifiers": ["definition"]},
                    "full": true,
                },
            },
        }))
    }

    fn notification(&mut self, method: &str, params: Value) -> io::Result<()> {
        if self.state != State::Running {
            // There is no answer to a notification; these are dropped, as the protocol says.
            return Ok(());
        }
        let result = match method {
            "textDocument/didOpen" => self.opened(params),
            "textDocument/didChange" => self.changed(params),
            "textDocument/didClose" => match self.closed(params) {
                Ok(projects) => {
                    for project in projects {
                        self.clear(&project)?;
                    }
                    Ok(())
                }
                Err(failure) => Err(failure),
            },
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                self.dirty.extend(self.documents.open.keys().cloned());
                Ok(())
            }
            // Nothing is asked of a server that does not know a notification.
            _ => Ok(()),
        };
        match result {
            Ok(()) => Ok(()),
            Err(failure) => self.show_error(&format!("{method}: {}", failure.message)),
        }
    }

    fn opened(&mut self, params: Value) -> Result<(), Failure> {
        let params: lsp_types::DidOpenTextDocumentParams = read(params)?;
        let uri = normal(params.text_document.uri.as_str());
        let document = Document::new(&uri, params.text_document.version, params.text_document.text);
        self.documents.open.insert(uri.clone(), document);
        self.dirty.insert(uri);
        Ok(())
    }

    fn changed(&mut self, params: Value) -> Result<(), Failure> {
        let params: lsp_types::DidChangeTextDocumentParams = read(params)?;
        let uri = normal(params.text_document.uri.as_str());
        let document = self
            .documents
            .open
            .get_mut(&uri)
            .ok_or_else(|| Failure::params(format!("`{uri}` is not open")))?;
        document.version = params.text_document.version;
        let mut fits = true;
        for change in params.content_changes {
            fits &= document.change(change, self.client.encoding);
        }
        self.dirty.insert(uri.clone());
        if fits {
            Ok(())
        } else {
            Err(Failure::params(format!(
                "a change of `{uri}` lies outside of its text: open it again, or send it whole"
            )))
        }
    }

    fn closed(&mut self, params: Value) -> Result<Vec<Project>, Failure> {
        let params: lsp_types::DidCloseTextDocumentParams = read(params)?;
        let uri = normal(params.text_document.uri.as_str());
        if self.documents.open.remove(&uri).is_none() {
            return Err(Failure::params(format!("`{uri}` is not open")));
        }
        self.dirty.remove(&uri);
        let part = |project: &&Project| project.files().contains(&Some(uri.as_str()));
        let projects: Vec<Project> = self.told.keys().filter(part).cloned().collect();
        // What is still open of them is checked anew, with the file as it is on disk.
        for other in projects.iter().flat_map(Project::files).flatten() {
            if self.documents.open.contains_key(other) {
                self.dirty.insert(other.to_owned());
            }
        }
        Ok(projects)
    }

    /// Checks every policy that a changed document is part of, and says what was found.
    fn check(&mut self) -> io::Result<()> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut projects: BTreeSet<Project> = BTreeSet::new();
        for uri in &dirty {
            projects.extend(self.documents.projects(uri));
        }
        // A text that was one policy may have become part of another.
        let stale: Vec<Project> = self
            .told
            .keys()
            .filter(|project| !projects.contains(*project))
            .filter(|project| project.files().into_iter().flatten().any(|file| dirty.contains(file)))
            .cloned()
            .collect();
        for project in stale {
            if project
                .files()
                .into_iter()
                .flatten()
                .any(|file| self.documents.projects(file).contains(&project))
            {
                projects.insert(project);
            } else {
                self.clear(&project)?;
            }
        }
        for project in projects {
            let lost = |uri: &str| self.documents.open.get(uri).is_some_and(|document| document.lost);
            if project.files().into_iter().flatten().any(lost) {
                self.clear(&project)?;
            } else {
                self.check_project(&project)?;
            }
        }
        Ok(())
    }

    fn check_project(&mut self, project: &Project) -> io::Result<()> {
        let settings = match self.documents.settings(project) {
            Ok(settings) => settings,
            Err(error) => {
                self.show_error(&error.to_string())?;
                Settings::default()
            }
        };
        let sources = self.documents.sources(project);
        let outcome = pipeline::run(sources, &settings, &pipeline::Limits::default(), Stage::LAST);
        let converter = Converter::new(&outcome.tree.sources, project, &self.documents, self.client);
        let mut files: Vec<(String, Vec<lsp_types::Diagnostic>)> =
            project.files().into_iter().flatten().map(|uri| (uri.to_owned(), Vec::new())).collect();
        for finding in &outcome.diagnostics {
            let Some(uri) = converter.uri(finding.span()) else { continue };
            if let Some((_, list)) = files.iter_mut().find(|(other, _)| other == uri) {
                list.push(converter.diagnostic(finding));
            }
        }
        self.told.insert(project.clone(), Told { files, findings: outcome.diagnostics });
        for uri in project.files().into_iter().flatten() {
            self.publish(uri)?;
        }
        Ok(())
    }

    /// Takes back what was said of `project`.
    fn clear(&mut self, project: &Project) -> io::Result<()> {
        self.told.remove(project);
        for uri in project.files().into_iter().flatten() {
            self.publish(uri)?;
        }
        Ok(())
    }

    /// Says what is known of `uri`, by every policy it is part of.
    fn publish(&mut self, uri: &str) -> io::Result<()> {
        let mut all: Vec<lsp_types::Diagnostic> = Vec::new();
        for (_, list) in self.told.values().flat_map(|told| &told.files).filter(|(file, _)| file == uri) {
            for diagnostic in list {
                if !all.contains(diagnostic) {
                    all.push(diagnostic.clone());
                }
            }
        }
        let version = self.documents.open.get(uri).map(|document| document.version);
        let mut params = json!({"uri": uri, "diagnostics": all});
        if let (Some(version), Some(params)) = (version, params.as_object_mut()) {
            params.insert("version".to_owned(), version.into());
        }
        self.notify("textDocument/publishDiagnostics", params)
    }
}

/// `params` as the type a method wants.
fn read<T: DeserializeOwned>(params: Value) -> Result<T, Failure> {
    serde_json::from_value(params)
        .map_err(|error| Failure::params(format!("the parameters do not fit: {error}")))
}
