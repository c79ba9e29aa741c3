/**
 * An element with attributes and content. Not markup in a text, which a page may forbid (Trusted Types).
 *
 * @param {string} name
 * @param {{ [name: string]: string }} [attributes]
 * @param {...(Node | string)} content
 * @returns {any}
 */
export function make(name, attributes = {}, ...content) {
  const space = /svg|path/.test(name) ? "2000/svg" : "1999/xhtml";
  const made = document.createElementNS(`http://www.w3.org/${space}`, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

const css = `
:host{display:inline-block;position:relative}
:host([hidden]),[part~=zero]{display:none}
button{font:inherit;min-height:2.75em;cursor:pointer}
button:disabled,[aria-disabled=true]{cursor:auto}
svg{width:1.2em;height:1.2em;vertical-align:-.2em;fill:none;stroke:currentColor;stroke-width:2}
[aria-pressed=true] svg{fill:currentColor}
[part=status]{position:absolute;top:100%;inset-inline-start:0;z-index:1;width:max-content;max-width:min(16em,90vw);
background:Canvas;color:CanvasText;border:1px solid;border-radius:.3em;padding:.2em .6em}
[part=status]:empty{border:0;padding:0}
[part=status].end{inset-inline:auto 0}
:host([theme]) button{color:inherit;background:none;border:1px solid;border-radius:.3em;padding:0 .9em}
:host([theme=pill]) button{border-radius:9em}
:host([theme=plain]) button{border-color:#0000}
:host([theme]) :disabled{opacity:.6}
:host([theme]) [aria-pressed=true]{color:var(--reaction-accent,inherit)}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/**
 * Gives a shadow tree the style that all of them share. Not by a style element, which a page may forbid (Content Security
 * Policy), but where a browser has nothing else: Safari before 16.4.
 *
 * @param {ShadowRoot} root
 */
export function style(root) {
  try {
    if (!sheet) {
      const made = new CSSStyleSheet();
      made.replaceSync(css);
      sheet = made;
    }
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.prepend(make("style", {}, css));
  }
}
