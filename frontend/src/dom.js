/**
 * An element with attributes and content. Not markup in a text, which a page may forbid (Trusted Types).
 *
 * @param {string} name
 * @param {{ [name: string]: string }} [attributes]
 * @param {...(Node | string)} content
 * @returns {any}
 */
export function make(name, attributes = {}, ...content) {
  const svg = /svg|path/.test(name) && "http://www.w3.org/2000/svg";
  const made = svg ? document.createElementNS(svg, name) : document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...content);
  return made;
}

const css = `
:host{display:inline-block;position:relative}
:host([hidden]),[part~=zero]{display:none}
button{font:inherit;min-height:2.75em;cursor:pointer}
:disabled,[aria-disabled=true]{cursor:auto}
svg{vertical-align:-.2em}
[part=status]{position:absolute;top:100%;inset-inline-start:0;z-index:1;width:max-content;max-width:min(16em,90vw);
background:Canvas;color:CanvasText;border:1px solid;border-radius:.3em;padding:.2em .6em}
:empty{border:0;padding:0}
.end{inset-inline:auto 0}
:host([theme]) button{color:inherit;background:none;border:1px solid;border-radius:.3em;padding:0 .9em}
:host([theme=pill]) button{border-radius:9em}
:host([theme=plain]) button{border-color:#0000}
:host([theme]) :disabled{opacity:.6}
:host([theme]) [aria-pressed=true]{color:var(--reaction-accent,inherit)}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/**
 * Draws a shadow tree, with the style that all of them share. Not by a style element, which a page may forbid (Content Security
 * Policy), but where a browser has nothing else: Safari before 16.4. If the page forbids it there, the elements have no style.
 *
 * @param {ShadowRoot} root
 * @param {(Node | string)[]} content
 */
export function draw(root, ...content) {
  root.replaceChildren(...content);
  try {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.prepend(make("style", {}, css));
  }
}
