// Elements of a page, made by scripts; texts are text.

/** An HTML element with properties and children; texts are text. */
function html(name, properties = {}, ...children) {
  const { role, scope, ...others } = properties;
  const element = Object.assign(document.createElement(name), others);
  for (const [key, value] of Object.entries({ role, scope })) if (value) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** An SVG element with attributes and children; texts are text. */
function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const button = (text, label, onclick) => {
  const made = html("button", { type: "button", onclick }, text);
  made.setAttribute("aria-label", label);
  return made;
};
