// The last hour as bars or dots: an SVG of sixty minutes, the latest at the right.
const SVG = "http://www.w3.org/2000/svg";
const MINUTES = 60;

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// values: one a minute, null for none, oldest first; kind: "bars" or "dots".
export function chart(title, values, kind, format) {
  const known = values.filter((each) => each !== null);
  const most = Math.max(...known, 0);
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = known.length && most > 0 ? `${title} (up to ${format(most)} in a minute)` : `${title}: none`;
  const svg = shape("svg", { class: "chart", viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", caption.textContent);
  svg.append(shape("line", { class: "axis", x1: 0, y1: 99, x2: 600, y2: 99 }));
  values.forEach((value, index) => {
    if (value === null || most <= 0) return;
    const x = (MINUTES - values.length + index) * 10;
    const height = (value / most) * 92;
    if (kind === "dots") svg.append(shape("rect", { class: "dot", x: x + 2, y: 96 - height, width: 6, height: 4 }));
    else if (value > 0) svg.append(shape("rect", { class: "bar", x: x + 1, y: 99 - height, width: 8, height }));
  });
  const ends = document.createElement("div");
  ends.className = "ends";
  for (const text of ["an hour ago", "now"]) ends.append(Object.assign(document.createElement("span"), { textContent: text }));
  figure.append(caption, svg, ends);
  return figure;
}
