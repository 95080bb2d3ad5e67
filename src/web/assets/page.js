// Keeps what is marked data-live fresh. Everything works without this file.
(() => {
  const EVERY_MS = 5000;
  const again = () => setTimeout(look, EVERY_MS);
  async function look() {
    const parts = [...document.querySelectorAll("[data-live]")].filter((part) => part.id);
    if (document.hidden || parts.length === 0) return again();
    try {
      const answer = await fetch(location.href, { headers: { "x-live": "1" }, cache: "no-store" });
      if (answer.status === 401) return location.reload();
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts) {
          const next = fresh.getElementById(part.id);
          // Nobody's place is taken away: what is open, chosen or being typed stays.
          const used = part.contains(document.activeElement) || part.querySelector("details[open]");
          if (next && !used && next.innerHTML !== part.innerHTML) part.replaceWith(next);
        }
      }
    } catch {
      // The server is away for a moment; the page stays as it was.
    }
    again();
  }
  again();
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
})();
