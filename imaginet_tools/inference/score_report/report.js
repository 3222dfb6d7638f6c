"use strict";
// Texts of strangers (names, metadata) are only ever set as text, never as HTML.
const pictures = JSON.parse(document.getElementById("details").textContent);
const list = document.getElementById("cards"), filters = document.getElementById("filters"), dialog = document.getElementById("one");
const cards = Array.from(list.children);
// On a page that holds its images, they become elements when their card comes near: thousands at once would keep the browser for seconds.
const images = JSON.parse(document.getElementById("images").textContent);

function fillFrame(index) {
  const [thumbnail, overlay] = images[index] || [];
  images[index] = null;
  if (!thumbnail) return;
  cards[index].querySelector(".frame").append(...[thumbnail, overlay].filter(Boolean).map((source, layer) => {
    const image = document.createElement("img");
    image.alt = "";
    image.className = layer ? "heat" : "";
    image.src = source;
    return image;
  }));
}

const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (!entry.isIntersecting) return;
  near.unobserve(entry.target);
  fillFrame(cards.indexOf(entry.target));
}), { rootMargin: "600px" });

function wanted(picture, values) {
  const low = values.low === "" ? -1 : Number(values.low), high = values.high === "" ? 2 : Number(values.high);
  const score = picture.probability;
  return (!values.folder || picture.folder === values.folder) && (!values.outcome || picture.outcome === values.outcome)
    && (!values.text || picture.name.toLowerCase().includes(values.text.toLowerCase()))
    && (score === null ? values.low === "" && values.high === "" : score >= low && score <= high);
}

function show() {
  const values = Object.fromEntries(new FormData(filters));
  let count = 0;
  cards.forEach((card, index) => {
    card.hidden = !wanted(pictures[index], values);
    count += !card.hidden;
  });
  const order = cards.map((card, index) => index);
  const last = (index) => pictures[index].probability === null;
  if (values.order === "up") order.sort((a, b) => last(a) - last(b) || pictures[a].probability - pictures[b].probability);
  if (values.order === "name") order.sort((a, b) => (pictures[a].name < pictures[b].name ? -1 : 1));
  if (list.dataset.order !== values.order) list.append(...order.map((index) => cards[index]));
  list.dataset.order = values.order;
  document.getElementById("count").textContent = `${count} of ${cards.length} pictures`;
}

function fill(element, pairs) {
  element.replaceChildren(...pairs.filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    return [term, text];
  }));
}

function open() {
  const found = location.hash.match(/^#picture-(\d+)$/);
  const index = found ? Number(found[1]) : -1;
  if (!(index in pictures)) {
    if (dialog.open) dialog.close();
    return;
  }
  const picture = pictures[index], frame = dialog.querySelector(".frame");
  fillFrame(index);
  document.getElementById("one-name").textContent = picture.name;
  const shown = Array.from(cards[index].querySelectorAll("img"));
  frame.replaceChildren(...shown.map((image, layers) => {  // the picture, and beside it the picture under its heat map
    const stack = document.createElement("span");
    stack.className = "stack";
    stack.append(...shown.slice(0, layers + 1).map((each) => each.cloneNode()));
    return stack;
  }));
  fill(document.getElementById("one-facts"), [
    ["score", picture.probability === null ? null : picture.probability.toFixed(4)], ["outcome", picture.outcome],
    ["called, whatever the doubt", picture.label], ["family, if synthetic", picture.family], ["generator, if synthetic", picture.generator],
    ["notes", picture.notes.join("; ")], ["why there is no score", picture.error],
    ["strongest regions", picture.regions.map(([left, top, right, bottom, score]) => `${left}, ${top} to ${right}, ${bottom}: ${score}`).join("; ")],
    ["SHA-256 of the file", picture.sha256], ["bytes", picture.size === null ? null : String(picture.size)],
  ]);
  const stated = picture.entries.map((entry) => [`${entry.kind}, ${entry.where}`, `${entry.states} — ${entry.worth}`]);
  fill(document.getElementById("one-provenance"), stated.length ? stated : [["nothing", picture.nothing || "it could not be read"]]);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

filters.addEventListener("input", show);
filters.addEventListener("reset", () => setTimeout(show));
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", open);
window.addEventListener("beforeprint", () => { if (!dialog.open) cards.forEach((card, index) => fillFrame(index)); });
document.getElementById("print").addEventListener("click", () => window.print());
dialog.addEventListener("close", () => { if (location.hash) history.pushState(null, "", location.pathname + location.search); });
list.dataset.order = "down";
if (images.length) cards.forEach((card) => near.observe(card));
open();
