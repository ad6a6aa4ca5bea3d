"use strict";
// The page works without scripts but for three things: filter and order, the waveforms, "copy".

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- filter and order ----------------------------------------------------------------

function filter() {
  const find = document.getElementById("find");
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const statuses = new Set(all("input[name=status]:checked").map((box) => box.value));
  const fits = (element) => statuses.has(element.dataset.status)
    && words.every((word) => element.dataset.text.includes(word));
  const rows = all(".all tbody tr");
  for (const element of [...rows, ...all(".scenario")]) element.hidden = !fits(element);
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  document.querySelector("#scenarios .none").hidden = shown > 0;
}

function only(status) {
  for (const box of all("input[name=status]")) box.checked = box.value === status;
  filter();
  document.getElementById("all").scrollIntoView();
}

function order(head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const column = [...head.parentNode.children].indexOf(head);
  const key = (row) => row.children[column].dataset.sort;
  const numbers = head.matches(".n, :first-child");
  const body = document.querySelector(".all tbody");
  const rows = [...body.children].sort((one, other) => numbers
    ? Number(key(one)) - Number(key(other))
    : key(one).localeCompare(key(other), undefined, { numeric: true }));
  body.append(...(down ? rows.reverse() : rows));
}

function opened() {
  // A link to a folded scenario opens it.
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
}

function copy(button) {
  const text = button.parentNode.querySelector("code").textContent;
  const done = () => { button.textContent = "copied"; };
  const select = () => getSelection().selectAllChildren(button.parentNode.querySelector("code"));
  // A page from file:// may not be allowed to; then the command is selected for Ctrl+C.
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, select);
  else select();
}

// --- what is drawn when, and who listens to what ---------------------------------------

// A chart is drawn when it is first looked at: a hundred at once would keep the page waiting.
const waiting = new Set(all(".waves"));

function chart(host) {
  if (!waiting.delete(host)) return;
  watch.unobserve(host);
  new Chart(host, JSON.parse(host.querySelector("script").textContent));
}

const watch = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) if (isIntersecting) chart(target);
}, { rootMargin: "600px" });

waiting.forEach((host) => watch.observe(host));
addEventListener("beforeprint", () => {
  for (const host of [...waiting]) if (host.closest("details").open) chart(host);
});
addEventListener("hashchange", opened);
for (const head of all(".all thead th")) head.querySelector("button").addEventListener("click", () => order(head));
for (const box of all(".filter input")) box.addEventListener("input", filter);
for (const tile of all("[data-only]")) tile.addEventListener("click", () => only(tile.dataset.only));
for (const button of all(".copy")) button.addEventListener("click", () => copy(button));
for (const link of all("a[href^='#']")) link.addEventListener("click", () => setTimeout(opened));
opened();
