//! A browser, driven over the DevTools protocol: JSON messages, each ended by a zero byte, over two pipes.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

/// Longest wait for an answer. A browser on a busy machine takes seconds to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// One page of a browser of its own, with everything it complained about and asked for.
pub struct Page {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    n_calls: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// The browser to test with: the one that `SPECTRANK_BROWSER` names, or a Chromium that is installed.
///
/// Without one the tests say so and pass, unless `SPECTRANK_REQUIRE_BROWSER` is set.
pub fn browser() -> Option<String> {
    let named = std::env::var("SPECTRANK_BROWSER").ok();
    let known = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map(str::to_owned);
    let candidates = named.map_or_else(|| known.to_vec(), |named| vec![named]);
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|ran| ran.status.success());
    let found = candidates.iter().find(|name| runs(name)).cloned();
    if found.is_none() {
        let message = format!("no browser ({}): install chromium or set SPECTRANK_BROWSER", candidates.join(", "));
        assert!(std::env::var_os("SPECTRANK_REQUIRE_BROWSER").is_none(), "{message}");
        eprintln!("SKIPPED: {message}");
    }
    found
}

impl Page {
    /// Starts a browser with an empty page.
    pub fn open(browser: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser speaks on descriptors 3 and 4; a shell puts the pipes there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", browser])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            .args(["--disable-component-update", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, mut out) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut page = Self { child, to, from, n_calls: 0, session: None, events: Vec::new(), _profile: profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = page.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        page.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    /// Sends a command and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.n_calls += 1;
        let mut message = json!({ "id": self.n_calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            let answer = self.from.recv_timeout(wait).unwrap_or_else(|e| panic!("{method}: no answer: {e}"));
            if answer["id"] == self.n_calls {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Evaluates an expression (a promise is waited for) and gives its value.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let found = self.call("Runtime.evaluate", params);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {}", found["exceptionDetails"]);
        found["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.eval(expression) != Value::Bool(true) {
            let complaints = self.complaints();
            assert!(Instant::now() < deadline, "{expression} does not come true: {complaints:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Loads a report, and waits until its charts are drawn.
    pub fn load(&mut self, path: &Path) {
        let url = format!("file://{}", path.display());
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{answer}");
        self.wait_for(&format!("location.href === {} && document.readyState === 'complete'", json!(url)));
        self.wait_for("document.documentElement.dataset.drawn !== undefined");
    }

    /// Width and height of the window in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let is_phone = width < 600;
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", params);
        self.wait_for(&format!("innerWidth === {width}"));
        // The page draws anew in the handler of the event, which comes with the next frame.
        self.settle();
    }

    /// What the reader's system prefers.
    pub fn prefer(&mut self, feature: &str, value: &str) {
        let features = json!([{ "name": feature, "value": value }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        self.settle();
    }

    fn settle(&mut self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// Presses a key as a person would.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Space" => (32, " "),
            other => panic!("no such key here: {other}"),
        };
        let name = if key == "Space" { " " } else { key };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [down, "keyUp"] {
            let mut event = json!({ "type": kind, "key": name, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
        self.settle();
    }

    /// Moves the pointer to a point of the window.
    pub fn point_at(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
        self.settle();
    }

    /// Errors and warnings of the console, uncaught exceptions, refused scripts, dialogs.
    pub fn complaints(&self) -> Vec<String> {
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
            Some("Runtime.consoleAPICalled") => matches!(event["params"]["type"].as_str(), Some("error" | "warning")),
            Some("Log.entryAdded") => {
                matches!(event["params"]["entry"]["level"].as_str(), Some("error" | "warning"))
            }
            _ => false,
        };
        self.events.iter().filter(is_complaint).map(Value::to_string).collect()
    }

    /// Addresses that the page asked for, data inside it left out.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = sent.filter_map(|event| event["params"]["request"]["url"].as_str());
        urls.filter(|url| !url.starts_with("data:")).map(str::to_owned).collect()
    }

    /// Saves the whole page as a picture, where `SPECTRANK_SCREENSHOTS` names a folder for it.
    pub fn screenshot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("SPECTRANK_SCREENSHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Page {
    /// Saves one element as a picture.
    pub fn picture(&mut self, selector: &str, path: &Path) {
        let place = format!("document.querySelector({})", json!(selector));
        let frame = self.eval(&format!(
            "(() => {{ const b = {place}.getBoundingClientRect(); \
             return {{ x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1 }}; }})()"
        ));
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": frame }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser closes when asked; the child is waited for, so that its profile can go.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && !matches!(self.child.try_wait(), Ok(Some(_))) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
