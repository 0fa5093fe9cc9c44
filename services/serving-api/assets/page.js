// Keeps the page up to date: on a live event, its live parts are fetched again and exchanged.
// Without this script, or when the connection is lost, the page is what it was when it was loaded.
"use strict";
(() => {
  const link = document.getElementById("link");
  let timer = null;
  let busy = false;

  async function refresh() {
    timer = null;
    if (busy) return later(1000);
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        // What holds the focus is left alone until it is let go.
        if (next && part.innerHTML !== next.innerHTML && !part.contains(document.activeElement)) {
          part.replaceChildren(...next.childNodes);
        }
      }
    } catch {
      // The next event tries again.
    } finally {
      busy = false;
    }
  }

  function later(wait) {
    if (timer === null && !document.hidden) timer = setTimeout(refresh, wait);
  }

  if (!("EventSource" in window)) return;
  const events = new EventSource("/api/v1/events");
  events.onopen = () => { link.textContent = "Live"; later(0); };
  events.onerror = () => { link.textContent = "Not live: the connection was lost, trying again"; };
  for (const kind of ["incident", "lagged"]) events.addEventListener(kind, () => later(250));
  events.addEventListener("status", () => later(2000));
  document.addEventListener("visibilitychange", () => later(0));
  addEventListener("pagehide", () => events.close());
})();
