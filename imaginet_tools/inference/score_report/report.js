"use strict";
// Texts of strangers (names, metadata) are only ever set as text; the HTML of cards was escaped when the page was written.
const pictures = JSON.parse(document.getElementById("details").textContent);
const list = document.getElementById("cards"), filters = document.getElementById("filters"), dialog = document.getElementById("one");
// What is not seen at first would keep the browser for seconds: cards wait as texts (noscript, which a browser without scripts shows) until
// there is nothing else to do, or all are asked for, and images wait in blocks, the last of which come after this script.
const cards = Array.from(list.children), waiting = Array.from(document.querySelectorAll("noscript.cards"));
const together = Number(list.dataset.together), blocks = [];

function addCards() {
  const text = waiting.shift(), made = document.createElement("template");
  made.innerHTML = text.textContent;
  const added = Array.from(made.content.querySelectorAll(".card"));
  text.remove();
  list.append(...added);
  cards.push(...added);
  added.forEach((card) => near.observe(card));
}

function addCardsWhenIdle() {
  const wait = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  if (waiting.length) wait(() => { if (waiting.length) addCards(); addCardsWhenIdle(); });
}

function addAll() {
  while (waiting.length) addCards();
}

function takeImages(index) {
  const number = Math.floor(index / together);
  const block = blocks[number] || document.querySelectorAll("script.images")[number];
  if (!block) return null;
  blocks[number] = Array.isArray(block) ? block : JSON.parse(block.textContent);
  const found = blocks[number][index % together] || [];
  blocks[number][index % together] = null;
  return found.filter(Boolean);
}

function fillFrame(index) {
  const sources = takeImages(index);  // null where their block is still on its way, or images are files beside the page
  if (!sources && document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => fillFrame(index));
  cards[index].querySelector(".frame").append(...(sources || []).map((source, layer) => {
    const image = document.createElement("img");
    image.alt = "";
    image.className = layer ? "heat" : "";
    image.decoding = "async";
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
  addAll();
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

function fillPairs(element, pairs) {
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
  while (!(index in cards)) addCards();
  fillFrame(index);
  document.getElementById("one-name").textContent = picture.name;
  const shown = Array.from(cards[index].querySelectorAll("img"));
  frame.replaceChildren(...shown.map((image, layers) => {  // the picture, and beside it the picture under its heat map
    const stack = document.createElement("span");
    stack.className = "stack";
    stack.append(...shown.slice(0, layers + 1).map((each) => each.cloneNode()));
    return stack;
  }));
  fillPairs(document.getElementById("one-facts"), [
    ["score", picture.probability === null ? null : picture.probability.toFixed(4)], ["outcome", picture.outcome],
    ["called, whatever the doubt", picture.label], ["family, if synthetic", picture.family], ["generator, if synthetic", picture.generator],
    ["notes", picture.notes.join("; ")], ["why there is no score", picture.error],
    ["strongest regions", picture.regions.map(([left, top, right, bottom, score]) => `${left}, ${top} to ${right}, ${bottom}: ${score}`).join("; ")],
    ["SHA-256 of the file", picture.sha256], ["bytes", picture.size === null ? null : String(picture.size)],
  ]);
  const stated = picture.entries.map((entry) => [`${entry.kind}, ${entry.where}`, `${entry.states} — ${entry.worth}`]);
  fillPairs(document.getElementById("one-provenance"), stated.length ? stated : [["nothing", picture.nothing || "it could not be read"]]);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

filters.addEventListener("input", show);
filters.addEventListener("reset", () => setTimeout(show));
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", open);
window.addEventListener("beforeprint", () => { if (!dialog.open) { addAll(); cards.forEach((card, index) => fillFrame(index)); } });
document.getElementById("print").addEventListener("click", () => window.print());
dialog.addEventListener("close", () => { if (location.hash) history.pushState(null, "", location.pathname + location.search); });
list.dataset.order = "down";
cards.forEach((card) => near.observe(card));
document.addEventListener("DOMContentLoaded", open);  // with the images that came after this script
open();
addCardsWhenIdle();
