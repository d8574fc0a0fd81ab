"""The page that people see at `/`: what this is, what to paste where, and whether it is reached.

It is static, and its own script and style are all that a browser may load for it. The preflight
function serves it, too, so it needs no library.
"""

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
.copy { display: flex; gap: .5rem; align-items: start; }
code { flex: 1; padding: .4rem .6rem; border: 1px solid #8886; border-radius: 4px;
  overflow-wrap: anywhere; font-size: .9rem; }
button { padding: .4rem .8rem; font: inherit; cursor: pointer; }
li.yes::marker { content: "\\2713\\20"; color: #080; }
li.no::marker { content: "\\2717\\20"; color: #c00; }
"""

_SCRIPT = """
"use strict";
const endpoint = location.origin + location.pathname.replace(/[/]+$/, "");
for (const each of document.querySelectorAll("code")) {
  each.textContent = each.textContent.replaceAll("ENDPOINT", endpoint);
}
for (const button of document.querySelectorAll("button")) {
  const code = button.previousElementSibling;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  });
}
function say(id, good, text) {
  const line = document.getElementById(id);
  line.className = good === null ? "" : good ? "yes" : "no";
  line.textContent = text;
}
async function reach() {
  const answer = await fetch(endpoint + "/healthz?ready=1", { cache: "no-store" });
  const parts = await answer.json();
  say("reached", true, "This browser reaches the server.");
  const missing = Object.keys(parts).filter((name) => parts[name] === false);
  say("ready", answer.ok, answer.ok ? "The server is ready."
    : "The server is not ready. It lacks: " + missing.join(", ") + ". Its log says why.");
}
async function ask() {
  const answer = await fetch(endpoint + "/decode", { method: "OPTIONS", cache: "no-store" });
  const allowed = answer.headers.get("access-control-allow-origin") === location.origin;
  say("cors", allowed || null, "CORS: pages of " + location.origin + (allowed ? " may call it."
    : " may not call it. That is right unless a Web UI runs there: then add it to CODEC_ORIGINS."));
}
reach().catch(() => say("reached", false, "This browser does not reach the server."));
ask().catch(() => say("cors", false, "CORS: this browser gets no answer to a preflight."));
"""

_BODY = """<h1>Codec Server</h1>
<p>This server decrypts the payloads of Temporal workflows for people who may read them.
The Temporal Service itself has ciphertext only.</p>
<h2>Endpoint</h2>
<div class="copy"><code id="endpoint">ENDPOINT</code><button>Copy</button></div>
<p>In the Web UI, click the glasses icon at the top, choose <em>Use my browser setting</em>, and
paste it as the Codec Server browser endpoint. If the server requires a token, turn on
<em>Pass access token</em>.</p>
<h2>Command line</h2>
<div class="copy"><code>temporal workflow show --workflow-id WORKFLOW_ID \
--codec-endpoint ENDPOINT</code><button>Copy</button></div>
<p>If the server requires a token, put it into <code>TEMPORAL_CODEC_AUTH</code>, as
<em>Bearer TOKEN</em>: other users of your machine see what a command's arguments are.</p>
<h2>From this browser</h2>
<ul>
<li id="reached">Checking whether this browser reaches the server.</li>
<li id="ready">Checking whether the server is ready.</li>
<li id="cors">Checking which pages may call it.</li>
</ul>
<p>The Web UI has another origin. To check it, open the Web UI, and run this in the browser's
console. Status 200 or 401 means that CORS works.</p>
<div class="copy"><code>fetch("ENDPOINT/decode", {method: "POST", body: '{"payloads":[]}', \
headers: {"content-type": "application/json", "x-namespace": "default"}})\
.then((answer) =&gt; console.log(answer.status))</code><button>Copy</button></div>
<noscript><p>Without JavaScript: ENDPOINT stands for this page's address.</p></noscript>
"""

PAGE = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n<title>Codec Server</title>\n'
    f"<style>{_STYLE}</style>\n</head>\n<body>\n{_BODY}<script>{_SCRIPT}</script>\n</body>\n</html>\n"
)


def headers() -> dict[str, str]:
    """The page's headers; the policy allows this script, this style and this server alone."""
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": (
            f"default-src 'none'; script-src '{_hash(_SCRIPT)}'; style-src '{_hash(_STYLE)}'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "referrer-policy": "no-referrer",
    }


def _hash(text: str) -> str:
    # A preflight needs neither.
    from base64 import b64encode  # noqa: PLC0415
    from hashlib import sha256  # noqa: PLC0415

    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
