// Drives Chromium through a story of the page. What the story is stands in
// tests/suite/browser.rs; here is only how one clicks, types and looks.
//
//   node drive.cjs NPM-FOLDER CHROMIUM < story.json
//
// A story: { url, user, password, scheme, phone, steps: [[verb, ...words]] }. Prints a JSON
// object: what each `axe`, `text` and `count` step found, and everything that went wrong on
// the way (scripts that ran, errors of the console, requests to elsewhere).
const { execFileSync } = require("child_process");
const fs = require("fs");
const [folder, chromium_path] = process.argv.slice(2);
const { chromium } = require(`${folder}/node_modules/playwright-core`);
const axe = fs.readFileSync(`${folder}/node_modules/axe-core/axe.min.js`, "utf8");

async function main() {
  const story = JSON.parse(fs.readFileSync(0, "utf8"));
  const browser = await chromium.launch({ executablePath: chromium_path, args: ["--no-sandbox"] });
  const context = await browser.newContext({
    colorScheme: story.scheme || "light",
    viewport: story.phone ? { width: 390, height: 844 } : { width: 1280, height: 900 },
    deviceScaleFactor: story.phone ? 2 : 1,
    javaScriptEnabled: story.script !== false,
    // axe is put into the page by the driver, past the policy that the page itself has.
    bypassCSP: story.steps.some((step) => step[0] === "axe"),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const found = [];
  const wrong = [];
  page.on("dialog", async (dialog) => { wrong.push(`a script ran: ${dialog.message()}`); await dialog.dismiss(); });
  page.on("pageerror", (err) => wrong.push(`error: ${err.message}`));
  page.on("console", (told) => {
    const refused = story.refused && /status of (40[0-9]|409|413|429)/.test(told.text());
    if (told.type() === "error" && !refused) wrong.push(`console: ${told.text()}`);
  });
  page.on("request", (asked) => { if (!asked.url().startsWith(story.url)) wrong.push(`asked for ${asked.url()}`); });
  const verbs = {
    go: (path) => page.goto(story.url + path),
    fill: (label, value) => page.getByLabel(label, { exact: true }).first().fill(value),
    check: (label) => page.getByLabel(label, { exact: true }).first().check(),
    choose: (label, value) => page.getByLabel(label, { exact: true }).first().selectOption(value),
    click: (name) => page.getByRole("button", { name, exact: true }).first().click(),
    follow: (name) => page.getByRole("link", { name, exact: true }).first().click(),
    open: (name) => page.getByText(name, { exact: false }).first().click(),
    files: (label, ...paths) => page.getByLabel(label).first().setInputFiles(paths),
    key: (name) => page.keyboard.press(name),
    type: (text) => page.keyboard.type(text),
    sees: (text) => page.getByText(text, { exact: false }).first().waitFor(),
    at: async (path) => { await page.waitForURL(story.url + path); },
    text: async (selector) => found.push(await page.locator(selector).first().innerText()),
    count: async (selector) => found.push(await page.locator(selector).count()),
    run: (program, ...words) => execFileSync(program, words),
    picture: (path) => page.screenshot({ path, fullPage: true }),
    wide: async () => found.push(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)),
    axe: async (name) => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const one of violations) {
        const nodes = one.nodes.map((node) => node.html.slice(0, 160) + " " + node.failureSummary.replace(/\s+/g, " ").slice(0, 200));
        found.push(`${name}: ${one.id}: ${nodes.slice(0, 3).join(" | ")}`);
      }
    },
  };
  if (story.user) {
    story.steps.unshift(["go", "/sign-in"], ["fill", "Name", story.user], ["fill", "Password", story.password],
      ["click", "Sign in"], ["at", "/"]);
  }
  for (const [verb, ...words] of story.steps) {
    try {
      await verbs[verb](...words);
    } catch (err) {
      const shown = (await page.locator("body").innerText().catch(() => "")).slice(0, 600);
      throw new Error(`${verb} ${words.join(", ")} at ${page.url()}: ${err.message.split("\n")[0]}\n${shown}`);
    }
  }
  await browser.close();
  console.log(JSON.stringify({ found, wrong }));
}

main().catch((err) => { console.error(err.message); process.exit(1); });
