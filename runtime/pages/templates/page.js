"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const rowsOf = (columns) => {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, at) => Object.fromEntries(names.map((name) => [name, columns[name][at]])));
};
const columns = JSON.parse(document.getElementById("datasets").textContent);
const datasets = Object.fromEntries(Object.keys(columns).map((name) => [name, rowsOf(columns[name])]));

function colours() {
  const style = getComputedStyle(document.body);
  const text = style.color, line = style.getPropertyValue("--line"), mark = style.getPropertyValue("--mark");
  const words = { labelColor: text, titleColor: text };
  return {
    background: null,
    font: style.fontFamily,
    axis: { ...words, domainColor: line, gridColor: line, tickColor: line },
    legend: words,
    title: { color: text },
    view: { stroke: line },
    mark: { color: mark },
  };
}

// Views among others are as wide as their place: Vega-Lite itself does this only for one alone.
function fitted(spec, place) {
  const width = Math.max(160, place.clientWidth - 100);
  const views = spec.vconcat?.map((view) => ({ ...view, width }));
  const description = place.dataset.text;
  return { ...spec, ...(views && { vconcat: views }), description, datasets };
}

async function draw(figure) {
  const place = figure.querySelector(".drawn");
  if (figure.closest("details.part:not([open])")) return;
  const spec = JSON.parse(figure.querySelector("script").textContent);
  figure.view?.finalize();
  const embedded = await vegaEmbed(place, fitted(spec, place), {
    actions: { export: true, source: false, compiled: false, editor: false },
    ast: true,
    config: colours(),
    renderer: "canvas",
  });
  figure.view = embedded;
  figure.dataset.width = place.clientWidth;
}

async function drawAll(inside, isNeeded) {
  for (const figure of [...inside.querySelectorAll("figure.chart")].filter(isNeeded)) {
    await draw(figure).catch((error) => console.error(error)); // the others are drawn all the same
  }
}

const isNew = (figure) => !figure.view;
const isOtherWidth = (figure) => figure.view && figure.dataset.width != figure.querySelector(".drawn").clientWidth;
for (const details of document.querySelectorAll("details.part")) {
  details.addEventListener("toggle", () => drawAll(details, isNew));
}
let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => drawAll(document, isOtherWidth), 200);
});
dark.addEventListener("change", () => drawAll(document, (figure) => figure.view));

const dialog = document.getElementById("enlarged");
document.addEventListener("click", (event) => {
  const image = event.target.closest("button.enlarge")?.querySelector("img");
  if (image) {
    const shown = dialog.querySelector("img");
    [shown.src, shown.alt] = [image.src, image.alt];
    dialog.querySelector("figcaption").textContent = image.alt;
    dialog.showModal();
  } else if (event.target === dialog) dialog.close();
});

drawAll(document, isNew).then(() => (document.documentElement.dataset.drawn = "yes"));
