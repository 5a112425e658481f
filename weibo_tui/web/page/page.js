// The page around textual.js, which draws the terminal with xterm.js and offers no hooks of its own.
"use strict";

const NARROW = 700; // pixels, below which the letters are smaller so that a phone shows enough columns
const TITLE = /^\x1b\]2;([^\x07\x1b]*)(?:\x07|\x1b\\)$/;
const MAX_TITLE = 1000; // bytes of a message that may be a title

const terminal = document.getElementById("terminal");
const closed = document.getElementById("closed");
let reason = closed.dataset.lost;
let isOpen = false;

// ---- the session

// The only way to see the messages of textual.js: the server's own ones, and the title of the terminal's window.
window.WebSocket = class extends WebSocket {
  constructor(...values) {
    super(...values);
    this.addEventListener("open", () => {
      isOpen = true;
      focusTerminal();
    });
    this.addEventListener("message", (event) => readMessage(event.data));
    this.addEventListener("close", () => {
      isOpen = false;
      document.getElementById("reason").textContent = reason;
      document.body.classList.add("-closed"); // as textual.js does later, but what is hidden gets no focus
      document.getElementById("again").focus();
    });
  }

  send(data) {
    if (this.readyState === WebSocket.OPEN) super.send(data); // otherwise, keys after the end are errors
  }
};

function readMessage(data) {
  if (typeof data === "string") {
    const [kind, text] = JSON.parse(data);
    if (kind === "ended") reason = text || closed.dataset.ended;
  } else if (data.byteLength < MAX_TITLE) {
    const title = TITLE.exec(new TextDecoder().decode(data));
    if (title) document.title = title[1];
  }
}

// Closing or reloading the page ends the session, so the browser asks first.
window.addEventListener("beforeunload", (event) => {
  if (isOpen) event.preventDefault();
});
document.getElementById("again").addEventListener("click", () => location.reload());

// ---- keys

// Before xterm.js, which takes all keys that a terminal has. Ctrl+V is left to the browser, whose clipboard it pastes.
// In full screen, a browser with a keyboard lock leaves the app the keys that it keeps for itself otherwise.
window.addEventListener(
  "keydown",
  (event) => {
    const isControl = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (isControl && event.code === "KeyV") event.stopPropagation();
    if (event.key === "F11") {
      event.preventDefault();
      event.stopPropagation();
      toggleFullScreen();
    }
  },
  true,
);

async function toggleFullScreen() {
  if (document.fullscreenElement) return document.exitFullscreen();
  await document.documentElement.requestFullscreen();
  await navigator.keyboard?.lock();
}

function focusTerminal() {
  if (!document.body.classList.contains("-closed")) terminal.querySelector("textarea")?.focus();
}
window.addEventListener("focus", focusTerminal);

// Browsers have no clipboard for pages without encryption of another machine, but a command for what is selected.
if (!navigator.clipboard) {
  const writeText = async (text) => {
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
    focusTerminal();
  };
  Object.defineProperty(navigator, "clipboard", { value: { writeText, readText: async () => "" } });
}

// ---- start

async function start() {
  const page = new URL(location.href);
  page.searchParams.delete("token"); // the cookie replaces it, and an address bar is seen and copied
  history.replaceState(null, "", page);
  terminal.dataset.sessionWebsocketUrl = new URL("ws", page).href.replace(/^http/, "ws");
  terminal.dataset.fontSize = page.searchParams.get("fontsize") ?? (innerWidth < NARROW ? 12 : 16);
  // xterm.js measures the font once, so it must be there by then.
  await Promise.allSettled(["", "bold "].map((style) => document.fonts.load(`${style}16px "Roboto Mono"`, "W中")));
  const script = document.createElement("script");
  script.src = "static/js/textual.js";
  script.addEventListener("load", () => {
    const open = window.onload;
    window.onload = null; // the page may not be loaded yet, and would open a second terminal
    open();
  });
  document.body.append(script);
}

start();
