// pasted pictures go the way of chosen files; the slider fades the heat map; new answers are read out
document.addEventListener("paste", (event) => {
  const files = event.clipboardData ? event.clipboardData.files : [];
  const input = document.querySelector("#pictures input[type=file]");
  if (!files.length || !input) return;
  event.preventDefault();
  const carrier = new DataTransfer();
  for (const file of files) carrier.items.add(file);
  input.files = carrier.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
document.addEventListener("input", (event) => {
  if (event.target.id !== "opacity") return;
  event.target.closest("figure").querySelector(".im-overlay").style.opacity = event.target.value / 100;
});
new MutationObserver(() => {
  for (const id of ["answer", "heat-map", "curves"]) {
    const part = document.getElementById(id);
    if (part && !part.hasAttribute("aria-live")) part.setAttribute("aria-live", "polite");
  }
}).observe(document.documentElement, { childList: true, subtree: true });
